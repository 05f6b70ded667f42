import type { Endpoint } from '../../../framework/endpoint.ts';
import type { InferenceRequest } from '../../../framework/request.ts';
import type { Features } from './features.ts';
import type { RunningObjective } from './running-objectives.ts';

const NOTHING_READ: readonly Features[] = [];

/** What the producer remembers of one request. Fixed shape; lives on the request, so that it leaves with it. */
export class RequestState {
  /** What the client allows, in milliseconds; 0 for anything. */
  readonly sloTtftMs: number;
  readonly sloTpotMs: number;
  /** Until the request is placed: what is known of `candidates[i]` is `features[i]`. */
  candidates: readonly Endpoint[];
  features: readonly Features[];
  /** Where it was sent; undefined before. */
  target: Endpoint | undefined = undefined;
  targetFeatures: Features | undefined = undefined;
  /** Of the endpoint that computes the prompt: the target, unless another one was chosen for that. */
  prefillFeatures: Features | undefined = undefined;
  /** NaN when nothing was predicted. */
  predictedTtftMs = Number.NaN;
  predictedTpotMs = Number.NaN;
  /** `Clock.nowMs()` when it was sent; NaN before. */
  sentAtMs = Number.NaN;
  running: RunningObjective | undefined = undefined;

  constructor(
    objectives: { readonly ttftMs: number; readonly tpotMs: number },
    candidates: readonly Endpoint[],
    features: readonly Features[],
  ) {
    this.sloTtftMs = objectives.ttftMs;
    this.sloTpotMs = objectives.tpotMs;
    this.candidates = candidates;
    this.features = features;
  }

  /** The request was sent to `target`, and to `prefill` for its prompt. What is known of others is forgotten. */
  place(target: Endpoint, prefill: Endpoint | undefined, nowMs: number): void {
    this.target = target;
    this.targetFeatures = this.features[this.candidates.indexOf(target)];
    this.prefillFeatures =
      (prefill && this.features[this.candidates.indexOf(prefill)]) ?? this.targetFeatures;
    this.sentAtMs = nowMs;
    this.candidates = [];
    this.features = NOTHING_READ;
  }

  /** Whether what became of the request says something of the endpoint it was sent to. */
  isServedAsPlanned(request: InferenceRequest): boolean {
    return this.target !== undefined && request.endpoint === this.target;
  }
}
