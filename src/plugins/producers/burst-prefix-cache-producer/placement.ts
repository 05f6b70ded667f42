import type { Endpoint } from '../../../framework/endpoint.ts';

/** A prompt's blocks as the placement compares them: one number per block, equal for equal prefixes. */
export interface Prompt {
  readonly blocks: readonly number[];
  /** Block at which each prompt of the request ends. */
  readonly ends: readonly number[];
}

/** How a batch is spread. */
export interface PlacementRules {
  /** Most members of one group on one endpoint; Infinity for no limit. */
  readonly maxPerEndpoint: number;
  /** Blocks that prompts must share to be drawn together; 0: only equal prompts are. */
  readonly minColocateBlocks: number;
  /** What load is: requests, or blocks that an endpoint must compute. */
  readonly balanceBy: 'requests' | 'tokens';
}

/** Requests that are placed together: their positions in the batch and what they have in common. */
interface Unit {
  readonly members: readonly number[];
  readonly prompt: Prompt;
}

/** An endpoint while a batch is placed. */
class Replica {
  readonly endpoint: Endpoint;
  readonly held = new Set<number>();
  load = 0;
  /** Members of the unit that is being placed. */
  members = 0;

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  /** Leading blocks of each prompt that are placed here. */
  sharedBlocks({ blocks, ends }: Prompt): number {
    let shared = 0;
    let at = 0;
    for (const end of ends) {
      while (at < end && this.held.has(blocks[at] ?? -1)) {
        at += 1;
        shared += 1;
      }
      at = end;
    }
    return shared;
  }
}

/**
 * Places a batch of prompts on endpoints: equal prompts together, up to `maxPerEndpoint`; with `minColocateBlocks` also
 * those that begin alike, as long as no endpoint gets more than its share.
 *
 *     units = groups of equal prompts (2 or more), then single ones whose first minColocateBlocks blocks another one shares,
 *             each kind with the longest prompts first
 *     share = ceil(Σ load of units / endpoints)
 *
 * A unit begins where the longest prefix of it (>= minColocateBlocks) is placed already, if that endpoint has less than its
 * share; else, and when an endpoint has `maxPerEndpoint` of its members, at the least loaded one. Ties: less load, fewer
 * running requests, smaller id. Returns the endpoint of each prompt; undefined where it may go anywhere.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/burstprefix
 */
export function placeBatch(
  prompts: readonly Prompt[],
  endpoints: readonly Endpoint[],
  rules: PlacementRules,
): readonly (Endpoint | undefined)[] {
  const places: (Endpoint | undefined)[] = prompts.map(() => undefined);
  const replicas = endpoints.map((endpoint) => new Replica(endpoint));
  const units = unitsOf(prompts, rules.minColocateBlocks);
  const loadOf = (unit: Unit) =>
    rules.balanceBy === 'requests' ? unit.members.length : unit.prompt.blocks.length;
  const total = units.reduce((sum, unit) => sum + loadOf(unit), 0);
  const share = Math.ceil(total / Math.max(1, replicas.length));
  for (const unit of units) {
    for (const replica of replicas) replica.members = 0;
    let replica = preferred(unit, replicas, share, rules) ?? leastLoaded(replicas, rules);
    for (const member of unit.members) {
      if (replica !== undefined && replica.members >= rules.maxPerEndpoint) {
        replica = leastLoaded(replicas, rules);
      }
      if (replica === undefined) break;
      if (replica.members === 0) begin(unit, replica, rules);
      replica.members += 1;
      if (rules.balanceBy === 'requests') replica.load += 1;
      places[member] = replica.endpoint;
    }
  }
  return places;
}

function unitsOf(prompts: readonly Prompt[], minColocateBlocks: number): readonly Unit[] {
  const groups = new Map<string, number[]>();
  const beginnings = new Map<string, number>();
  const beginning = ({ blocks }: Prompt) => blocks.slice(0, minColocateBlocks).join();
  for (const [i, prompt] of prompts.entries()) {
    if (prompt.blocks.length === 0) continue;
    const key = prompt.blocks.join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [i]);
    else group.push(i);
    if (minColocateBlocks === 0 || prompt.blocks.length < minColocateBlocks) continue;
    beginnings.set(beginning(prompt), (beginnings.get(beginning(prompt)) ?? 0) + 1);
  }
  const equal: Unit[] = [];
  const single: Unit[] = [];
  for (const members of groups.values()) {
    const prompt = prompts[members[0] ?? -1];
    if (prompt === undefined) continue;
    if (members.length > 1) {
      equal.push({ members, prompt });
    } else if (minColocateBlocks > 0 && (beginnings.get(beginning(prompt)) ?? 0) > 1) {
      single.push({ members, prompt });
    }
  }
  const longestFirst = (a: Unit, b: Unit) => b.prompt.blocks.length - a.prompt.blocks.length;
  return [...equal.sort(longestFirst), ...single.sort(longestFirst)];
}

/** Where most of the unit's prefix is placed already; undefined when that is too little, or only where there is no room. */
function preferred(
  { prompt }: Unit,
  replicas: readonly Replica[],
  share: number,
  { minColocateBlocks }: PlacementRules,
): Replica | undefined {
  if (minColocateBlocks === 0) return undefined;
  let best: Replica | undefined;
  let bestShared = 0;
  for (const replica of replicas) {
    if (replica.load >= share) continue;
    const shared = replica.sharedBlocks(prompt);
    if (shared < minColocateBlocks || shared < bestShared) continue;
    if (best === undefined || shared > bestShared || isBefore(replica, best)) {
      best = replica;
      bestShared = shared;
    }
  }
  return best;
}

/** The least loaded with room for another member; the least loaded of all when none has. */
function leastLoaded(replicas: readonly Replica[], { maxPerEndpoint }: PlacementRules): Replica | undefined {
  let best: Replica | undefined;
  for (const replica of replicas) {
    if (best === undefined) {
      best = replica;
      continue;
    }
    const hasRoom = replica.members < maxPerEndpoint;
    const bestHasRoom = best.members < maxPerEndpoint;
    if (hasRoom !== bestHasRoom ? hasRoom : isBefore(replica, best)) best = replica;
  }
  return best;
}

function isBefore(a: Replica, b: Replica): boolean {
  if (a.load !== b.load) return a.load < b.load;
  const running = a.endpoint.metrics.runningRequestsSize - b.endpoint.metrics.runningRequestsSize;
  return running === 0 ? a.endpoint.id < b.endpoint.id : running < 0;
}

/** The first member of a unit arrives: its blocks are computed here once. */
function begin({ prompt }: Unit, replica: Replica, { balanceBy }: PlacementRules): void {
  if (balanceBy === 'tokens') {
    let missing = 0;
    for (const block of prompt.blocks) if (!replica.held.has(block)) missing += 1;
    replica.load += missing;
  }
  for (const block of prompt.blocks) replica.held.add(block);
}
