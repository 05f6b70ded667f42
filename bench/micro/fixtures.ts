import type { Endpoint } from '../../src/framework/endpoint.ts';
import type { Instruments } from '../../src/framework/instruments.ts';
import type { Log } from '../../src/framework/log.ts';
import type { AnyPluginDefinition, Named, PluginContext } from '../../src/framework/plugin.ts';
import type { InferenceRequest } from '../../src/framework/request.ts';
import { inFlightLoadKey, uncachedTokensKey } from '../../src/plugins/attributes/in-flight-load.ts';
import {
  MULTICLUSTER_KV_CACHE_UTILIZATION,
  MULTICLUSTER_QUEUE_SIZE,
} from '../../src/plugins/attributes/multicluster.ts';
import { prefixMatchKey } from '../../src/plugins/attributes/prefix-match.ts';
import { DEFAULT_SCALAR_PRODUCER, scalarKey } from '../../src/plugins/attributes/scalar.ts';
import { TOKENIZED_PROMPT } from '../../src/plugins/attributes/tokenized-prompt.ts';
import { PEER_ENDPOINT, topologyKey } from '../../src/plugins/attributes/topology.ts';
import { systemClock } from '../../src/util/clock.ts';
import { SeededRng } from '../../src/util/rng.ts';
import { REQUIRED } from '../../test/contract/parameters.ts';
import { endpoint, request } from '../../test/support/builders.ts';

/** Numbers of candidates every scheduling benchmark runs with. */
export const SIZES = [8, 64, 512] as const;

const SILENT: Log = {
  error() {},
  warn() {},
  info() {},
  debug() {},
  trace() {},
  isLevelEnabled: () => false,
};

/** Counters and histograms that cost what the real ones cost at the least: a field, a bucket search. */
const FLAT: Instruments = {
  counter: () => ({ value: 0 }),
  histogram() {
    const counts = new Float64Array(11);
    const bounds = Float64Array.of(1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1);
    return {
      observe(value) {
        let i = 0;
        while (i < 10 && value > (bounds[i] ?? 0)) i += 1;
        counts[i] = (counts[i] ?? 0) + 1;
      },
    };
  },
  gauge: () => () => {},
};

/** What the engine and plugins run with: the real clock, metrics without exposition, logging off. */
export const CONTEXT: PluginContext = {
  name: 'bench',
  type: 'bench',
  clock: systemClock,
  rng: new SeededRng(1),
  log: SILENT,
  instruments: FLAT,
  endpoints: () => [],
  pools: 1,
  signal: new AbortController().signal,
  environment: {},
  plugin: (name) => {
    throw new Error(`nothing here refers to '${name}'`);
  },
};

/** An instance of a built-in plugin with the parameters given, else the least it takes. */
export function instance<T extends object>(
  d: AnyPluginDefinition,
  raw: object = REQUIRED.get(d.type) ?? {},
): Named<T> {
  return { name: d.type, type: d.type, plugin: d.create(d.params.parse(raw), CONTEXT) as T };
}

/** A pool in use: every field that scorers read differs between endpoints. */
export function busyPool(size: number): Endpoint[] {
  return Array.from({ length: size }, (_, slot) => {
    const one = endpoint({
      slot,
      name: `pod-${slot}`,
      waitingQueueSize: (slot * 7) % 23,
      runningRequestsSize: (slot * 5) % 61,
      kvCacheUsage: ((slot * 13) % 97) / 100,
      activeModels: new Set([`adapter-${slot % 4}`]),
      maxActiveModels: 4,
      labels: {
        'llm-d.ai/role': slot % 2 === 0 ? 'decode' : 'prefill-decode',
        'llm-d.ai/context-length-range': slot % 3 === 0 ? '0-8192' : '4096-131072',
        zone: `zone-${slot % 3}`,
      },
    });
    one.attributes.set(inFlightLoadKey(''), { requests: slot % 11, tokens: slot * 100 });
    one.attributes.set(topologyKey(''), {
      hostname: `host-${slot % 16}`,
      rack: `rack-${slot % 8}`,
      zone: `zone-${slot % 3}`,
      region: 'region',
    });
    one.attributes.set(scalarKey('x', DEFAULT_SCALAR_PRODUCER), (slot * 11) % 89);
    one.attributes.set(MULTICLUSTER_QUEUE_SIZE, (slot * 7) % 23);
    one.attributes.set(MULTICLUSTER_KV_CACHE_UTILIZATION, ((slot * 13) % 97) / 100);
    return one;
  });
}

/** A request of 100 blocks whose prefix every third endpoint holds in part. */
export function matchedRequest(candidates: readonly Endpoint[]): InferenceRequest {
  const one = request({ model: 'adapter-1', headers: { 'x-zone': 'zone-1' } });
  one.candidates = candidates;
  one.attributes.set(TOKENIZED_PROMPT, { prompts: [], count: 1600, cacheSalt: '' });
  one.attributes.set(PEER_ENDPOINT, candidates[0]);
  one.attributes.set(
    uncachedTokensKey(''),
    Float64Array.from(candidates, (_, slot) => (slot * 37) % 1600),
  );
  const matchBlocks = Int32Array.from(candidates, (_, slot) => (slot % 3 === 0 ? slot % 101 : 0));
  const match = { matchBlocks, cachedBlocks: matchBlocks, totalBlocks: 100, blockSizeTokens: 16 };
  one.attributes.set(prefixMatchKey(''), match);
  return one;
}

/** `call` after enough calls to be compiled, which takes longer than the harness warms up. */
export function warm<T>(call: () => T): () => T {
  for (let i = 0; i < 20_000; i += 1) call();
  return call;
}
