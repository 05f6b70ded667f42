import type { LatencyPrediction } from '../../attributes/latency-prediction.ts';

/** What a client asked for, in milliseconds; 0 where it asked for nothing. */
export interface Objectives {
  /** What is left of it: time already spent on the request is taken off, so it may be below 0. */
  readonly ttftMs: number;
  readonly hasTtft: boolean;
  readonly tpotMs: number;
}

/** What else bears on one endpoint. */
export interface Bearing {
  /** The time of one token has a part in it: the answer is a stream, and the endpoint makes tokens. */
  readonly countsTpot: boolean;
  /** Tightest objective for one token of a request under way there; Infinity for none. */
  readonly tightestTpotMs: number;
  readonly sloBufferFactor: number;
  /** Factors on predictions before they are compared, 1 or more. */
  readonly ttftMargin: number;
  readonly tpotMargin: number;
}

/**
 * Writes headroom and validity of the prediction at `slot`.
 *
 *     ttftHeadroom = ttftObjective - ttft × margin                          valid when above 0
 *     limit        = factor × min(tpotObjective, tightest one running there)
 *     tpotHeadroom = limit - tpot × margin                                  valid when above 0
 *
 * A latency without objective is valid. Its headroom is 0 when the other one has an objective; when neither has, it is
 * minus the prediction, so that the endpoint with the lowest latency has most. Where the time of one token has no part,
 * it is valid with headroom 0.
 */
export function writeHeadroom(
  prediction: LatencyPrediction,
  slot: number,
  objectives: Objectives,
  bearing: Bearing,
): void {
  const ttftMs = prediction.ttftMs[slot] ?? Number.NaN;
  const tpotMs = prediction.tpotMs[slot] ?? Number.NaN;
  const hasNone = !objectives.hasTtft && objectives.tpotMs === 0;
  const ttftHeadroom = objectives.hasTtft
    ? objectives.ttftMs - ttftMs * bearing.ttftMargin
    : hasNone
      ? -ttftMs
      : 0;
  prediction.ttftHeadroomMs[slot] = ttftHeadroom;
  prediction.ttftValid[slot] = !objectives.hasTtft || ttftHeadroom > 0 ? 1 : 0;
  if (!bearing.countsTpot) {
    prediction.tpotHeadroomMs[slot] = 0;
    prediction.tpotValid[slot] = 1;
    return;
  }
  if (objectives.tpotMs === 0) {
    prediction.tpotHeadroomMs[slot] = hasNone ? -tpotMs : 0;
    prediction.tpotValid[slot] = 1;
    return;
  }
  const limitMs = Math.min(objectives.tpotMs, bearing.tightestTpotMs) * bearing.sloBufferFactor;
  const tpotHeadroom = limitMs - tpotMs * bearing.tpotMargin;
  prediction.tpotHeadroomMs[slot] = tpotHeadroom;
  prediction.tpotValid[slot] = tpotHeadroom > 0 ? 1 : 0;
}
