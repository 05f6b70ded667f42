import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { SaturationDetector } from '../framework/saturation.ts';
import type { Clock } from '../util/clock.ts';

/**
 * Admission when flow control is off: a request of negative priority is refused while the endpoints it may go to
 * are full; all others pass without asking (llm-d-router: pkg/epp/requestcontrol/admission.go).
 */
export class SaturationGate {
  readonly #detector: SaturationDetector;
  readonly #clock: Clock;

  constructor(detector: SaturationDetector, clock: Clock) {
    this.#detector = detector;
    this.#clock = clock;
  }

  /** Throws `RejectionError` `resource-exhausted` when the request is shed. */
  admit(request: InferenceRequest, candidates: readonly Endpoint[]): void {
    if (request.priority >= 0) return;
    if (this.#detector.saturation(candidates, this.#clock.nowMs()) < 1) return;
    throw new RejectionError('resource-exhausted', 'system saturated, sheddable request dropped', {
      reason: 'rejected-saturated',
    });
  }
}
