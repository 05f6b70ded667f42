import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';

/** Work this picker has sent to an endpoint and that has not ended; live, changed by its producer. */
export interface InFlightLoad {
  requests: number;
  tokens: number;
}

/** Producer that consumers read when they name none. */
export const DEFAULT_IN_FLIGHT_PRODUCER = 'inflight-load-producer';

/** On the endpoint. `producer`: instance name; '' means the default one. */
export function inFlightLoadKey(producer: string): AttributeKey<InFlightLoad> {
  return attributeKey('InFlightLoadDataKey', producer === '' ? DEFAULT_IN_FLIGHT_PRODUCER : producer);
}

/** On the request: tokens it would add to each endpoint, by `Endpoint.slot`. */
export function uncachedTokensKey(producer: string): AttributeKey<Float64Array> {
  return attributeKey(
    'UncachedRequestTokensDataKey',
    producer === '' ? DEFAULT_IN_FLIGHT_PRODUCER : producer,
  );
}
