import type { Endpoint } from '../../framework/endpoint.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { nextInt, type Rng } from '../../util/rng.ts';
import { endpoint, request } from '../values.ts';

/** One situation in which a plugin is asked. */
export interface Sample {
  readonly request: InferenceRequest;
  readonly candidates: readonly Endpoint[];
  /** Index-aligned with `candidates`. */
  readonly totals: Float64Array;
}

/** Writes on a request and its candidates what producers would have written. */
export type Fill = (sample: Sample, rng: Rng) => void;

const MAX_CANDIDATES = 40;
const MODELS = ['model', 'adapter-a', 'adapter-b', ''];
const LABELS: readonly Readonly<Record<string, string>>[] = [
  {},
  { 'llm-d.ai/role': 'decode' },
  { 'llm-d.ai/role': 'prefill', zone: 'x' },
];

/** A situation by chance; the first two of a run are no candidate and one. `run` counts from 0. */
export function sample(rng: Rng, run: number): Sample {
  return sampleOf(rng, run < 2 ? run : nextInt(rng, MAX_CANDIDATES + 1));
}

/** A situation with `size` candidates. */
export function sampleOf(rng: Rng, size: number): Sample {
  const candidates = Array.from({ length: size }, (_, slot) => anyEndpoint(rng, slot));
  const totals = Float64Array.from(candidates, () => rng.next() * 10 - 2);
  return { request: anyRequest(rng), candidates, totals };
}

function anyEndpoint(rng: Rng, slot: number): Endpoint {
  return endpoint({
    name: `e${slot}`,
    slot,
    waitingQueueSize: someNumber(rng, 100_000),
    runningRequestsSize: someNumber(rng, 10_000),
    kvCacheUsage: nextInt(rng, 4) === 0 ? nextInt(rng, 2) : rng.next(),
    maxActiveModels: nextInt(rng, 4),
    activeModels: new Set(MODELS.slice(1, 1 + nextInt(rng, 3))),
    cacheBlockSize: oneOf(rng, [0, 16, 64]) ?? 0,
    cacheNumBlocks: oneOf(rng, [0, 1000]) ?? 0,
    labels: oneOf(rng, LABELS) ?? {},
    inFlightRequests: someNumber(rng, 100),
  });
}

function anyRequest(rng: Rng): InferenceRequest {
  const model = oneOf(rng, MODELS) ?? '';
  const hasJson = nextInt(rng, 4) > 0;
  return request({
    model,
    priority: nextInt(rng, 5) - 2,
    headers: nextInt(rng, 2) === 0 ? {} : { 'x-session-token': `s${nextInt(rng, 9)}`, 'x-tenant': 'a' },
    body: {
      isStreaming: nextInt(rng, 2) === 0,
      maxOutputTokens: oneOf(rng, [Number.NaN, 0, 16, 100_000]) ?? Number.NaN,
      json: hasJson
        ? { model, messages: [{ role: 'user', content: 'x'.repeat(nextInt(rng, 300)) }] }
        : undefined,
    },
  });
}

/** Often 0 or small, as counts are, and equal for several endpoints. */
function someNumber(rng: Rng, max: number): number {
  return nextInt(rng, 2) === 0 ? nextInt(rng, 3) : nextInt(rng, max);
}

function oneOf<T>(rng: Rng, items: readonly T[]): T | undefined {
  return items[nextInt(rng, items.length)];
}

/** `sample` without its candidate at `index`. */
export function without({ request: one, candidates, totals }: Sample, index: number): Sample {
  return {
    request: one,
    candidates: candidates.toSpliced(index, 1),
    totals: totals.filter((_, i) => i !== index),
  };
}

const SHOWN_CANDIDATES = 4;

/** The situation for people, on a few lines. */
export function sampleText({ request: one, candidates, totals }: Sample): string {
  const { targetModel, priority } = one;
  const shown = candidates.slice(0, SHOWN_CANDIDATES).map((candidate, i) => {
    const { waitingQueueSize, runningRequestsSize, kvCacheUsage } = candidate.metrics;
    const parts = {
      name: candidate.name,
      slot: candidate.slot,
      waitingQueueSize,
      runningRequestsSize,
      kvCacheUsage: Number(kvCacheUsage.toPrecision(3)),
      inFlightRequests: candidate.inFlightRequests,
      labels: Object.fromEntries(candidate.labels),
      total: Number((totals[i] ?? 0).toPrecision(3)),
    };
    return JSON.stringify(parts);
  });
  const more = candidates.length - shown.length;
  return [
    `request ${JSON.stringify({ targetModel, priority, hasJson: one.body.json !== undefined })}`,
    `${candidates.length} candidate${candidates.length === 1 ? '' : 's'}`,
    ...shown,
    ...(more > 0 ? [`… ${more} more`] : []),
  ].join('\n');
}
