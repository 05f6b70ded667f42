import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';
import type { Rng } from '../util/rng.ts';
import type { KubeApi } from './api.ts';
import type { KubeObject, Resource, Selection } from './objects.ts';

/** What a reflector follows and whom it tells. */
export interface ReflectorOptions<T> {
  readonly api: KubeApi;
  readonly resource: Resource;
  readonly selection: Selection;
  /** What of an object is kept; undefined to keep nothing of it. Must not throw. */
  readonly project: (object: KubeObject) => T | undefined;
  /**
   * The whole set as of now, by `namespace/name`; called after the first list, then once per turn of the event loop
   * in which something changed. The map is the reflector's own and is not to be kept.
   */
  readonly changed: (items: ReadonlyMap<string, T>) => void;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
}
