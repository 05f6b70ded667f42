import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { EndpointObserver, PreRequestHook, StateDumper } from '../../framework/hooks.ts';
import type { Log } from '../../framework/log.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { DEFAULT_PREFIX_PRODUCER, type PrefixMatch, prefixMatchKey } from '../attributes/prefix-match.ts';

const DEFAULT_LRU_SIZE = 1024;
const MAX_LRU_SIZE = 1_000_000;
const MAX_DUMPED = 100;
/** Profile that computes prompts where the profile handler names none. */
const PREFILL_PROFILE = 'prefill';

interface Options {
  /** Endpoints remembered, 1 or more. */
  readonly capacity: number;
  /** Rank among all that are remembered, as the reference does. */
  readonly ranksAmongAll: boolean;
}

/**
 * Spreads cold requests, those whose prefix no candidate holds, to the endpoint whose last cold request is the
 * longest ago, so that caches grow evenly.
 *
 * warm: 0.5 for all. Cold, one candidate: 1. Cold, n candidates: 1 - rank / (n - 1), where rank counts first the
 * candidates that never got a cold request, by slot, then the others, oldest first. Endpoints that are not
 * candidates take no rank, unless the reference's ranking is asked for: there they do, and what falls below 0 is 0.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/nohitlru
 */
class NoHitLruScorer implements Scorer, PreRequestHook, EndpointObserver, StateDumper {
  readonly category = 'distribution';
  readonly #key: AttributeKey<PrefixMatch>;
  readonly #options: Options;
  /** Oldest first; a set keeps the order of insertion. */
  readonly #used = new Set<Endpoint>();
  /** Whether every pass so far found the request cold; one request may be scored in several profiles. */
  readonly #isCold = new WeakMap<InferenceRequest, boolean>();
  /** By slot: position among the candidates of the running call plus 1; all 0 between calls. */
  #positions = new Int32Array(64);

  constructor(key: AttributeKey<PrefixMatch>, options: Options) {
    this.#key = key;
    this.#options = options;
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const isCold = !holdsPrefix(request.attributes.get(this.#key), candidates);
    if (candidates.length > 0) this.#isCold.set(request, isCold && this.#isCold.get(request) !== false);
    if (isCold) this.#rank(candidates, out);
    else out.fill(0.5, 0, candidates.length);
  }

  /** A cold request makes the endpoints that serve its stages the most recent ones. */
  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    if (this.#isCold.get(request) !== true) return;
    this.#isCold.delete(request);
    const { profiles, primary, prefill = PREFILL_PROFILE, encode } = result;
    this.#touch(profiles.get(primary)?.targets[0]);
    if (prefill !== primary) this.#touch(profiles.get(prefill)?.targets[0]);
    if (encode !== undefined && !this.#options.ranksAmongAll) this.#touch(profiles.get(encode)?.targets[0]);
  }

  endpointRemoved(endpoint: Endpoint): void {
    this.#used.delete(endpoint);
  }

  dumpState(): unknown {
    const endpoints: string[] = [];
    for (const endpoint of this.#used) {
      if (endpoints.length === MAX_DUMPED) break;
      endpoints.push(endpoint.id);
    }
    return { endpoints, totalEndpoints: this.#used.size, maxEndpoints: MAX_DUMPED };
  }

  #touch(endpoint: Endpoint | undefined): void {
    if (endpoint === undefined) return;
    this.#used.delete(endpoint);
    this.#used.add(endpoint);
    if (this.#used.size <= this.#options.capacity) return;
    for (const oldest of this.#used) {
      this.#used.delete(oldest);
      return;
    }
  }

  #rank(candidates: readonly Endpoint[], out: Float64Array): void {
    const n = candidates.length;
    const end = this.#mark(candidates);
    const positions = this.#positions;
    const last = n > 1 ? n - 1 : 1;
    // Used candidates take the ranks at the end, the most recent one the last, so they are found first.
    let used = 0;
    for (const endpoint of this.#used) if (isMarked(positions, endpoint, candidates)) used += 1;
    let rank = n - used;
    const skips = this.#options.ranksAmongAll && n > 1;
    for (const endpoint of this.#used) {
      if (isMarked(positions, endpoint, candidates)) {
        out[(positions[endpoint.slot] ?? 0) - 1] = Math.max(0, 1 - rank / last);
        positions[endpoint.slot] = 0;
        rank += 1;
      } else if (skips) {
        rank += 1;
      }
    }
    rank = 0;
    for (let slot = 0; slot < end; slot += 1) {
      const position = positions[slot] ?? 0;
      if (position === 0) continue;
      out[position - 1] = 1 - rank / last;
      positions[slot] = 0;
      rank += 1;
    }
  }

  /** Notes each candidate's position under its slot; returns one more than the greatest slot. */
  #mark(candidates: readonly Endpoint[]): number {
    let end = 0;
    for (const candidate of candidates) if (candidate.slot >= end) end = candidate.slot + 1;
    if (end > this.#positions.length) this.#positions = new Int32Array(end * 2);
    let i = 0;
    for (const candidate of candidates) {
      i += 1;
      this.#positions[candidate.slot] = i;
    }
    return end;
  }
}

/** Whether `endpoint` itself, not a later owner of its slot, is among the marked candidates. */
function isMarked(positions: Int32Array, endpoint: Endpoint, candidates: readonly Endpoint[]): boolean {
  const position = positions[endpoint.slot] ?? 0;
  return position > 0 && candidates[position - 1] === endpoint;
}

function holdsPrefix(match: PrefixMatch | undefined, candidates: readonly Endpoint[]): boolean {
  if (match === undefined) return false;
  for (const candidate of candidates) if ((match.matchBlocks[candidate.slot] ?? 0) > 0) return true;
  return false;
}

function capacityOf(lruSize: number, log: Log): number {
  if (lruSize > MAX_LRU_SIZE) log.warn({ lruSize, used: MAX_LRU_SIZE }, 'lruSize is too large');
  return lruSize > 0 ? Math.min(lruSize, MAX_LRU_SIZE) : DEFAULT_LRU_SIZE;
}

/** `no-hit-lru-scorer`. */
export const noHitLruScorer = definePlugin({
  type: 'no-hit-lru-scorer',
  kinds: ['scorer', 'pre-request', 'endpoint-observer', 'state-dumper'],
  stability: 'beta',
  summary: 'Spreads requests that hit no cached prefix to the endpoints that got such requests longest ago.',
  params: z.strictObject({
    lruSize: z
      .int()
      .default(DEFAULT_LRU_SIZE)
      .describe(
        `Endpoints remembered; 0 or less means ${DEFAULT_LRU_SIZE}, and more than ${MAX_LRU_SIZE} means ${MAX_LRU_SIZE}, with a warning in the log.`,
      ),
    prefixMatchInfoProducerName: z
      .string()
      .default(DEFAULT_PREFIX_PRODUCER)
      .describe('Name of the producer whose prefix match decides what is cold.'),
    referenceBehavior: z
      .boolean()
      .default(false)
      .describe(
        'Rank among all endpoints remembered, candidates or not, as llm-d-router does; scores then meet at 0.',
      ),
    prefixPluginType: z.string().optional().describe('Deprecated and ignored.'),
    prefixPluginName: z.string().optional().describe('Deprecated and ignored.'),
  }),
  dependencies: (params) => ({ requires: [prefixMatchKey(params.prefixMatchInfoProducerName)] }),
  create: (params, { log }) =>
    new NoHitLruScorer(prefixMatchKey(params.prefixMatchInfoProducerName), {
      capacity: capacityOf(params.lruSize, log),
      ranksAmongAll: params.referenceBehavior,
    }),
});
