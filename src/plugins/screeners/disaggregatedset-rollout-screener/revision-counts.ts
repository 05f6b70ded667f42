/** What the weight of a revision is. */
export interface Weighing {
  readonly mode: 'sum' | 'max-role';
  /** Roles of which a revision needs at least one pod each; the first of equals counts. */
  readonly roles: readonly string[];
}

/** Where a pod belongs. */
interface Place {
  readonly revision: string;
  readonly role: string;
}

/** Ready pods by revision and role. */
export class RevisionCounts {
  readonly #pods = new Map<string, Place>();
  /** Pods by role, by revision. */
  readonly #revisions = new Map<string, Map<string, number>>();

  /** Puts a pod where it belongs, once, wherever it was; `pod` is any name. Without revision or role it counts nowhere. */
  put(pod: string, revision: string, role: string): void {
    const before = this.#pods.get(pod);
    if (before?.revision === revision && before.role === role) return;
    this.remove(pod);
    if (revision === '' || role === '') return;
    this.#pods.set(pod, { revision, role });
    const roles = this.#revisions.get(revision) ?? new Map<string, number>();
    this.#revisions.set(revision, roles);
    roles.set(role, (roles.get(role) ?? 0) + 1);
  }

  remove(pod: string): void {
    const place = this.#pods.get(pod);
    if (place === undefined) return;
    this.#pods.delete(pod);
    const roles = this.#revisions.get(place.revision);
    const left = (roles?.get(place.role) ?? 1) - 1;
    if (left > 0) roles?.set(place.role, left);
    else roles?.delete(place.role);
    if (roles?.size === 0) this.#revisions.delete(place.revision);
  }

  /**
   * Share of each revision, sorted by revision; together 1, or 0 when none is covered. A revision that lacks a required
   * role has 0.
   * weight(sum) = pods of the required roles; weight(max-role) = pods of the role that most pods of covered revisions have
   */
  shares({ mode, roles }: Weighing): ReadonlyMap<string, number> {
    const isCovered = (counts: ReadonlyMap<string, number>) => roles.every((role) => counts.has(role));
    const covered = [...this.#revisions.values()].filter(isCovered);
    const counted = mode === 'sum' ? roles : [dominantRole(roles, covered)];
    let sum = 0;
    for (const counts of covered) sum += total(counts, counted);
    const sorted = [...this.#revisions].sort(([a], [b]) => (a < b ? -1 : 1));
    return new Map(
      sorted.map(([revision, counts]) => [revision, isCovered(counts) ? total(counts, counted) / sum : 0]),
    );
  }
}

/** The role with the most pods in these revisions, the first of equals. */
function dominantRole(roles: readonly string[], revisions: readonly ReadonlyMap<string, number>[]): string {
  let best = '';
  let most = -1;
  for (const role of roles) {
    let pods = 0;
    for (const counts of revisions) pods += counts.get(role) ?? 0;
    if (pods <= most) continue;
    best = role;
    most = pods;
  }
  return best;
}

function total(counts: ReadonlyMap<string, number>, roles: readonly string[]): number {
  let sum = 0;
  for (const role of roles) sum += counts.get(role) ?? 0;
  return sum;
}
