import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';
import {
  DEFAULT_IN_FLIGHT_PRODUCER,
  type InFlightLoad,
  inFlightLoadKey,
} from '../attributes/in-flight-load.ts';

interface Limits {
  /** Requests up to which an endpoint counts as idle; not negative. */
  readonly idleThreshold: number;
  /** 0..1. */
  readonly maxBusyScore: number;
}

/**
 * Prefers endpoints to which this picker has sent fewer requests that have not ended.
 *
 * score = 1 when requests <= idleThreshold, else (max - requests) / max × maxBusyScore, max over the candidates.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/activerequest
 */
class ActiveRequestScorer implements Scorer {
  readonly category = 'distribution';
  readonly #key: AttributeKey<InFlightLoad>;
  readonly #limits: Limits;

  constructor(key: AttributeKey<InFlightLoad>, limits: Limits) {
    this.#key = key;
    this.#limits = limits;
  }

  score(_request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const key = this.#key;
    const { idleThreshold, maxBusyScore } = this.#limits;
    let max = 0;
    let i = 0;
    for (const candidate of candidates) {
      const requests = candidate.attributes.get(key)?.requests ?? 0;
      if (requests > max) max = requests;
      out[i] = requests;
      i += 1;
    }
    for (i = 0; i < candidates.length; i += 1) {
      const requests = out[i] ?? 0;
      out[i] = requests <= idleThreshold ? 1 : ((max - requests) / max) * maxBusyScore;
    }
  }
}

/** `active-request-scorer`. */
export const activeRequestScorer = definePlugin({
  type: 'active-request-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Prefers endpoints to which this picker has fewer requests under way.',
  params: z.strictObject({
    idleThreshold: z
      .int()
      .default(0)
      .describe('Requests under way up to which an endpoint counts as idle; below 0 means 0.'),
    maxBusyScore: z
      .number()
      .default(1)
      .describe('Best score of an endpoint that is not idle, 0 to 1; outside of that means 1.'),
    requestTimeout: z.string().optional().describe('Deprecated and ignored.'),
    inFlightLoadProducerName: z
      .string()
      .default(DEFAULT_IN_FLIGHT_PRODUCER)
      .describe('Name of the producer whose in-flight counts are read.'),
  }),
  dependencies: (params) => ({ requires: [inFlightLoadKey(params.inFlightLoadProducerName)] }),
  create(params, context) {
    let { maxBusyScore } = params;
    if (maxBusyScore < 0 || maxBusyScore > 1) {
      context.log.warn({ got: maxBusyScore, used: 1 }, 'maxBusyScore is not between 0 and 1');
      maxBusyScore = 1;
    }
    if (params.requestTimeout !== undefined) context.log.warn({}, 'requestTimeout is deprecated and ignored');
    return new ActiveRequestScorer(inFlightLoadKey(params.inFlightLoadProducerName), {
      idleThreshold: Math.max(0, params.idleThreshold),
      maxBusyScore,
    });
  },
});
