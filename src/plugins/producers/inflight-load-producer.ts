import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type {
  DataProducer,
  EndpointObserver,
  PreRequestHook,
  ResponseBodyHook,
  StateDumper,
} from '../../framework/hooks.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import type { SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { IdTable } from '../../util/id-table.ts';
import { type InFlightLoad, inFlightLoadKey, uncachedTokensKey } from '../attributes/in-flight-load.ts';
import { DEFAULT_PREFIX_PRODUCER, type PrefixMatch, prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { EndpointLoad, type Load } from './inflight-load-producer/endpoint-load.ts';

/** Profile that computes the prompt only, where the handler names none: each phase is then a request of its own. */
const PREFILL_PROFILE = 'prefill';
const DUMPED_ENDPOINTS = 100;

const params = z.strictObject({
  addEstimatedOutputTokens: z
    .boolean()
    .default(false)
    .describe('Count the tokens a request will probably generate too, and hold them until it ends.'),
  outputRatio: z.number().min(0).default(1.5).describe('Estimated output tokens per input token.'),
  maxEstimatedOutputTokens: z.int().min(0).optional().describe('Most estimated output tokens of a request.'),
  prefixMatchInfoProducerName: z
    .string()
    .default(DEFAULT_PREFIX_PRODUCER)
    .describe('Name of the producer whose prefix match is taken off the input tokens, if it is there.'),
  syncCrossReplicaState: z
    .boolean()
    .default(true)
    .describe('Add up the load that other replicas have sent, where they share state.'),
});

type Config = z.infer<typeof params>;

/** What one profile of one request added to one endpoint and has not released. */
interface Contribution {
  readonly total: Load;
  readonly flow: Load;
  readonly isPrefill: boolean;
  requests: number;
  tokens: number;
}

/**
 * Counts requests and tokens on their way at each endpoint.
 *
 *     uncached = (totalBlocks - cachedBlocks) × blockSize + (input - totalBlocks × blockSize), neither part below 0,
 *                at most the input, and the whole input without a prefix match
 *     cost     = uncached + min(round(input × outputRatio), client's limit, own limit) with addEstimatedOutputTokens
 *
 * From scheduling to the end of the answer a request counts at the first target of every profile. Its tokens count until
 * the first byte of the answer, when its prompt is computed, or until the end with addEstimatedOutputTokens; at the
 * target of the prefill stage all counts until the first byte. Nothing ends by time: a slow answer is still load.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/inflightload
 */
class InFlightLoadProducer
  implements DataProducer, PreRequestHook, ResponseBodyHook, EndpointObserver, StateDumper
{
  readonly #config: Config;
  readonly #context: PluginContext;
  readonly #loadKey: AttributeKey<InFlightLoad>;
  readonly #uncachedKey: AttributeKey<Float64Array>;
  readonly #matchKey: AttributeKey<PrefixMatch>;
  /** By slot. */
  readonly #loads: (EndpointLoad | undefined)[] = [];
  /** Endpoints that left: a request that waited meanwhile must not bring one back. */
  readonly #gone = new WeakSet<Endpoint>();
  /** By `InferenceRequest.streamId`. */
  readonly #open = new IdTable<Contribution[]>();

  constructor(config: Config, context: PluginContext) {
    this.#config = config;
    this.#context = context;
    this.#loadKey = inFlightLoadKey(context.name);
    this.#uncachedKey = uncachedTokensKey(context.name);
    this.#matchKey = prefixMatchKey(config.prefixMatchInfoProducerName);
    for (const endpoint of context.endpoints()) this.endpointAdded(endpoint);
  }

  produce(request: InferenceRequest, candidates: readonly Endpoint[]): void {
    let slots = 0;
    for (const candidate of candidates) if (candidate.slot >= slots) slots = candidate.slot + 1;
    const tokens = new Float64Array(slots);
    const input = request.attributes.get(TOKENIZED_PROMPT)?.count ?? 0;
    const match = request.attributes.get(this.#matchKey);
    const output = this.#outputTokens(input, request.body.maxOutputTokens);
    for (const { slot } of candidates) tokens[slot] = uncachedTokens(input, match, slot) + output;
    request.attributes.set(this.#uncachedKey, tokens);
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    this.#end(request.streamId);
    const input = request.attributes.get(TOKENIZED_PROMPT)?.count ?? 0;
    const match = request.attributes.get(this.#matchKey);
    const output = this.#outputTokens(input, request.body.maxOutputTokens);
    const contributions: Contribution[] = [];
    const prefill = result.prefill ?? PREFILL_PROFILE;
    for (const [profile, { targets }] of result.profiles) {
      const load = this.#loadOf(targets[0]);
      if (load === undefined) continue;
      const flow = load.flow(request);
      const tokens = uncachedTokens(input, match, load.endpoint.slot) + output;
      load.total.add(1, tokens);
      flow.add(1, tokens);
      contributions.push({
        total: load.total,
        flow,
        isPrefill: profile === prefill,
        requests: 1,
        tokens,
      });
    }
    if (contributions.length > 0) this.#open.set(request.streamId, contributions);
  }

  responseStarted(request: InferenceRequest): void {
    for (const contribution of this.#open.get(request.streamId) ?? []) {
      if (contribution.isPrefill) release(contribution, contribution.requests);
      else if (!this.#config.addEstimatedOutputTokens) release(contribution, 0);
    }
  }

  responseComplete(request: InferenceRequest): void {
    this.#end(request.streamId);
  }

  endpointAdded(endpoint: Endpoint): void {
    const { slot } = endpoint;
    if (this.#loads[slot]?.endpoint === endpoint) return;
    this.#loads[slot]?.close();
    const load = new EndpointLoad(endpoint, this.#context.instruments, this.#context.name);
    while (this.#loads.length <= slot) this.#loads.push(undefined);
    this.#loads[slot] = load;
    this.#gone.delete(endpoint);
    endpoint.attributes.set(this.#loadKey, load.total);
  }

  endpointRemoved(endpoint: Endpoint): void {
    this.#gone.add(endpoint);
    endpoint.attributes.set(this.#loadKey, undefined);
    const load = this.#loads[endpoint.slot];
    if (load?.endpoint !== endpoint) return;
    load.close();
    this.#loads[endpoint.slot] = undefined;
  }

  dumpState(): unknown {
    const endpoints = this.#loads
      .filter((load) => load !== undefined)
      .map(({ endpoint, total }) => ({
        endpoint: endpoint.id,
        requests: total.requests,
        tokens: total.tokens,
      }))
      .sort((a, b) => b.requests + b.tokens - (a.requests + a.tokens) || (a.endpoint < b.endpoint ? -1 : 1));
    return {
      endpoints: endpoints.slice(0, DUMPED_ENDPOINTS),
      totalEndpoints: endpoints.length,
      truncated: endpoints.length > DUMPED_ENDPOINTS,
      openRequests: this.#open.size,
    };
  }

  /** Counters of a present endpoint; one that nobody announced enters now. */
  #loadOf(endpoint: Endpoint | undefined): EndpointLoad | undefined {
    if (endpoint === undefined) return undefined;
    const present = this.#loads[endpoint.slot];
    if (present?.endpoint === endpoint) return present;
    if (present !== undefined || this.#gone.has(endpoint)) return undefined;
    this.endpointAdded(endpoint);
    return this.#loads[endpoint.slot];
  }

  #outputTokens(input: number, clientLimit: number): number {
    if (!this.#config.addEstimatedOutputTokens || input <= 0) return 0;
    let tokens = Math.round(input * this.#config.outputRatio);
    if (clientLimit >= 0) tokens = Math.min(tokens, clientLimit); // NaN: the client set none
    return Math.min(tokens, this.#config.maxEstimatedOutputTokens ?? Number.POSITIVE_INFINITY);
  }

  #end(streamId: number): void {
    const contributions = this.#open.get(streamId);
    if (contributions === undefined) return;
    this.#open.delete(streamId);
    for (const contribution of contributions) release(contribution, contribution.requests);
  }
}

function uncachedTokens(input: number, match: PrefixMatch | undefined, slot: number): number {
  if (match === undefined || match.blockSizeTokens <= 0) return Math.max(0, input);
  const { totalBlocks, blockSizeTokens } = match;
  const missing = Math.max(0, totalBlocks - (match.cachedBlocks[slot] ?? 0)) * blockSizeTokens;
  const rest = Math.max(0, input - totalBlocks * blockSizeTokens);
  return Math.min(Math.max(0, input), missing + rest);
}

/** Releases the tokens and `requests` of what a contribution still holds. */
function release(contribution: Contribution, requests: number): void {
  contribution.total.release(requests, contribution.tokens);
  contribution.flow.release(requests, contribution.tokens);
  contribution.requests -= requests;
  contribution.tokens = 0;
}

/** `inflight-load-producer`. */
export const inflightLoadProducer = definePlugin({
  type: 'inflight-load-producer',
  kinds: ['producer', 'pre-request', 'response-body', 'endpoint-observer', 'state-dumper'],
  stability: 'beta',
  summary: 'Counts requests and tokens this picker has sent to each endpoint and that have not ended.',
  params,
  dependencies: (config, name) => ({
    requires: [TOKENIZED_PROMPT],
    optional: [prefixMatchKey(config.prefixMatchInfoProducerName)],
    produces: [inFlightLoadKey(name), uncachedTokensKey(name)],
  }),
  create: (config, context) => new InFlightLoadProducer(config, context),
});
