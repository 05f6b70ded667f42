/** A value that has members, each to be checked where it is read. */
type Members = Readonly<Record<string, unknown>>;

const NO_MEMBERS: Members = {};

/**
 * Whether a Pod, as the API has it, takes requests as far as it says itself: it is not being deleted, and the first of
 * its `Ready` conditions is `True`.
 */
export function isReadyPod(pod: object): boolean {
  const members = membersOf(pod);
  if (membersOf(members['metadata'])['deletionTimestamp'] !== undefined) return false;
  const { conditions } = membersOf(members['status']);
  if (!Array.isArray(conditions)) return false;
  const ready: unknown = conditions.find((condition) => membersOf(condition)['type'] === 'Ready');
  return membersOf(ready)['status'] === 'True';
}

/** A text in the spec of a Pod, as the API has it; '' when there is none. */
export function podSpecText(pod: object, name: 'hostname' | 'nodeName'): string {
  const value = membersOf(membersOf(pod)['spec'])[name];
  return typeof value === 'string' ? value : '';
}

function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : NO_MEMBERS;
}
