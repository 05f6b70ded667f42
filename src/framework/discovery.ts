import type { EndpointMetadata } from './endpoint.ts';

/** Priorities that clients select by the objective header: name to priority. */
export type Objectives = ReadonlyMap<string, number>;

/** Where discovery reports; implemented by `data/store.ts`. */
export interface PoolWriter {
  /** The whole pool as of now: endpoints not listed leave. Duplicate ids: the last one counts. */
  replaceAll(endpoints: readonly EndpointMetadata[]): void;
  replaceObjectives(objectives: Objectives): void;
}

/** Finds the pool's endpoints without Kubernetes. */
export interface EndpointDiscovery {
  /**
   * Resolves after the first complete pass (zero endpoints are allowed) and goes on reporting until `signal`
   * aborts. Rejects when the first pass fails.
   */
  start(writer: PoolWriter, signal: AbortSignal): Promise<void>;
}
