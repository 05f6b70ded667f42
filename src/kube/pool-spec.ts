import { z } from 'zod';
import { ConfigurationError } from '../framework/errors.ts';
import {
  type LabelSelector,
  labelKeyProblem,
  labelValueProblem,
  matchLabelsSelector,
  parseLabelSelector,
} from '../framework/label-selector.ts';
import type { KubeObject, Resource } from './objects.ts';
import { problemsOf } from './problems.ts';

/** Most target ports of a pool, as the CRD has it. */
const MAX_TARGET_PORTS = 8;
const MAX_LABELS = 64;

/** InferencePools of both groups. */
export const POOL_RESOURCES: readonly [preferred: Resource, deprecated: Resource] = [
  { group: 'inference.networking.k8s.io', version: 'v1', plural: 'inferencepools' },
  { group: 'inference.networking.x-k8s.io', version: 'v1alpha2', plural: 'inferencepools' },
];

/** Which pods make up a pool and where they listen. */
export interface PoolSpec {
  readonly selector: LabelSelector;
  /** 1 to 8, each 1..65535 and different; an endpoint's rank is its port's position here. */
  readonly targetPorts: readonly number[];
  /** What model servers speak; undefined when the pool does not say. */
  readonly appProtocol: 'http' | 'kubernetes.io/h2c' | undefined;
  /** The pool is on its way out and counts as gone. */
  readonly isDeleted: boolean;
}

/** A pool as it was read: with `problems`, or with `spec`. */
export interface PoolReading {
  readonly spec: PoolSpec | undefined;
  readonly problems: readonly string[];
}

const port = z.int().min(1).max(65_535);

const matchLabels = z
  .record(z.string(), z.string())
  .superRefine((labels, context) => {
    const size = Object.keys(labels).length;
    if (size < 1 || size > MAX_LABELS) {
      context.addIssue({ code: 'custom', message: `want 1 to ${MAX_LABELS} labels, got ${size}` });
    }
    for (const [key, value] of Object.entries(labels)) {
      const problem = labelKeyProblem(key) ?? labelValueProblem(value);
      if (problem !== undefined) context.addIssue({ code: 'custom', path: [key], message: problem });
    }
  })
  .transform((labels) => matchLabelsSelector(new Map(Object.entries(labels))));

const targetPorts = z
  .array(z.object({ number: port }))
  .min(1)
  .max(MAX_TARGET_PORTS)
  .transform((all) => all.map((one) => one.number))
  .refine((all) => new Set(all).size === all.length, 'ports must differ');

const appProtocol = z.enum(['http', 'kubernetes.io/h2c']).optional();

const v1 = z.object({ selector: z.object({ matchLabels }), targetPorts, appProtocol }).transform((spec) => ({
  selector: spec.selector.matchLabels,
  targetPorts: spec.targetPorts,
  appProtocol: spec.appProtocol ?? ('http' as const),
}));

const v1alpha2 = z.object({ selector: matchLabels, targetPortNumber: port }).transform((spec) => ({
  selector: spec.selector,
  targetPorts: [spec.targetPortNumber],
  appProtocol: undefined,
}));

/** Reads an InferencePool of either version in `POOL_RESOURCES`. Never throws. */
export function readPool(object: KubeObject, resource: Resource): PoolReading {
  const schema = resource.version === 'v1' ? v1 : v1alpha2;
  const { data, error } = schema.safeParse(object.spec);
  if (data === undefined) return { spec: undefined, problems: problemsOf(error, 'spec') };
  return { spec: { ...data, isDeleted: object.metadata.deletionTimestamp !== undefined }, problems: [] };
}

/**
 * The pool of `--endpoint-selector` and `--endpoint-target-ports`; a port given twice counts once. Throws
 * `ConfigurationError` for flags that make no pool.
 */
export function selectorPool(selector: string, ports: readonly number[]): PoolSpec {
  const different = [...new Set(ports)];
  if (different.length < 1 || different.length > MAX_TARGET_PORTS) {
    throw new ConfigurationError(
      `--endpoint-target-ports: got ${different.length} ports, want 1 to ${MAX_TARGET_PORTS}`,
    );
  }
  const wrong = different.find((one) => !port.safeParse(one).success);
  if (wrong !== undefined) {
    throw new ConfigurationError(`--endpoint-target-ports: got ${wrong}, want 1 to 65535`);
  }
  return {
    selector: parseLabelSelector(selector),
    targetPorts: different,
    appProtocol: undefined,
    isDeleted: false,
  };
}
