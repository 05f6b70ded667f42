import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import type { Headers } from '../framework/headers.ts';
import type { InferenceRequest } from '../framework/request.ts';

const HEADER = 'prefer';
const IF_AVAILABLE = 'if-available';

/** What decides about requests that are to be decoded only where their prompt is. */
export interface ConditionalDecodeServices {
  /** Share of the request's prompt that `endpoint` has in its cache, 0..1; 0 when nobody found out. */
  cachedShare(request: InferenceRequest, endpoint: Endpoint): number;
  /** Least share that is enough; at 0 anything in the cache is. */
  readonly minShare: number;
}

/**
 * Serves requests with `Prefer: if-available` only where their prompt is in the cache already, so that whoever sends
 * them can have it computed elsewhere first.
 * llm-d-router: pkg/epp/requestcontrol/director.go
 */
export class ConditionalDecode {
  readonly #services: ConditionalDecodeServices;

  constructor(services: ConditionalDecodeServices) {
    this.#services = services;
  }

  /** Throws `RejectionError` 412 when `endpoint` is not where the request asked to be. */
  check(request: InferenceRequest, endpoint: Endpoint): void {
    if (!request.headers.has(HEADER) || !isConditional(request.headers)) return;
    const share = this.#services.cachedShare(request, endpoint);
    if (share > 0 && share >= this.#services.minShare) return;
    throw new RejectionError('precondition-failed', 'no decode worker has the requested KV cache');
  }
}

/** Whether a preference is `if-available`, in any case and with any parameters, in any of the headers. */
function isConditional(headers: Headers): boolean {
  let isFound = false;
  headers.forEach((name, value) => {
    if (name !== HEADER || isFound) return;
    isFound = value
      .split(',')
      .some((preference) => preference.split(';')[0]?.trim().toLowerCase() === IF_AVAILABLE);
  });
  return isFound;
}
