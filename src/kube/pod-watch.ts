import { formatLabelSelector, type LabelSelector } from '../framework/label-selector.ts';
import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';
import type { Rng } from '../util/rng.ts';
import type { KubeApi } from './api.ts';
import { POD_RESOURCE, type Pod, projectPod } from './pods.ts';
import { Reflector } from './reflector.ts';

/** What a pod watch follows and whom it tells. */
export interface PodWatchOptions {
  readonly api: KubeApi;
  readonly namespace: string;
  /** `pods` has changed. */
  readonly changed: () => void;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
}

/** Pods of one selector. */
interface Followed {
  readonly selector: string;
  readonly reflector: Reflector<Pod>;
  readonly stop: AbortController;
  pods: readonly Pod[];
}

/** Follows the pods of a selector; when it changes, the pods of the old one stay until those of the new one are listed. */
export class PodWatch {
  readonly #options: PodWatchOptions;
  #current: Followed | undefined = undefined;
  /** Takes the place of `#current` with its first list. */
  #next: Followed | undefined = undefined;

  constructor(options: PodWatchOptions) {
    this.#options = options;
  }

  /** Undefined before the first list. */
  get pods(): readonly Pod[] | undefined {
    return this.#current?.pods;
  }

  /** `Clock.nowMs()` since when pods are not up to date; NaN when they are, or none are followed. */
  get failingSinceMs(): number {
    return (this.#next ?? this.#current)?.reflector.failingSinceMs ?? Number.NaN;
  }

  /** From here on the pods of `selector`, until another one, `stop`, or an abort of `signal`. */
  follow(selector: LabelSelector, signal: AbortSignal): void {
    const text = formatLabelSelector(selector);
    if (text === (this.#next ?? this.#current)?.selector) return;
    this.#next?.stop.abort();
    this.#next = undefined;
    if (text !== this.#current?.selector) this.#next = this.#begin(text, signal);
  }

  /** Forgets everything. */
  stop(): void {
    this.#current?.stop.abort();
    this.#next?.stop.abort();
    this.#current = undefined;
    this.#next = undefined;
  }

  #begin(selector: string, signal: AbortSignal): Followed {
    const { api, namespace, changed, clock, rng, log } = this.#options;
    const stop = new AbortController();
    const reflector = new Reflector<Pod>({
      api,
      resource: POD_RESOURCE,
      selection: { namespace, labels: selector },
      project: projectPod,
      changed: (pods) => {
        if (stop.signal.aborted) return;
        followed.pods = [...pods.values()];
        if (followed === this.#next) {
          this.#current?.stop.abort();
          this.#current = followed;
          this.#next = undefined;
        }
        changed();
      },
      clock,
      rng,
      log,
    });
    const followed: Followed = { selector, reflector, stop, pods: [] };
    void reflector.start(AbortSignal.any([signal, stop.signal]));
    return followed;
  }
}
