import type { AttributeKey } from '../../../framework/attribute.ts';
import type { Endpoint } from '../../../framework/endpoint.ts';
import type { InferenceRequest } from '../../../framework/request.ts';
import { type EncoderCacheMatch, encoderCacheMatchKey } from '../../attributes/encoder-cache-match.ts';
import { type InFlightLoad, inFlightLoadKey } from '../../attributes/in-flight-load.ts';
import { matchedShare, type PrefixMatch, prefixMatchKey } from '../../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../../attributes/tokenized-prompt.ts';
import type { Config } from './params.ts';

/** What the predictor is told of one endpoint and one request; every number is in its range. */
export interface Features {
  /** 0..1 */
  readonly kvCacheUsage: number;
  readonly inputTokens: number;
  readonly waiting: number;
  readonly running: number;
  /** Share of the prompt that the endpoint holds, 0..1. */
  readonly prefixScore: number;
  readonly encoderInputSize: number;
  /** At most `encoderInputSize`. */
  readonly encoderMatchedSize: number;
  readonly podType: 'prefill' | 'decode' | '';
  readonly prefillTokensInFlight: number;
}

/** What was observed in the end; the one that was not is 0. */
export interface Observation {
  readonly ttftMs: number;
  readonly tpotMs: number;
}

/** Reads features from where other plugins leave them. */
export class FeatureReader {
  readonly #loadKey: AttributeKey<InFlightLoad>;
  readonly #matchKey: AttributeKey<PrefixMatch>;
  readonly #encoderKey: AttributeKey<EncoderCacheMatch> | undefined;
  readonly #roleLabel: string;

  constructor(config: Config) {
    this.#loadKey = inFlightLoadKey(config.inFlightLoadProducerName);
    this.#matchKey = prefixMatchKey(config.prefixMatchInfoProducerName);
    this.#encoderKey = config.useEncoderCacheFeatures
      ? encoderCacheMatchKey(config.encoderCacheMatchInfoProducerName)
      : undefined;
    this.#roleLabel = config.endpointRoleLabel;
  }

  /** As of now, of each of `candidates`. */
  read(request: InferenceRequest, candidates: readonly Endpoint[]): Features[] {
    const inputTokens = count(request.attributes.get(TOKENIZED_PROMPT)?.count ?? 0);
    const match = request.attributes.get(this.#matchKey);
    const media = this.#encoderKey === undefined ? undefined : request.attributes.get(this.#encoderKey);
    const encoderInputSize = count(media?.requestSize ?? 0);
    return candidates.map((candidate) => {
      const { slot, metrics } = candidate;
      const load = candidate.attributes.get(this.#loadKey);
      return {
        kvCacheUsage: share(metrics.kvCacheUsage),
        inputTokens,
        waiting: count(metrics.waitingQueueSize),
        running: count(load?.requests ?? metrics.runningRequestsSize),
        prefixScore: matchedShare(match, slot),
        encoderInputSize,
        encoderMatchedSize: Math.min(count(media?.matchedSize[slot] ?? 0), encoderInputSize),
        podType: this.podType(candidate),
        prefillTokensInFlight: count(load?.tokens ?? 0),
      };
    });
  }

  podType(endpoint: Endpoint): Features['podType'] {
    if (this.#roleLabel === '') return '';
    const role = endpoint.labels.get(this.#roleLabel);
    return role === 'prefill' || role === 'decode' ? role : '';
  }
}

/** JSON text of a question to the predictor. */
export function questionText(features: Features): string {
  return `{${common(features, features.prefixScore, 1)}}`;
}

/**
 * JSON text of what was learnt. A sample of the time of one token says nothing of the prefix, which has no part in it.
 * `timestamp`: RFC 3339.
 */
export function sampleText(features: Features, observed: Observation, timestamp: string): string {
  const prefix = observed.ttftMs > 0 ? features.prefixScore : 0;
  return `{${common(features, prefix, 0)},"actual_ttft_ms":${observed.ttftMs},"actual_tpot_ms":${observed.tpotMs},"timestamp":"${timestamp}"}`;
}

function common(features: Features, prefixScore: number, generated: number): string {
  const podType = features.podType === '' ? '' : `,"pod_type":"${features.podType}"`;
  return (
    `"kv_cache_percentage":${features.kvCacheUsage},"input_token_length":${features.inputTokens}` +
    `,"num_request_waiting":${features.waiting},"num_request_running":${features.running}` +
    `,"num_tokens_generated":${generated},"prefix_cache_score":${prefixScore}` +
    `,"encoder_input_size":${features.encoderInputSize},"encoder_matched_size":${features.encoderMatchedSize}` +
    `,"prefill_tokens_in_flight":${features.prefillTokensInFlight},"decode_tokens_in_flight":0${podType}`
  );
}

/** A whole number, 0 or more; what is no number counts as 0. */
function count(value: number): number {
  return value > 0 ? Math.round(Math.min(value, Number.MAX_SAFE_INTEGER)) : 0;
}

/** A number from 0 to 1; what is no number counts as 0. */
function share(value: number): number {
  return value > 0 ? Math.min(value, 1) : 0;
}
