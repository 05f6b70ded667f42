import fc from 'fast-check';
import { POD_RESOURCE } from '../../src/kube/pods.ts';
import { named, pod } from './kube-objects.ts';
import type { MemoryKubeApi } from './memory-kube-api.ts';
import { OBJECTIVE, POOL, pool } from './watched-pool.ts';

const labels = fc.constantFrom({ app: 'a' }, { app: 'b' });
const podName = fc.constantFrom('p', 'q', 'r', 's');
const anyChange = fc.oneof(
  fc
    .record({
      name: podName,
      labels,
      ready: fc.constantFrom('True', 'True', 'False'),
      isTerminating: fc.boolean(),
    })
    .map((options) => ({ what: 'put pod', options }) as const),
  podName.map((name) => ({ what: 'remove pod', name }) as const),
  fc
    .record({ labels, ports: fc.constantFrom([8000], [8000, 8001], [8001]) })
    .map((options) => ({ what: 'put pool', options }) as const),
  fc.constant({ what: 'remove pool' } as const),
  fc.integer({ min: -3, max: 3 }).map((priority) => ({ what: 'put objective', priority }) as const),
);

/** A step that changes nothing of what the API server has. */
export const anyFault = fc.oneof(
  fc.constantFrom(0, 403, 410, 500).map((status) => ({ what: 'fail', status }) as const),
  fc.constant({ what: 'recover' } as const),
  fc.constant({ what: 'forget' } as const),
  fc.constant({ what: 'end watches' } as const),
  fc.constantFrom(0, 100, 5000, 40_000).map((ms) => ({ what: 'wait', ms }) as const),
);

/** Any step. */
export const anyStep = fc.oneof(anyChange, anyFault);

/** Something that happens to a pool or to its API server. */
export type Step = typeof anyStep extends fc.Arbitrary<infer T> ? T : never;

/** Does it to the API server; waiting is left to the caller. */
export function take(one: Step, api: MemoryKubeApi): void {
  switch (one.what) {
    case 'put pod':
      api.put(POD_RESOURCE, pod(one.options));
      break;
    case 'remove pod':
      api.remove(POD_RESOURCE, 'default', one.name);
      break;
    case 'put pool':
      api.put(POOL, pool(one.options.labels, ...one.options.ports));
      break;
    case 'remove pool':
      api.remove(POOL, 'default', 'pool');
      break;
    case 'put objective':
      api.put(OBJECTIVE, named({ name: 'o' }, { poolRef: { name: 'pool' }, priority: one.priority }));
      break;
    case 'fail':
      api.fail(one.status);
      break;
    case 'recover':
      api.recover();
      break;
    case 'forget':
      api.store.compact();
      break;
    case 'end watches':
      api.endWatches();
      break;
    case 'wait':
      break;
    default:
      one satisfies never;
  }
}

/** Endpoints and objectives by what was done, faults apart. */
export function wanted(steps: readonly Step[]): { endpoints: string; objectives: object } {
  const pods = new Map<string, Extract<Step, { what: 'put pod' }>['options']>();
  let known: Extract<Step, { what: 'put pool' }>['options'] | undefined;
  let objectives = {};
  for (const one of steps) {
    if (one.what === 'put pod') pods.set(one.options.name, one.options);
    if (one.what === 'remove pod') pods.delete(one.name);
    if (one.what === 'put pool') known = one.options;
    if (one.what === 'remove pool') known = undefined;
    if (one.what === 'put objective') objectives = { o: one.priority };
  }
  const endpoints: string[] = [];
  for (const { name, labels: own, ready, isTerminating } of pods.values()) {
    if (ready !== 'True' || isTerminating || own !== known?.labels) continue;
    endpoints.push(...known.ports.map((port) => `${name}:${port}`));
  }
  return { endpoints: endpoints.sort().join(' '), objectives };
}
