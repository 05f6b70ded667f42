import { parseRequest } from '../../sim/api-request.ts';
import { Engine } from '../../sim/engine.ts';
import { MetricsPage } from '../../sim/metrics-page.ts';
import { type SimOptions, simOptions } from '../../sim/options.ts';
import { promptOf, WordSource } from '../../sim/prompt.ts';
import type { SequenceRequest, SequenceSink } from '../../sim/sequence.ts';
import { planSequences } from '../../sim/sequence-plan.ts';
import type { Clock } from '../../util/clock.ts';

/**
 * One server: a model on a large GPU of some years ago. Its cache holds 48,000 tokens: 24 prompts of 2,000, not the 36 of
 * the workload `shared`, which four such caches hold together more than twice.
 */
const SERVER: Partial<SimOptions> = {
  model: 'model',
  prefillTokensPerSecond: 10_000,
  decodeStepMs: 15,
  decodeMsPerSequence: 0.15,
  maxNumBatchedTokens: 2048,
  blockSize: 16,
  numGpuBlocks: 3_000,
};
const SERVERS = 4;

/** Follows one request; times are those of the clock. */
export interface RequestSink {
  /** `count`: tokens so far, 1 at the first one; `cachedTokens`: of the prompt, found in the cache. */
  onToken(count: number, isLast: boolean, cachedTokens: number): void;
}

/** A server of the comparison: the engine of `epp sim` and its page of metrics, without HTTP around them. */
export class SimulatedServer {
  /** `address:port`; nobody listens there. */
  readonly hostPort: string;
  readonly #options: SimOptions;
  readonly #engine: Engine;
  readonly #page: MetricsPage;

  constructor(index: number, clock: Clock, seed: number) {
    this.hostPort = `10.0.0.${index + 1}:8000`;
    this.#options = simOptions({ ...SERVER, seed });
    this.#engine = new Engine(this.#options, { clock, seed: seed + index * 7919, afterTurn: () => {} });
    this.#page = new MetricsPage(this.#engine, this.#options, () => clock.wallMs());
  }

  /** What a scrape gets. */
  metrics(): Buffer {
    return Buffer.from(this.#page.render());
  }

  /** Takes the body of a chat completion. */
  submit(body: Buffer, sink: RequestSink): void {
    const request = sequenceOf(body, this.#options, {
      onToken: (sequence, _text, isLast) =>
        sink.onToken(sequence.generated, isLast, Math.max(0, sequence.cachedTokens)),
    });
    if (request !== undefined) this.#engine.submit(request);
  }
}

/** Four equal servers with empty caches. */
export function simulatedPool(clock: Clock, seed: number): readonly SimulatedServer[] {
  return Array.from({ length: SERVERS }, (_, i) => new SimulatedServer(i, clock, seed));
}

/** Tokens of a chat completion's prompt, as every server counts them. */
export function promptTokens(body: Buffer): number {
  return parseRequest('chat', body).prompts[0]?.length ?? 0;
}

/** What every server of the pool with this seed answers to a chat completion. */
export function answerText(body: Buffer, seed: number): string {
  const request = sequenceOf(body, simOptions({ ...SERVER, seed }), { onToken: () => {} });
  const words = new WordSource(request?.seed ?? 0);
  let text = '';
  for (let i = 0; i < (request?.outputTokens ?? 0); i += 1) text += WordSource.text(words.next());
  return text;
}

function sequenceOf(body: Buffer, options: SimOptions, sink: SequenceSink): SequenceRequest | undefined {
  const generation = parseRequest('chat', body);
  const prompts = generation.prompts.map((tokens) => promptOf(tokens, options.blockSize, '\n'));
  const { maxModelLen } = options;
  return planSequences({ generation, prompts, adapter: '', options, maxModelLen, sink })[0];
}
