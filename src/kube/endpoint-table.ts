import type { EndpointMetadata } from '../framework/endpoint.ts';
import { endpointsOf, isSamePod, type Pod } from './pods.ts';

interface Entry {
  readonly pod: Pod;
  readonly endpoints: readonly EndpointMetadata[];
}

/** The endpoints of a pool's pods, made anew only where a pod changed: status updates that change nothing are common. */
export class EndpointTable {
  #entries: ReadonlyMap<string, Entry> = new Map();
  #portsText: string | undefined = undefined;

  /** Endpoints of `pods`; undefined when they are those of the last call. */
  update(pods: readonly Pod[], targetPorts: readonly number[]): readonly EndpointMetadata[] | undefined {
    const portsText = targetPorts.join();
    const known = portsText === this.#portsText ? this.#entries : new Map<string, Entry>();
    let hasChanged = portsText !== this.#portsText || pods.length !== known.size;
    const entries = new Map<string, Entry>();
    for (const pod of pods) {
      const key = `${pod.namespace}/${pod.name}`;
      const present = known.get(key);
      const isSame = present !== undefined && isSamePod(present.pod, pod);
      if (!isSame) hasChanged = true;
      entries.set(key, isSame ? present : { pod, endpoints: endpointsOf(pod, targetPorts) });
    }
    this.#entries = entries;
    this.#portsText = portsText;
    if (!hasChanged) return undefined;
    return Array.from(entries.values(), (entry) => entry.endpoints).flat();
  }

  /** The next `update` is the first. */
  clear(): void {
    this.#entries = new Map();
    this.#portsText = undefined;
  }
}
