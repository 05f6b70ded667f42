import type { Endpoint } from '../../../framework/endpoint.ts';
import type { Log } from '../../../framework/log.ts';
import type { InferenceRequest } from '../../../framework/request.ts';
import type { InferenceResponse } from '../../../framework/response.ts';
import { type SessionStrategy, sessionTarget } from './strategy.ts';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * The client carries its endpoint: a header with the standard base64 of `namespace/name`, written on every response
 * and sent back on the next request. Keeps no state, so it works across replicas and restarts.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/util/sessionaffinity
 */
export class EncodedEndpoint implements SessionStrategy {
  readonly #header: string;
  readonly #profileName: string;
  readonly #log: Log;

  /** `header`: lower case. `profileName`: '' means the primary profile. */
  constructor(header: string, profileName: string, log: Log) {
    this.#header = header;
    this.#profileName = profileName;
    this.#log = log;
  }

  preferred(request: InferenceRequest, candidates: readonly Endpoint[]): Endpoint | undefined {
    const token = request.headers.get(this.#header)?.trim() ?? '';
    if (token === '') return undefined;
    if (!BASE64.test(token)) {
      // Not more than debug: the client chooses what it sends.
      this.#log.debug({ requestId: request.requestId, header: this.#header }, 'session token is not base64');
      return undefined;
    }
    const id = Buffer.from(token, 'base64').toString('utf8');
    for (const candidate of candidates) if (candidate.id === id) return candidate;
    return undefined;
  }

  preRequest(): void {
    // The response carries the token; nothing is remembered here.
  }

  /** Names the session's endpoint to the client, over any value the model server set. */
  responseHeaders(request: InferenceRequest, response: InferenceResponse): void {
    const target = sessionTarget(request.result, this.#profileName);
    if (target !== undefined) response.headers?.set(this.#header, Buffer.from(target.id).toString('base64'));
  }
}
