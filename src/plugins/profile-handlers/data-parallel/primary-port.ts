import { hostPort } from '../../../framework/endpoint.ts';
import type { Headers } from '../../../framework/headers.ts';
import type { SchedulingResult } from '../../../framework/profile-handler.ts';

const RANK = 'x-data-parallel-host-port';

/**
 * The primary targets at `port` of their address, `host:port`, comma separated; ranks of one address are one
 * destination. Undefined when there is none or `port` is 0: the targets' own addresses are the destination.
 */
export function destinationAt(port: number, { profiles, primary }: SchedulingResult): string | undefined {
  const targets = profiles.get(primary)?.targets ?? [];
  if (port === 0 || targets.length === 0) return undefined;
  const destinations = new Set<string>();
  for (const { address } of targets) destinations.add(hostPort(address, port));
  return [...destinations].join(',');
}

/**
 * Names the rank that was chosen, for the side car that listens where the request is sent instead.
 * llm-d-router: pkg/common/routing
 */
export function writeRankHeader(
  headers: Headers,
  { profiles, primary, destination }: SchedulingResult,
): void {
  const target = profiles.get(primary)?.targets[0];
  if (destination === undefined || target === undefined) headers.remove(RANK);
  else headers.set(RANK, target.hostPort);
}
