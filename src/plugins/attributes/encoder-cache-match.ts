import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';

/** How much of one request's media each endpoint's encoder has probably seen. */
export interface EncoderCacheMatch {
  /** Sum of the sizes of the request's distinct media items; above 0. */
  readonly requestSize: number;
  /** Sum of the sizes of those seen before, by `Endpoint.slot`; slots past the end have seen none. */
  readonly matchedSize: Float64Array;
}

/** Producer that consumers read when they name none. */
export const DEFAULT_ENCODER_CACHE_PRODUCER = 'mm-embeddings-cache-producer';

/** On the request; absent when it has no media. `producer`: instance name; '' means the default one. */
export function encoderCacheMatchKey(producer: string): AttributeKey<EncoderCacheMatch> {
  return attributeKey(
    'MultiModalEncoderCacheMatchInfoKey',
    producer === '' ? DEFAULT_ENCODER_CACHE_PRODUCER : producer,
  );
}
