import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { Engine } from './engine.ts';
import { type SimOptions, simOptions } from './options.ts';
import { promptOf } from './prompt.ts';
import type { Sequence, SequenceRequest } from './sequence.ts';

const PLAIN = {
  jitter: 0,
  blockSize: 4,
  numGpuBlocks: 100,
  prefillTokensPerSecond: 1000,
  decodeStepMs: 10,
  decodeMsPerSequence: 1,
  kvTransferTokensPerSecond: 10_000,
};

/** An engine whose prompts of 20 tokens come from elsewhere, and the times of the tokens. */
function bench(options: Partial<SimOptions> = {}) {
  const clock = new FakeClock();
  const engine = new Engine(simOptions({ ...PLAIN, ...options }), { clock, seed: 1, afterTurn: () => {} });
  const startMs = clock.nowMs();
  const times: number[] = [];
  const submit = (remote: SequenceRequest['remote'], extra: Partial<SequenceRequest> = {}): Sequence =>
    engine.submit({
      prompt: promptOf(
        Uint32Array.from({ length: 20 }, (_, i) => i),
        PLAIN.blockSize,
        '',
      ),
      adapter: '',
      outputTokens: 2,
      finishReason: 'length',
      seed: 1,
      encodeMs: 0,
      isForRemoteDecode: false,
      remote,
      sink: { onToken: () => times.push(Math.round(clock.nowMs() - startMs)) },
      ...extra,
    });
  return { clock, engine, times, submit };
}

describe('Engine with keys and values from another server', () => {
  test('the first token comes after the transfer and a step for the last token of the prompt', () => {
    const { clock, engine, times, submit } = bench();
    const sequence = submit({ tokens: 20, isPending: false });
    expect([engine.waiting, engine.deferred, engine.running]).toEqual([1, 1, 0]);
    clock.advance(1000);
    // 20 tokens at 10 per ms; then 10 + 1.
    expect(times).toEqual([13, 24]);
    expect([sequence.cachedTokens, sequence.remoteTokens]).toEqual([19, 19]);
    const { stats } = engine;
    expect([stats.externalCacheQueries, stats.externalCacheHits]).toEqual([20, 19]);
    expect([stats.prefixCacheQueries, stats.prefixCacheHits]).toEqual([20, 0]);
    expect([stats.promptTokens, stats.remotePromptTokens, stats.cachedPromptTokens]).toEqual([20, 19, 0]);
  });

  test('what is cached here is not transferred, and what has come is cached from then on', () => {
    const { clock, engine, times, submit } = bench();
    submit({ tokens: 20, isPending: false });
    clock.advance(1000);
    times.length = 0;
    const again = submit({ tokens: 20, isPending: false });
    clock.advance(1000);
    expect([again.cachedTokens, again.remoteTokens]).toEqual([19, 3]);
    expect(engine.stats.prefixCacheHits).toBe(16);
    const local = submit(undefined);
    clock.advance(1000);
    expect([local.cachedTokens, local.remoteTokens]).toEqual([16, 0]);
  });

  test('fewer tokens than the prompt has leave the rest to be computed', () => {
    const { clock, times, submit } = bench();
    submit({ tokens: 8, isPending: false }, { outputTokens: 1 });
    clock.advance(1000);
    // 0.8 for the transfer, then 10 and 12 tokens at 1 per ms.
    expect(times).toEqual([23]);
  });

  test('a pending transfer begins when it is told to; an abort ends the wait', () => {
    const { clock, engine, times, submit } = bench();
    const sequence = submit({ tokens: Number.POSITIVE_INFINITY, isPending: true }, { outputTokens: 1 });
    const left = submit({ tokens: 20, isPending: true });
    clock.advance(500);
    expect([times, engine.waiting]).toEqual([[], 2]);
    engine.abort(left);
    engine.arrive(left);
    engine.arrive(sequence);
    clock.advance(500);
    expect(times).toEqual([513]);
    expect([engine.waiting, engine.running, engine.stats.finishedAbort]).toEqual([0, 0, 1]);
    engine.arrive(sequence);
    clock.advance(100);
    expect(times).toHaveLength(1);
  });

  test('a stopped engine admits nobody any more', () => {
    const { clock, engine, times, submit } = bench();
    submit({ tokens: 20, isPending: false });
    engine.stop();
    clock.advance(1000);
    expect(times).toEqual([]);
  });

  test('a prompt for a remote decode keeps the numbers of its blocks', () => {
    const { clock, engine, submit } = bench();
    const sequence = submit(undefined, { isForRemoteDecode: true, outputTokens: 1 });
    clock.advance(1000);
    expect(sequence.sentBlocks).toHaveLength(5);
    expect(new Set(sequence.sentBlocks).size).toBe(5);
    expect(engine.pool.usage).toBe(0);
  });

  test('images take their time once, with the first part of the prompt', () => {
    const { clock, times, submit } = bench({ maxNumBatchedTokens: 10 });
    submit(undefined, { encodeMs: 40, outputTokens: 1 });
    clock.advance(1000);
    // 10 + 10 + 40, then 10 + 10.
    expect(times).toEqual([80]);
  });
});
