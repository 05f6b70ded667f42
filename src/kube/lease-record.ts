import { rfc3339 } from '../util/timestamp.ts';
import { fieldsOf, type KubeObject } from './objects.ts';

/** Who holds a lease, as far as its object can be understood. */
export interface LeaseRecord {
  /** '' when nobody does. */
  readonly holder: string;
  /** How long after its last change the lease still counts. */
  readonly durationMs: number;
  /** RFC 3339 texts of the holder's own clock; only their change means anything. */
  readonly acquireTime: string;
  readonly renewTime: string;
  /** Changes of holder so far. */
  readonly transitions: number;
}

/** Duration of a lease whose own is missing or makes no sense. */
export const LEASE_DURATION_MS = 15_000;

/** Longer leases would keep every replica from serving after one wrong write. */
const MAX_DURATION_S = 60;

/** Reads `spec`; what is missing or has a wrong type counts as absent. */
export function readRecord(lease: KubeObject): LeaseRecord {
  const spec = fieldsOf(lease.spec);
  const seconds = spec['leaseDurationSeconds'];
  const transitions = spec['leaseTransitions'];
  return {
    holder: textOf(spec['holderIdentity']),
    durationMs:
      typeof seconds === 'number' && seconds >= 1 && seconds <= MAX_DURATION_S
        ? seconds * 1000
        : LEASE_DURATION_MS,
    acquireTime: textOf(spec['acquireTime']),
    renewTime: textOf(spec['renewTime']),
    transitions: typeof transitions === 'number' && transitions >= 0 ? Math.trunc(transitions) : 0,
  };
}

/** `lease` with `record` in its `spec`; everything else of it stays. */
export function withRecord(lease: KubeObject, record: LeaseRecord): KubeObject {
  return {
    ...lease,
    spec: {
      ...fieldsOf(lease.spec),
      holderIdentity: record.holder,
      leaseDurationSeconds: Math.round(record.durationMs / 1000),
      acquireTime: record.acquireTime,
      renewTime: record.renewTime,
      leaseTransitions: record.transitions,
    },
  };
}

/** Whether two records are the same writing. */
export function isSameRecord(a: LeaseRecord, b: LeaseRecord): boolean {
  return (
    a.holder === b.holder &&
    a.renewTime === b.renewTime &&
    a.acquireTime === b.acquireTime &&
    a.transitions === b.transitions &&
    a.durationMs === b.durationMs
  );
}

/** `MicroTime` of the Kubernetes API: RFC 3339 with six digits. `wallMs`: milliseconds since the Unix epoch. */
export function microTime(wallMs: number): string {
  return rfc3339(wallMs, 'millis').replace(/Z$/, '000Z');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
