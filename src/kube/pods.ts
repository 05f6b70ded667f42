import { type EndpointMetadata, hostPort } from '../framework/endpoint.ts';
import { endpointId } from '../framework/ids.ts';
import { isReadyPod } from '../framework/pod-object.ts';
import { type Fields, fieldsOf, type KubeObject, type Resource } from './objects.ts';

/** Pods. */
export const POD_RESOURCE: Resource = { group: '', version: 'v1', plural: 'pods' };

/** Which target ports of a pod are in use; of two annotations the first counts. */
const ACTIVE_PORTS = ['llm-d.ai/active-ports', 'inference.networking.k8s.io/active-ports'];

/** Position of a pod in its group of a LeaderWorkerSet; the leader is "0". */
const WORKER_INDEX = 'leaderworkerset.sigs.k8s.io/worker-index';

/** What is kept of a pod. */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** IP address of the pod, '' before it has one. */
  readonly address: string;
  /** IP address of its node, '' before it is scheduled. */
  readonly nodeAddress: string;
  /** Takes requests: ready, with an address, not on its way out, and serving. */
  readonly isEligible: boolean;
  /** Target ports in use; undefined for all of them. */
  readonly activePorts: readonly number[] | undefined;
}

/**
 * What the pool needs of a pod; undefined for an object that is none. A pod is eligible when it has an address, is not
 * being deleted, and the first of its `Ready` conditions is `True`. A worker of a LeaderWorkerSet that is not the leader
 * must have a readiness probe besides: workers of an engine that spans nodes answer nobody and are ready without one,
 * while workers that serve on their own are probed.
 */
export function projectPod(object: KubeObject): Pod | undefined {
  const { name, namespace } = object.metadata;
  if (name === undefined || namespace === undefined) return undefined;
  const labels = new Map(Object.entries(object.metadata.labels ?? {}));
  const status = fieldsOf(object.status);
  const address = text(status['podIP']);
  const index = labels.get(WORKER_INDEX);
  const isServing = index === undefined || index === '0' || hasReadinessProbe(fieldsOf(object.spec));
  return {
    namespace,
    name,
    labels,
    address,
    nodeAddress: text(status['hostIP']),
    isEligible: address !== '' && isReadyPod(object) && isServing,
    activePorts: activePorts(object),
  };
}

/**
 * Endpoints of a pod, one for each of `targetPorts` that is in use; none unless it is eligible. A port keeps its rank
 * when others are not in use.
 */
export function endpointsOf(pod: Pod, targetPorts: readonly number[]): EndpointMetadata[] {
  if (!pod.isEligible) return [];
  const { namespace, name, labels, address, nodeAddress, activePorts: active } = pod;
  const endpoints: EndpointMetadata[] = [];
  targetPorts.forEach((port, rankIndex) => {
    if (active !== undefined && !active.includes(port)) return;
    endpoints.push({
      id: endpointId(namespace, `${name}-rank-${rankIndex}`),
      namespace,
      name,
      address,
      port,
      nodeAddress,
      metricsHost: hostPort(address, port),
      labels,
      rankIndex,
    });
  });
  return endpoints;
}

/** Whether both make the same endpoints for any target ports. */
export function isSamePod(a: Pod, b: Pod): boolean {
  if (a === b) return true; // nearly always, when one pod of many has changed
  return (
    a.isEligible === b.isEligible &&
    a.address === b.address &&
    a.nodeAddress === b.nodeAddress &&
    a.name === b.name &&
    a.namespace === b.namespace &&
    a.activePorts?.join() === b.activePorts?.join() &&
    isSameMap(a.labels, b.labels)
  );
}

function isSameMap(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) if (b.get(key) !== value) return false;
  return true;
}

/** Port numbers of the annotation; entries that do not begin with digits are left out, as is what follows digits. */
function activePorts(object: KubeObject): readonly number[] | undefined {
  const annotations = object.metadata.annotations ?? {};
  const key = ACTIVE_PORTS.find((one) => Object.hasOwn(annotations, one));
  if (key === undefined) return undefined;
  const ports: number[] = [];
  for (const entry of text(annotations[key]).split(',')) {
    const digits = /^\s*\+?(\d+)/.exec(entry)?.[1];
    if (digits !== undefined) ports.push(Number(digits));
  }
  return ports;
}

/** Whether a container that keeps running is probed; an init container does as a side car. */
function hasReadinessProbe(spec: Fields): boolean {
  const all = [...list(spec['containers']), ...list(spec['initContainers'])];
  return all.some((container) => fieldsOf(container)['readinessProbe'] !== undefined);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
