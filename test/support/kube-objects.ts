import type { KubeObject } from '../../src/kube/objects.ts';

/** What a test says about a pod; everything else makes it one that takes requests. */
export interface PodOptions {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly podIP?: string;
  readonly hostIP?: string;
  /** Status of its `Ready` condition. */
  readonly ready?: string;
  readonly isTerminating?: boolean;
}

/** A pod as the API server sends it. */
export function pod(options: PodOptions): KubeObject {
  const { name = 'p0', namespace = 'default', labels = {}, annotations = {} } = options;
  return {
    metadata: {
      name,
      namespace,
      labels,
      annotations,
      ...(options.isTerminating === true ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { containers: [{ name: 'vllm' }] },
    status: {
      phase: 'Running',
      podIP: options.podIP ?? '10.0.0.1',
      hostIP: options.hostIP ?? '192.168.0.1',
      conditions: [{ type: 'Ready', status: options.ready ?? 'True' }],
    },
  };
}

/** What a test says about a custom resource. */
export interface NamedOptions {
  readonly name: string;
  readonly namespace?: string;
  readonly creationTimestamp?: string;
  readonly isTerminating?: boolean;
}

/** A custom resource with `spec`. */
export function named(options: NamedOptions, spec: unknown): KubeObject {
  const { name, namespace = 'default', creationTimestamp = '2026-01-01T00:00:00Z' } = options;
  return {
    metadata: {
      name,
      namespace,
      creationTimestamp,
      ...(options.isTerminating === true ? { deletionTimestamp: '2026-01-01T00:00:01Z' } : {}),
    },
    spec,
  };
}
