import type { LabelSelector } from '../framework/label-selector.ts';
import type { RewriteReading } from './model-rewrites.ts';
import type { ObjectiveReading } from './objectives.ts';
import type { Pod } from './pods.ts';
import type { PoolIdentity } from './pool-ref.ts';
import type { PoolReading } from './pool-spec.ts';

/** Objects of one kind that are followed on behalf of one pool. */
export interface Watch {
  /** Resolves when the objects have been told, or there is known to be no such kind, or `signal` aborts. */
  start(signal: AbortSignal): Promise<void>;
  /** What is followed, as `group/version`; '' while the server has none of the kind. */
  readonly apiVersion: string;
  /** `Clock.nowMs()` since when they are not up to date; NaN when they are. */
  readonly failingSinceMs: number;
}

/** Pods of a selector that may change. */
export interface SelectedPods {
  /** Undefined before the first list. */
  readonly pods: readonly Pod[] | undefined;
  /** `Clock.nowMs()` since when pods are not up to date; NaN when they are, or none are followed. */
  readonly failingSinceMs: number;
  /** From here on the pods of `selector`, until another one, `stop`, or an abort of `signal`. */
  follow(selector: LabelSelector, signal: AbortSignal): void;
  /** Forgets everything. */
  stop(): void;
}

/** Where a pool watcher has what it follows from. Callbacks get the whole of what concerns the pool, as of now. */
export interface Watches {
  pool(name: string, changed: (reading: PoolReading | undefined) => void): Watch;
  objectives(pool: PoolIdentity, changed: (readings: readonly ObjectiveReading[]) => void): Watch;
  rewrites(pool: PoolIdentity, changed: (readings: readonly RewriteReading[]) => void): Watch;
  /** `changed`: `pods` has. */
  pods(changed: () => void): SelectedPods;
}
