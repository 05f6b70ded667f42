import type { Endpoint } from '../framework/endpoint.ts';
import type { StateDumper } from '../framework/hooks.ts';
import type { Named } from '../framework/plugin.ts';
import { rfc3339 } from '../util/timestamp.ts';

/**
 * The body of `/debug/plugins/state`: `{"timestamp", "plugins": {name: {"name", "type", "state"?, "message"?}}}`,
 * names sorted. A plugin that keeps its state to itself, or fails to tell it, has a message instead
 * (llm-d-router: pkg/epp/server/debug).
 */
export function pluginStatePage(plugins: readonly Named<object>[], wallMs: number): string {
  const sorted = [...plugins].sort((a, b) => (a.name < b.name ? -1 : 1));
  const entries = sorted.map((one) => `${JSON.stringify(one.name)}:${entryText(one)}`);
  return `{"timestamp":"${rfc3339(wallMs, 'trimmed')}","plugins":{${entries.join(',')}}}\n`;
}

function entryText({ name, type, plugin }: Named<object>): string {
  const head = `{"name":${JSON.stringify(name)},"type":${JSON.stringify(type)}`;
  const failed = (message: string) => `${head},"message":${JSON.stringify(message)}}`;
  if (!isStateDumper(plugin)) return failed('plugin does not support state collection');
  let state: unknown;
  try {
    state = plugin.dumpState();
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return failed(`failed to dump plugin state: ${detail}`);
  }
  const text = state === undefined ? 'null' : jsonOf(state);
  return text === undefined ? failed('plugin returned invalid JSON state') : `${head},"state":${text}}`;
}

function isStateDumper(plugin: object): plugin is StateDumper {
  return 'dumpState' in plugin && typeof plugin.dumpState === 'function';
}

/** Undefined for what JSON cannot hold: cycles, big integers, functions. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value) as string | undefined; // the declared type forgets functions and symbols
  } catch {
    return undefined;
  }
}

/** A pool and who is in it. */
export interface PoolMembers {
  readonly pool: string;
  readonly endpoints: readonly Endpoint[];
}

/** The body of `/debug/endpoints`: what the picker knows of the members of each pool. `nowMs`: `Clock.nowMs()`. */
export function endpointsPage(pools: readonly PoolMembers[], nowMs: number): string {
  const rows = pools.flatMap(({ pool, endpoints }) => endpoints.map((one) => endpointRow(pool, one, nowMs)));
  return `${JSON.stringify({ endpoints: rows }, null, 2)}\n`;
}

function endpointRow(pool: string, endpoint: Endpoint, nowMs: number): object {
  return {
    pool,
    id: endpoint.id,
    address: endpoint.hostPort,
    isFresh: endpoint.isFresh,
    isReachable: endpoint.isReachable,
    inFlightRequests: endpoint.inFlightRequests,
    scrapeAgeMs: Number.isFinite(endpoint.scraped.updatedAtMs)
      ? Math.round(nowMs - endpoint.scraped.updatedAtMs)
      : null,
    waitingQueueSize: endpoint.scraped.waitingQueueSize,
    runningRequestsSize: endpoint.scraped.runningRequestsSize,
    kvCacheUsage: endpoint.scraped.kvCacheUsage,
    cacheBlockSize: endpoint.scraped.cacheBlockSize,
    cacheNumBlocks: endpoint.scraped.cacheNumBlocks,
    activeModels: [...endpoint.scraped.activeModels],
    waitingModels: [...endpoint.scraped.waitingModels],
    maxActiveModels: endpoint.scraped.maxActiveModels,
  };
}
