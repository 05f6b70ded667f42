import { randomUUID } from 'node:crypto';
import { NO_BODY } from '../framework/body.ts';
import { controlHeader } from '../framework/control-headers.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import type { Log } from '../framework/log.ts';
import type { SchedulingResult } from '../framework/profile-handler.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { Clock } from '../util/clock.ts';
import { locateCandidates } from './candidates.ts';
import type { ConditionalDecode } from './conditional-decode.ts';
import { removeControlHeaders, removeRoutingHeaders } from './control-headers.ts';
import type { RequestHooks } from './hooks.ts';
import type { InFlight } from './in-flight.ts';
import { type BodyView, parseBody, resolveTargetModel } from './model.ts';
import { normalizePath, type ParserRegistry } from './path.ts';
import { rewriteModel } from './rewrite-body.ts';

/** Methods whose requests usually have no body; an empty one is then no body. */
const BODILESS_METHODS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS']);

/** Longest fairness id, in characters; what is longer is cut there. */
const MAX_FAIRNESS_ID_LENGTH = 256;

/** What surrounds one decision; a structural copy of what the wire hands over. */
interface DecisionContext {
  readonly bodyView: BodyView;
  readonly subset: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

/** Where a request goes and what goes there. */
interface Decision {
  readonly destination: string;
  readonly scores: ReadonlyMap<string, number> | undefined;
  readonly body: readonly Uint8Array[] | undefined;
  readonly skipsResponse: boolean;
}

/** What the director needs of the stages around it. */
export interface DirectorServices {
  readonly clock: Clock;
  readonly log: Log;
  readonly parsers: ParserRegistry;
  readonly hooks: RequestHooks;
  readonly inFlight: InFlight;
  /** Pool members now. */
  endpoints(): readonly Endpoint[];
  /** Priority of an objective; undefined when there is none of that name. */
  priorityOf(objective: string): number | undefined;
  /** The model that a rule of the pool sends `model` to; undefined when none is for it. */
  readonly rewriteOf: (model: string) => string | undefined;
  /** Throws when the request is not let in. */
  admit(request: InferenceRequest, candidates: readonly Endpoint[]): void;
  /** Refreshes what scorers read of `candidates`, then runs the scheduling cycle. Throws `RejectionError`. */
  schedule(request: InferenceRequest): SchedulingResult;
  /** Refuses what its client wants decoded only where the prompt is. */
  readonly conditionalDecode: ConditionalDecode;
  /** A request is on its way: scraping should be at full pace. */
  noteActivity(): void;
  /** Counts what happened to requests. */
  readonly observer: RequestObserver;
}

/** Told of each request's fate in the request phase. */
export interface RequestObserver {
  /** Parsed, admitted and scheduled; `request.endpoint` is set. */
  scheduled(request: InferenceRequest): void;
  /** Refused with the reference's code name. */
  rejected(request: InferenceRequest, code: string): void;
  /** Time from headers to decision or refusal. */
  processed(durationMs: number): void;
}

/** Switches of the request phase. */
export interface DirectorOptions {
  /** Emit the score of every scored candidate beside the destination. */
  readonly emitScores: boolean;
  /** Ignore the data plane's subset hint. */
  readonly ignoreSubset: boolean;
  /** Clients may choose objective, fairness id, model rewrite and SLO by header. */
  readonly trustControlHeaders: boolean;
}

/** The order of stages from a received request to a destination. Read this first. */
export class Director {
  readonly #services: DirectorServices;
  readonly #options: DirectorOptions;

  constructor(services: DirectorServices, options: DirectorOptions) {
    this.#services = services;
    this.#options = options;
  }

  /** Headers are in: path, method, request id; nothing a client may not set survives. */
  accept(request: InferenceRequest): void {
    this.#services.noteActivity();
    const { headers } = request;
    request.method = headers.get(':method') ?? '';
    request.path = normalizePath(headers);
    removeRoutingHeaders(headers);
    if (!this.#options.trustControlHeaders) removeControlHeaders(headers);
    request.requestId = headers.get('x-request-id') ?? '';
    if (request.requestId === '') {
      request.requestId = randomUUID();
      headers.set('x-request-id', request.requestId);
    }
  }

  /** Chooses the destination; a promise only when a producer waits. Refusals are `RejectionError`. */
  decide(request: InferenceRequest, body: Buffer, context: DecisionContext): Decision | Promise<Decision> {
    try {
      const candidates = this.#prepare(request, body, context);
      const waiting = this.#services.hooks.produce(request, candidates, context);
      if (waiting === undefined) return this.#finish(request, body);
      return waiting.then(
        () => this.#resume(request, body, context.signal),
        (error: unknown) => this.#refuse(request, error),
      );
    } catch (error) {
      return this.#refuse(request, error);
    }
  }

  /** Everything before producers: body, model, priority, header processors, candidates, admission. */
  #prepare(request: InferenceRequest, body: Buffer, context: DecisionContext): readonly Endpoint[] {
    const hasBody =
      body.length > 0 || (context.bodyView === 'whole' && !BODILESS_METHODS.has(request.method));
    if (hasBody) {
      request.bodySizeBytes = body.length;
      parseBody(request, body, context.bodyView, this.#services.parsers);
    }
    const view = context.bodyView === 'whole' && !hasBody ? 'absent' : context.bodyView;
    resolveTargetModel(request, view, this.#services.rewriteOf);
    request.priority = this.#services.priorityOf(controlHeader(request.headers, 'objective') ?? '') ?? 0;
    const fairnessId = controlHeader(request.headers, 'fairnessId');
    this.#services.hooks.processHeaders(request);
    if (fairnessId !== undefined && fairnessId !== '') request.fairnessId = fairnessId;
    request.fairnessId = request.fairnessId.slice(0, MAX_FAIRNESS_ID_LENGTH);

    const subset = this.#options.ignoreSubset ? undefined : context.subset;
    const candidates = locateCandidates(this.#services.endpoints(), subset);
    if (candidates.length === 0) {
      throw new RejectionError('unavailable', 'failed to find endpoint candidates for serving the request', {
        reason: 'rejected-no-endpoints',
      });
    }
    request.candidates = candidates;
    this.#services.admit(request, candidates);
    const screened = this.#services.hooks.screen(request, candidates);
    if (screened.length === 0) {
      throw new RejectionError('unavailable', 'screeners eliminated all endpoint candidates', {
        reason: 'rejected-no-endpoints',
      });
    }
    request.candidates = screened;
    return screened;
  }

  #resume(request: InferenceRequest, body: Buffer, signal: AbortSignal): Decision {
    try {
      if (signal.aborted) {
        throw new RejectionError('unavailable', 'client disconnected', {
          reason: 'rejected-context-cancelled',
        });
      }
      return this.#finish(request, body);
    } catch (error) {
      return this.#refuse(request, error);
    }
  }

  /** From here to the end nothing waits: schedule, hooks, counts, the decision. */
  #finish(request: InferenceRequest, body: Buffer): Decision {
    const { inFlight, hooks, observer, clock } = this.#services;
    hooks.admit(request, request.candidates);
    const result = this.#services.schedule(request);
    const primary = result.profiles.get(result.primary);
    const endpoint = primary?.targets[0];
    if (primary === undefined || endpoint === undefined) {
      throw new RejectionError('internal', 'results must be greater than zero');
    }
    this.#services.conditionalDecode.check(request, endpoint);
    request.result = result;
    request.endpoint = endpoint;
    inFlight.hold(request, endpoint);
    const scores = this.#options.emitScores ? scoresOf(primary.candidates, primary.totals) : undefined;
    hooks.preRequest(request, result);
    removeControlHeaders(request.headers);
    observer.scheduled(request);
    const { skipsResponse } = request.body;
    const forwarded = mustRewrite(request) ? rewrite(body, request.targetModel) : undefined;
    // an answer may stream for minutes, and the decoded body is the largest thing the request holds
    if (request.body.json !== undefined)
      request.body = { ...request.body, json: undefined, longTexts: undefined, tokenIds: [] };
    observer.processed(clock.nowMs() - request.receivedAtMs);
    return {
      destination:
        result.destination ??
        (primary.targets.length === 1 ? endpoint.hostPort : joinTargets(primary.targets)),
      scores,
      body: forwarded,
      skipsResponse,
    };
  }

  #refuse(request: InferenceRequest, thrown: unknown): never {
    const error = RejectionError.from(thrown);
    this.#services.inFlight.release(request);
    this.#services.observer.rejected(request, error.label);
    this.#services.observer.processed(this.#services.clock.nowMs() - request.receivedAtMs);
    this.#services.log.debug(
      { 'x-request-id': request.requestId, code: error.code, reason: error.reason, detail: error.message },
      'request refused',
    );
    throw error;
  }
}

function mustRewrite(request: InferenceRequest): boolean {
  return (
    request.body !== NO_BODY &&
    request.body.canRewriteModel &&
    request.targetModel !== '' &&
    request.targetModel !== request.body.model
  );
}

function rewrite(body: Buffer, model: string): readonly Uint8Array[] {
  const slices = rewriteModel(body, model);
  if (slices !== undefined) return slices;
  throw new RejectionError('internal', 'the model name cannot be replaced in the request body');
}

function joinTargets(targets: readonly Endpoint[]): string {
  return targets.map((target) => target.hostPort).join(',');
}

function scoresOf(candidates: readonly Endpoint[], totals: Float64Array): ReadonlyMap<string, number> {
  const scores = new Map<string, number>();
  for (let i = 0; i < candidates.length; i += 1) {
    const candidate = candidates[i];
    if (candidate !== undefined) scores.set(candidate.hostPort, totals[i] ?? 0);
  }
  return scores;
}
