import { z } from 'zod';
import { ConfigurationError } from '../framework/errors.ts';
import { type AnyPluginDefinition, definePlugin, type Stability } from '../framework/plugin.ts';
import { duration } from '../framework/schema.ts';

const FLOW_CONTROL = 'the flow-control layer';
const KV_EVENTS = 'the index of KV events';

/** A type of the reference that cannot work yet: its parameters are checked, and the start fails with what it needs. */
function planned(
  type: string,
  about: {
    readonly summary: string;
    readonly needs: string;
    readonly stability?: Stability;
    readonly replacedBy?: string;
    readonly params?: z.ZodType<object>;
  },
): AnyPluginDefinition {
  const { params = z.strictObject({}), stability = 'beta' } = about;
  return definePlugin<object, object>({
    type,
    kinds: [],
    stability,
    summary: about.summary,
    needs: about.needs,
    params,
    ...(about.replacedBy === undefined ? {} : { replacedBy: about.replacedBy }),
    ...(about.params === undefined ? { ignoresParameters: true } : {}),
    create: () => {
      throw new ConfigurationError(`it needs ${about.needs}`);
    },
  });
}

const tokenProcessor = z.strictObject({
  blockSizeTokens: z.int().min(0).default(16).describe('Tokens in one KV block; 0 means 16.'),
  blockSize: z.int().optional().describe('Older name of blockSizeTokens.'),
  hashSeed: z.string().default('').describe('Seed of block hashes; need not be the engine’s.'),
  hashAlgorithm: z.enum(['cbor-fnv', 'xxh64']).default('cbor-fnv').describe('How blocks are hashed.'),
});

const weights = z.array(
  z.strictObject({
    name: z.string().describe('Tier, such as gpu or cpu.'),
    weight: z.number().describe('What a block there counts.'),
  }),
);

const blockIndex = z.strictObject({
  inMemoryConfig: z
    .strictObject({
      size: z.int().default(100_000_000).describe('Most keys.'),
      podCacheSize: z.int().default(10).describe('Endpoints kept for each key.'),
    })
    .optional()
    .describe('In the memory of the picker.'),
  costAwareMemoryConfig: z
    .strictObject({ size: z.string().default('').describe('Memory, such as 2GiB.') })
    .optional()
    .describe('In a set amount of memory.'),
  redisConfig: z
    .strictObject({ address: z.string().describe('redis://, rediss://, unix:// or host:port.') })
    .optional()
    .describe('In Redis or Valkey.'),
  enableMetrics: z.boolean().default(false).describe('Count lookups, admissions and evictions.'),
  metricsLoggingInterval: z.union([z.int(), duration()]).default(0).describe('Nanoseconds, or a duration.'),
});

const indexer = {
  kvBlockIndexConfig: blockIndex.optional().describe('Where the index is kept.'),
  kvCacheBackendConfigs: weights.optional().describe('Weights of tiers; gpu 1, cpu 0.8 unless given.'),
  kvBlockScorerConfig: z
    .strictObject({
      scoringStrategy: z.enum(['LongestPrefix']).optional().describe('The only one.'),
      backendConfigs: weights.optional().describe('Overwritten by kvCacheBackendConfigs.'),
    })
    .optional()
    .describe('How matches are weighed.'),
};

const kvEvents = z.strictObject({
  zmqEndpoint: z.string().default('').describe('Address that is bound, where engines connect to the picker.'),
  topicFilter: z.string().default('kv@').describe('Beginning of the topics that count.'),
  concurrency: z.int().default(4).describe('Workers that apply events.'),
  engineType: z.enum(['vllm', 'sglang']).default('vllm').describe('Whose events these are.'),
  discoverPods: z.boolean().default(true).describe('Subscribe at each endpoint.'),
  podDiscoveryConfig: z
    .strictObject({
      socketPort: z.int().default(5557).describe('Port of an endpoint’s events; its rank is added.'),
      replaySocketPort: z.int().optional().describe('Port from which missed events are asked for.'),
      podLabelSelector: z.string().optional().describe('Has no effect: endpoints come from the pool.'),
      podNamespace: z.string().optional().describe('Has no effect: endpoints come from the pool.'),
    })
    .optional()
    .describe('Where the events of an endpoint are.'),
});

const precise = {
  tokenProcessorConfig: tokenProcessor.optional().describe('How prompts become blocks.'),
  kvEventsConfig: kvEvents.optional().describe('Where events come from.'),
  speculativeIndexing: z
    .boolean()
    .default(false)
    .describe('Count blocks as held as soon as a request is sent.'),
  speculativeTTL: duration().default(2000).describe('How long such blocks count without an event.'),
};

const tokenizers = z.strictObject({
  modelName: z.string().describe('Model whose tokenizer is used.'),
  workersCount: z.int().default(0).describe('Workers.'),
  uds: z
    .strictObject({
      socketFile: z.string().describe('Unix socket.'),
      useTCP: z.boolean().optional().describe('TCP instead of a Unix socket.'),
      modelTokenizerMap: z.record(z.string(), z.string()).optional().describe('Tokenizer file by model.'),
    })
    .optional()
    .describe('The tokenizer side car.'),
});

/** Types of the reference whose foundation this version lacks. */
export const PLANNED: readonly AnyPluginDefinition[] = [
  planned('precise-prefix-cache-producer', {
    summary: 'Knows from engine events which endpoint holds which KV blocks.',
    needs: KV_EVENTS,
    params: z.strictObject({
      ...precise,
      indexerConfig: z.strictObject(indexer).optional().describe('The index.'),
    }),
  }),
  planned('precise-prefix-cache-scorer', {
    summary: 'Older form of precise-prefix-cache-producer and prefix-cache-scorer in one.',
    needs: KV_EVENTS,
    replacedBy: 'precise-prefix-cache-producer and prefix-cache-scorer',
    params: z.strictObject({
      ...precise,
      indexerConfig: z
        .strictObject({
          ...indexer,
          tokenProcessorConfig: tokenProcessor.optional().describe('Older place of the setting above.'),
          tokenizersPoolConfig: tokenizers.optional().describe('Tokenizer of its own.'),
        })
        .optional()
        .describe('The index.'),
    }),
  }),
  planned('fcfs-ordering-policy', { summary: 'First come, first served.', needs: FLOW_CONTROL }),
  planned('edf-ordering-policy', { summary: 'Earliest deadline first.', needs: FLOW_CONTROL }),
  planned('slo-deadline-ordering-policy', {
    summary: 'Earliest time-to-first-token objective first.',
    needs: FLOW_CONTROL,
  }),
  planned('global-strict-fairness-policy', { summary: 'The best item over all flows.', needs: FLOW_CONTROL }),
  planned('round-robin-fairness-policy', { summary: 'Flows in turn.', needs: FLOW_CONTROL }),
  planned('program-aware-fairness', {
    summary: 'The flow that was served least.',
    needs: FLOW_CONTROL,
    params: z.strictObject({
      strategy: z.enum(['las', '']).default('las').describe('Least attained service.'),
      lasWeightService: z.number().min(0).default(0.8).describe('Weight of the service a flow had.'),
      lasWeightHeadWait: z.number().min(0).default(0.2).describe('Weight of the wait of its first request.'),
      lasHalfLifeSeconds: z.number().min(0).default(60).describe('Half-life of service; 0: it never fades.'),
      evictionTtlSeconds: z.number().min(0).default(3600).describe('Idle flows are forgotten; 0: never.'),
      evictionSweepSeconds: z.number().gt(0).default(300).describe('Time between two looks for idle flows.'),
    }),
  }),
  planned('static-usage-limit-policy', {
    summary: 'One ceiling of saturation for all priorities.',
    needs: FLOW_CONTROL,
    params: z.strictObject({
      threshold: z.number().gt(0).max(1).default(1).describe('Saturation at which nothing is dispatched.'),
    }),
  }),
  planned('priority-holdback-policy', {
    summary: 'Lower ceilings for lower priorities.',
    needs: FLOW_CONTROL,
    stability: 'alpha',
    params: z.strictObject({
      minCeiling: z.number().min(0).lt(1).describe('Ceiling of the lowest priority.'),
      maxCeiling: z.number().gt(0).max(1).default(1).describe('Ceiling of the highest priority.'),
      domain: z.enum(['rank', 'value']).default('rank').describe('What is interpolated over.'),
      shape: z.enum(['linear']).default('linear').describe('Form of the interpolation.'),
    }),
  }),
  planned('soft-reflective-ceiling-policy', {
    summary: 'Dispatches lower priorities ever more rarely as saturation rises.',
    needs: FLOW_CONTROL,
    stability: 'alpha',
    params: z.strictObject({}),
  }),
  planned('sheddable-eviction-filter', {
    summary: 'Only requests of negative priority may be evicted.',
    needs: FLOW_CONTROL,
    stability: 'alpha',
  }),
  planned('priority-then-time-eviction-order-policy', {
    summary: 'Evicts the lowest priority first, then the newest request.',
    needs: FLOW_CONTROL,
    stability: 'alpha',
  }),
];
