import type { AttributeKey } from '../../../framework/attribute.ts';
import type { Endpoint } from '../../../framework/endpoint.ts';
import type { EndpointId } from '../../../framework/ids.ts';
import type { SchedulingResult } from '../../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../../framework/request.ts';
import type { Clock } from '../../../util/clock.ts';
import { type SessionStrategy, sessionTarget } from './strategy.ts';

/** A place where the session id may be. Header names are lower case. */
export type SessionIdPlace = { readonly header: string } | { readonly key: AttributeKey<unknown> };

/** What the bindings need. */
export interface SessionBindingsOptions {
  /** The first one that holds a non-blank string counts. */
  readonly sources: readonly SessionIdPlace[];
  /** Age since the last use at which `sweep` forgets a binding. */
  readonly ttlMs: number;
  /** Profile whose first target is bound; '' means the primary one. */
  readonly profileName: string;
  readonly clock: Clock;
}

/** Session ids come from clients; past this many the least recently used binding goes. */
const MAX_BINDINGS = 100_000;

/** A longer id is taken as none, which bounds the memory of all bindings to some 100 MB at the very worst. */
const MAX_ID_LENGTH = 1024;

interface Binding {
  readonly endpoint: EndpointId;
  readonly lastSeenMs: number;
}

/**
 * Remembers which endpoint each session id was sent to. A session moves only when its endpoint was not among the
 * candidates; being outvoted by other scorers, or losing a race between two first requests, does not move it. Held
 * in memory by each replica.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/util/sessionaffinity
 */
export class SessionBindings implements SessionStrategy {
  readonly #options: SessionBindingsOptions;
  /** Least recently used first: each use moves its entry to the end. */
  readonly #bindings = new Map<string, Binding>();
  /** For requests of bound sessions: whether any choice of the cycle found the bound endpoint. */
  readonly #wasPresent = new WeakMap<InferenceRequest, boolean>();

  constructor(options: SessionBindingsOptions) {
    this.#options = options;
  }

  preferred(request: InferenceRequest, candidates: readonly Endpoint[]): Endpoint | undefined {
    const id = candidates.length > 0 ? this.#sessionId(request) : '';
    const binding = id === '' ? undefined : this.#bindings.get(id);
    if (binding === undefined) return undefined;
    let found: Endpoint | undefined;
    for (const candidate of candidates) {
      if (candidate.id !== binding.endpoint) continue;
      found = candidate;
      break;
    }
    if (found !== undefined) this.#wasPresent.set(request, true);
    else if (!this.#wasPresent.has(request)) this.#wasPresent.set(request, false);
    return found;
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    const id = this.#sessionId(request);
    const target = sessionTarget(result, this.#options.profileName);
    if (id === '' || target === undefined) return;
    const binding = this.#bindings.get(id);
    if (binding === undefined || binding.endpoint === target.id || this.#wasPresent.get(request) === false) {
      this.#bind(id, target.id);
    }
  }

  responseHeaders(): void {
    // The client keeps its own id; nothing is written.
  }

  /** Forgets bindings not used for longer than their time to live. */
  sweep(): void {
    const oldestMs = this.#options.clock.nowMs() - this.#options.ttlMs;
    for (const [id, binding] of this.#bindings) {
      if (binding.lastSeenMs >= oldestMs) return;
      this.#bindings.delete(id);
    }
  }

  #bind(id: string, endpoint: EndpointId): void {
    this.#bindings.delete(id);
    this.#bindings.set(id, { endpoint, lastSeenMs: this.#options.clock.nowMs() });
    if (this.#bindings.size <= MAX_BINDINGS) return;
    for (const oldest of this.#bindings.keys()) {
      this.#bindings.delete(oldest);
      return;
    }
  }

  /** '' when the request carries none. */
  #sessionId(request: InferenceRequest): string {
    for (const source of this.#options.sources) {
      const value =
        'header' in source ? request.headers.get(source.header) : request.attributes.get(source.key);
      if (typeof value !== 'string') continue;
      const id = value.trim();
      if (id !== '' && id.length <= MAX_ID_LENGTH) return id;
    }
    return '';
  }
}
