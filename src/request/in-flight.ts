import type { Endpoint } from '../framework/endpoint.ts';
import type { InferenceRequest } from '../framework/request.ts';

/** Owner of `Endpoint.inFlightRequests`: each request holds at most one count, released exactly once. */
export class InFlight {
  /** Requests that hold a count now. */
  held = 0;

  /** Counts `request` on `endpoint`; moves its count there when it holds one elsewhere. */
  hold(request: InferenceRequest, endpoint: Endpoint): void {
    this.release(request);
    request.heldEndpoint = endpoint;
    endpoint.inFlightRequests += 1;
    this.held += 1;
  }

  /** Gives the count back; does nothing when none is held. */
  release(request: InferenceRequest): void {
    const endpoint = request.heldEndpoint;
    if (endpoint === undefined) return;
    request.heldEndpoint = undefined;
    endpoint.inFlightRequests -= 1;
    this.held -= 1;
  }
}
