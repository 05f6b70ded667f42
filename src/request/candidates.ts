import type { Endpoint } from '../framework/endpoint.ts';

/**
 * The endpoints a request may go to: pool members in the subset hint that are reachable. When none of them is
 * reachable, all of them: a wrong guess about reachability must not turn into an outage.
 *
 * `subset` items are `ip:port`, which match that port, or `ip`, which match every port of the address; IPv6 with
 * or without brackets. Undefined means no hint; an empty list matches nothing. Returns `pool` itself when nothing
 * is left out.
 */
export function locateCandidates(
  pool: readonly Endpoint[],
  subset: readonly string[] | undefined,
): readonly Endpoint[] {
  const eligible = subset === undefined ? pool : pool.filter((endpoint) => isListed(endpoint, subset));
  let unreachable = 0;
  for (const endpoint of eligible) if (!endpoint.isReachable) unreachable += 1;
  if (unreachable === 0 || unreachable === eligible.length) return eligible;
  return eligible.filter((endpoint) => endpoint.isReachable);
}

function isListed(endpoint: Endpoint, subset: readonly string[]): boolean {
  for (const item of subset) {
    if (item === endpoint.hostPort || item === endpoint.address || item === `[${endpoint.address}]`)
      return true;
  }
  return false;
}
