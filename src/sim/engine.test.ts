import fc from 'fast-check';
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
};

/** An engine on a clock that stands still, and what its sequences received. */
function bench(options: Partial<SimOptions> = {}) {
  const clock = new FakeClock();
  let turns = 0;
  const engine = new Engine(simOptions({ ...PLAIN, ...options }), {
    clock,
    seed: 1,
    afterTurn: () => (turns += 1),
  });
  const startMs = clock.nowMs();
  const log: { name: string; atMs: number; isLast: boolean }[] = [];
  const texts = new Map<string, string>();
  const submit = (
    name: string,
    tokens: number,
    extra: Partial<SequenceRequest> & { first?: number } = {},
  ): Sequence => {
    const ids = Uint32Array.from({ length: tokens }, (_, i) => (extra.first ?? 0) + i);
    return engine.submit({
      prompt: promptOf(ids, options.blockSize ?? PLAIN.blockSize, extra.adapter ?? ''),
      adapter: '',
      outputTokens: 1,
      finishReason: 'length',
      seed: 1,
      encodeMs: 0,
      isForRemoteDecode: false,
      remote: undefined,
      sink: {
        onToken: (_sequence, text, isLast) => {
          log.push({ name, atMs: clock.nowMs() - startMs, isLast });
          texts.set(name, (texts.get(name) ?? '') + text);
        },
      },
      ...extra,
    });
  };
  return { clock, engine, log, texts, submit, turns: () => turns };
}

describe('Engine', () => {
  test('the first token comes after step and prompt time, the next ones after decode steps', () => {
    const { clock, log, submit } = bench();
    submit('a', 20, { outputTokens: 3 });
    clock.advance(1000);
    // 10 + 20 tokens at 1 per ms; then 10 + 1 each.
    expect(log.map(({ atMs }) => Math.round(atMs))).toEqual([30, 41, 52]);
    expect(log.map(({ isLast }) => isLast)).toEqual([false, false, true]);
  });

  test('a second prompt with the same prefix pays only for the rest', () => {
    const { clock, log, submit } = bench();
    submit('a', 20);
    clock.advance(100);
    const second = submit('b', 22);
    clock.advance(100);
    expect(second.cachedTokens).toBe(20);
    expect(Math.round((log[1]?.atMs ?? 0) - 100)).toBe(12);
  });

  test('the last token is always computed', () => {
    const { clock, submit } = bench();
    submit('a', 20);
    clock.advance(100);
    const second = submit('b', 20);
    clock.advance(100);
    expect(second.cachedTokens).toBe(16);
  });

  test('generated tokens are cached too: a next turn that repeats the answer finds it', () => {
    const { clock, engine, submit } = bench();
    const first = submit('a', 4, { outputTokens: 9 });
    clock.advance(1000);
    // 4 + 9 tokens; the last one is never computed, so 12 of them fill three blocks.
    expect([first.length, engine.pool.cached]).toEqual([13, 3]);
  });

  test('decoding slows down with the batch, prompts in one step wait for each other', () => {
    const { clock, log, submit } = bench();
    submit('x', 4);
    submit('a', 10, { first: 100, outputTokens: 2 });
    submit('b', 10, { first: 200, outputTokens: 2 });
    clock.advance(1000);
    // x alone: 14. Then both prompts: 10 + 20. Then two decode: 10 + 2.
    expect(log.map(({ name, atMs }) => `${name}${Math.round(atMs)}`)).toEqual([
      'x14',
      'a44',
      'b44',
      'a56',
      'b56',
    ]);
  });

  test('a prompt longer than the budget is computed in parts while others decode', () => {
    const { clock, log, submit } = bench({ maxNumBatchedTokens: 8 });
    submit('a', 4, { outputTokens: 5 });
    submit('b', 20, { first: 100 });
    clock.advance(1000);
    const order = log.map(({ name }) => name).join('');
    expect(order).toBe('aaaab'.concat('a'));
  });

  test('no more sequences run than there are places; the others wait in order', () => {
    const { clock, engine, log, submit } = bench({ maxNumSeqs: 2 });
    for (const name of ['a', 'b', 'c', 'd'])
      submit(name, 4, { outputTokens: 3, first: name.charCodeAt(0) * 100 });
    clock.advance(20);
    expect([engine.running, engine.waiting]).toEqual([2, 2]);
    clock.advance(1000);
    expect(log.filter(({ isLast }) => isLast).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
    expect([engine.running, engine.waiting]).toEqual([0, 0]);
  });

  test('admission waits for blocks, and cached blocks make room when they are needed', () => {
    const { clock, engine, submit } = bench({ numGpuBlocks: 6 });
    submit('a', 16, { outputTokens: 4 });
    submit('b', 16, { first: 100, outputTokens: 1 });
    clock.advance(30);
    expect([engine.running, engine.waiting]).toEqual([1, 1]);
    expect(engine.pool.usage).toBeGreaterThan(0.5);
    clock.advance(1000);
    expect(engine.stats.finishedLength).toBe(2);
    expect(engine.pool.usage).toBe(0);
    expect(engine.pool.cached).toBeGreaterThan(0);
  });

  test('when decoding runs out of blocks the youngest starts again, and its answer stays the same', () => {
    const roomy = bench({ numGpuBlocks: 100 });
    const tight = bench({ numGpuBlocks: 8 });
    for (const { submit } of [roomy, tight]) {
      submit('a', 12, { outputTokens: 16, seed: 1 });
      submit('b', 12, { outputTokens: 16, seed: 2, first: 100 });
    }
    roomy.clock.advance(5000);
    tight.clock.advance(5000);
    expect(roomy.engine.stats.preemptions).toBe(0);
    expect(tight.engine.stats.preemptions).toBeGreaterThan(0);
    expect(tight.texts).toEqual(roomy.texts);
    expect(tight.engine.pool.free).toBe(8);
  });

  test('an adapter waits while the batch holds as many as it can; others pass it', () => {
    const { clock, engine, log, submit } = bench({ maxLoras: 1 });
    submit('base', 4);
    submit('a', 4, { adapter: 'x', outputTokens: 4 });
    submit('b', 4, { adapter: 'y' });
    submit('c', 4, { adapter: 'x' });
    clock.advance(20);
    expect(engine.adapters()).toEqual({ running: ['x'], waiting: ['y'] });
    expect(engine.deferred).toBe(1);
    clock.advance(1000);
    expect(log.filter(({ isLast }) => isLast).map(({ name }) => name)).toEqual(['base', 'c', 'a', 'b']);
  });

  test('an aborted sequence leaves at once and gives its blocks back', () => {
    const { clock, engine, log, submit } = bench();
    const running = submit('a', 20, { outputTokens: 50 });
    clock.advance(45);
    const waiting = submit('b', 20, { first: 100 });
    engine.abort(running);
    engine.abort(waiting);
    engine.abort(waiting);
    expect([engine.running, engine.waiting, engine.pool.free]).toEqual([0, 0, 100]);
    clock.advance(1000);
    expect(log).toHaveLength(2);
    expect(engine.stats.finishedAbort).toBe(2);
    expect(clock.pendingTimers).toBe(0);
  });

  test('the time scale multiplies all times; at 0 several steps run in a turn', () => {
    const slow = bench({ timeScale: 2 });
    slow.submit('a', 20);
    slow.clock.advance(59);
    expect(slow.log).toHaveLength(0);
    slow.clock.advance(2);
    expect(slow.log).toHaveLength(1);
    const instant = bench({ timeScale: 0 });
    instant.submit('a', 20, { outputTokens: 100 });
    instant.clock.advance(0);
    expect(instant.texts.get('a')).toHaveLength(400);
    expect(instant.turns()).toBeLessThan(6);
  });

  test('whatever arrives and leaves, all blocks come back and every answer has its length', () => {
    const one = fc.record({
      tokens: fc.integer({ min: 1, max: 40 }),
      output: fc.integer({ min: 1, max: 30 }),
      first: fc.nat(3),
      pause: fc.nat(40),
      aborts: fc.boolean(),
    });
    const settings = fc.record({
      numGpuBlocks: fc.integer({ min: 18, max: 40 }),
      maxNumSeqs: fc.integer({ min: 1, max: 6 }),
      maxNumBatchedTokens: fc.integer({ min: 1, max: 50 }),
    });
    fc.assert(
      fc.property(settings, fc.array(one, { maxLength: 20 }), (options, arrivals) => {
        const { clock, engine, texts, submit } = bench(options);
        const aborted: [Sequence, string][] = [];
        arrivals.forEach(({ tokens, output, first, pause, aborts }, i) => {
          const sequence = submit(`s${i}`, tokens, { first: first * 1000, outputTokens: output, seed: i });
          clock.advance(pause);
          if (aborts) {
            engine.abort(sequence);
            aborted.push([sequence, `s${i}`]);
          }
        });
        clock.advance(200_000);
        expect([engine.running, engine.waiting, engine.pool.free]).toEqual([0, 0, options.numGpuBlocks]);
        const left = new Set(aborted.map(([, name]) => name));
        arrivals.forEach(({ output }, i) => {
          if (!left.has(`s${i}`)) expect(texts.get(`s${i}`)).toHaveLength(4 * output);
        });
        const { finishedLength, finishedAbort } = engine.stats;
        expect(finishedLength + finishedAbort).toBe(arrivals.length);
        expect(engine.stats.prefixCacheHits).toBeLessThanOrEqual(engine.stats.prefixCacheQueries);
      }),
      { numRuns: 60 },
    );
  });
});
