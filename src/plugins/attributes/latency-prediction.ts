import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';

/**
 * How long one request would take at each candidate, and how that compares with what its client asked for. Arrays are
 * indexed by `Endpoint.slot`; all have the same length. Times are milliseconds.
 */
export interface LatencyPrediction {
  /** Time from now to the first token, 0 or more; NaN where nothing was predicted. */
  readonly ttftMs: Float64Array;
  /** Time of one token after the first, 0 or more; NaN where nothing was predicted. */
  readonly tpotMs: Float64Array;
  /**
   * Objective minus prediction: above 0 is within the objective. 0 for a latency that does not matter here. For a request
   * without any objective: minus the prediction, so that less latency is more headroom.
   */
  readonly ttftHeadroomMs: Float64Array;
  /** Like `ttftHeadroomMs`, of the time of one token. */
  readonly tpotHeadroomMs: Float64Array;
  /** 1 where the first token is expected within its objective, or has none. */
  readonly ttftValid: Uint8Array;
  /** 1 where tokens are expected within their objective, or have none. */
  readonly tpotValid: Uint8Array;
  /** Requests that this picker has under way at the endpoint. */
  readonly dispatchedRequests: Float64Array;
}

/** Producer whose predictions consumers read when they name none. */
export const DEFAULT_PREDICTION_PRODUCER = 'predicted-latency-producer';

/** On the request; absent when nothing was predicted for any candidate. `producer`: instance name; '' means the default one. */
export function latencyPredictionKey(producer: string): AttributeKey<LatencyPrediction> {
  return attributeKey(
    'LatencyPredictionInfoDataKey',
    producer === '' ? DEFAULT_PREDICTION_PRODUCER : producer,
  );
}

/** Predictions of no endpoint, for slots below `slots`; whoever makes them fills them in. */
export function noPredictions(slots: number): LatencyPrediction {
  return {
    ttftMs: new Float64Array(slots).fill(Number.NaN),
    tpotMs: new Float64Array(slots).fill(Number.NaN),
    ttftHeadroomMs: new Float64Array(slots),
    tpotHeadroomMs: new Float64Array(slots),
    ttftValid: new Uint8Array(slots),
    tpotValid: new Uint8Array(slots),
    dispatchedRequests: new Float64Array(slots),
  };
}

/** Whether something was predicted for the endpoint with this slot. */
export function isPredicted(prediction: LatencyPrediction, slot: number): boolean {
  return (prediction.ttftMs[slot] ?? Number.NaN) >= 0;
}
