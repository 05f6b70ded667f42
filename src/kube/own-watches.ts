import type { Log } from '../framework/log.ts';
import type { Clock } from '../util/clock.ts';
import type { Rng } from '../util/rng.ts';
import type { KubeApi } from './api.ts';
import { KindWatch } from './kind-watch.ts';
import { REWRITE_RESOURCES, type RewriteReading, readRewrite } from './model-rewrites.ts';
import { OBJECTIVE_RESOURCES, type ObjectiveReading, readObjective } from './objectives.ts';
import { PodWatch } from './pod-watch.ts';
import type { PoolIdentity } from './pool-ref.ts';
import { POOL_RESOURCES, type PoolReading, readPool } from './pool-spec.ts';
import type { SelectedPods, Watch, Watches } from './watches.ts';

/** What watches work with. */
export interface WatchServices {
  readonly api: KubeApi;
  /** Of everything that is followed. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Log;
}

/** Watches of one pool alone, as narrow as they can be. */
export class OwnWatches implements Watches {
  readonly #services: WatchServices;

  constructor(services: WatchServices) {
    this.#services = services;
  }

  pool(name: string, changed: (reading: PoolReading | undefined) => void): Watch {
    const { namespace } = this.#services;
    return new KindWatch<PoolReading>({
      ...this.#services,
      resources: POOL_RESOURCES,
      selection: { namespace, fields: `metadata.name=${name}` },
      project: readPool,
      changed: (pools) => changed(pools.get(`${namespace}/${name}`)),
      isOftenTwice: true,
    });
  }

  objectives(pool: PoolIdentity, changed: (readings: readonly ObjectiveReading[]) => void): Watch {
    return new KindWatch<ObjectiveReading>({
      ...this.#services,
      resources: OBJECTIVE_RESOURCES,
      selection: { namespace: this.#services.namespace },
      project: (object) => readObjective(object, pool),
      changed: (readings) => changed([...readings.values()]),
    });
  }

  rewrites(pool: PoolIdentity, changed: (readings: readonly RewriteReading[]) => void): Watch {
    return new KindWatch<RewriteReading>({
      ...this.#services,
      resources: REWRITE_RESOURCES,
      selection: { namespace: this.#services.namespace },
      project: (object) => readRewrite(object, pool),
      changed: (readings) => changed([...readings.values()]),
    });
  }

  pods(changed: () => void): SelectedPods {
    return new PodWatch({ ...this.#services, changed });
  }
}
