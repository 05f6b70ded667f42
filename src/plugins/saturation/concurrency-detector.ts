import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { type Filter, keepWhere } from '../../framework/filter.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { SaturationDetector } from '../../framework/saturation.ts';
import {
  DEFAULT_IN_FLIGHT_PRODUCER,
  type InFlightLoad,
  inFlightLoadKey,
} from '../attributes/in-flight-load.ts';

const params = z.strictObject({
  concurrencyMode: z
    .enum(['requests', 'tokens', 'hybrid'])
    .default('requests')
    .describe('What counts: requests, tokens, or whichever of the two is fuller.'),
  maxConcurrency: z.int().min(1).default(100).describe('Requests under way at which an endpoint is full.'),
  maxTokenConcurrency: z
    .int()
    .min(1)
    .default(1_000_000)
    .describe('Tokens under way at which an endpoint is full.'),
  headroom: z
    .number()
    .min(0)
    .default(0)
    .describe('Share by which both limits are raised where the plugin is used as a filter.'),
  inFlightLoadProducerName: z
    .string()
    .default(DEFAULT_IN_FLIGHT_PRODUCER)
    .describe('Name of the producer whose in-flight counts are read.'),
});

/**
 * Saturation from what this picker itself has under way.
 *
 * requests  Σ requests / (n × maxConcurrency)
 * tokens    Σ tokens / (n × maxTokenConcurrency)
 * hybrid    mean of max(requests / maxConcurrency, tokens / maxTokenConcurrency)
 *
 * As a filter it keeps endpoints below ⌊limit × (1 + headroom)⌋ (hybrid: below both) and may leave nobody, which
 * answers 429. An endpoint without counts has load 0.
 * llm-d-router: pkg/epp/framework/plugins/flowcontrol/saturationdetector/concurrency
 */
class ConcurrencyDetector implements SaturationDetector, Filter {
  readonly #key: AttributeKey<InFlightLoad>;
  /** Load at which an endpoint is full; Infinity for what does not count. */
  readonly #fullRequests: number;
  readonly #fullTokens: number;
  readonly #requestLimit: number;
  readonly #tokenLimit: number;

  constructor(config: z.infer<typeof params>) {
    const countsRequests = config.concurrencyMode !== 'tokens';
    const countsTokens = config.concurrencyMode !== 'requests';
    const scale = 1 + config.headroom;
    this.#key = inFlightLoadKey(config.inFlightLoadProducerName);
    this.#fullRequests = countsRequests ? config.maxConcurrency : Number.POSITIVE_INFINITY;
    this.#fullTokens = countsTokens ? config.maxTokenConcurrency : Number.POSITIVE_INFINITY;
    this.#requestLimit = Math.floor(this.#fullRequests * scale);
    this.#tokenLimit = Math.floor(this.#fullTokens * scale);
  }

  saturation(endpoints: readonly Endpoint[]): number {
    let sum = 0;
    for (const endpoint of endpoints) {
      const load = endpoint.attributes.get(this.#key);
      if (load === undefined) continue;
      const requests = load.requests / this.#fullRequests;
      const tokens = load.tokens / this.#fullTokens;
      sum += Math.max(requests, tokens);
    }
    return endpoints.length === 0 ? 1 : sum / endpoints.length;
  }

  filter(_request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    return keepWhere(candidates, (candidate) => {
      const load = candidate.attributes.get(this.#key);
      return load === undefined || (load.requests < this.#requestLimit && load.tokens < this.#tokenLimit);
    });
  }
}

/** `concurrency-detector`. */
export const concurrencyDetector = definePlugin({
  type: 'concurrency-detector',
  kinds: ['saturation-detector', 'filter'],
  stability: 'beta',
  summary:
    'Saturation from requests and tokens this picker has under way; as a filter, drops full endpoints.',
  params,
  dependencies: (config) => ({ requires: [inFlightLoadKey(config.inFlightLoadProducerName)] }),
  create: (config) => new ConcurrencyDetector(config),
});
