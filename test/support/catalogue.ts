import { z } from 'zod';
import type { Extractor, PollSource } from '../../src/framework/data-source.ts';
import type { Filter } from '../../src/framework/filter.ts';
import type { DataProducer, PreRequestHook } from '../../src/framework/hooks.ts';
import type { Parser } from '../../src/framework/parser.ts';
import type { Picker } from '../../src/framework/picker.ts';
import {
  type AnyPluginDefinition,
  type DataDependencies,
  definePlugin,
  type PluginKind,
} from '../../src/framework/plugin.ts';
import type { ProfileHandler } from '../../src/framework/profile-handler.ts';
import type { SaturationDetector } from '../../src/framework/saturation.ts';
import { duration } from '../../src/framework/schema.ts';
import type { Scorer } from '../../src/framework/scorer.ts';
import { METRIC_KEYS } from '../../src/plugins/attributes/metrics.ts';
import { prefixMatchKey } from '../../src/plugins/attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../../src/plugins/attributes/tokenized-prompt.ts';

/** Instances that do the least their contract allows. */
const scorer: Scorer = { category: 'balance', score: () => {} };
const filter: Filter = { filter: (_request, candidates) => candidates };
const picker: Picker = { pick: (candidates) => candidates.slice(0, 1) };
const producer: DataProducer = { produce: () => {} };
const hook: PreRequestHook = { preRequest: () => {} };
const detector: SaturationDetector = { saturation: () => 0 };
const handler: ProfileHandler = {
  pick: (_request, names, results) => names.filter((name) => !results.has(name)),
  process: () => {
    throw new Error('nothing was scheduled');
  },
};
const source: PollSource = {
  payload: 'prometheus',
  intervalMs: 0,
  poll: () => Promise.resolve(new Uint8Array()),
  release: () => {},
};
const extractor: Extractor = { payload: 'prometheus', extract: () => true };

function parser(pathSuffixes: readonly string[]): Parser {
  return {
    pathSuffixes,
    protocols: [],
    parse: () => {
      throw new Error('nothing is parsed');
    },
    readUsage: () => {},
    readsResponse: false,
    errorShape: 'openai',
  };
}

interface Simple {
  readonly stability?: AnyPluginDefinition['stability'];
  readonly aliases?: readonly string[];
  readonly replacedBy?: string;
  readonly needs?: string;
  readonly dependencies?: DataDependencies;
}

/** A plugin that takes no parameters. */
function simple(
  type: string,
  kinds: readonly PluginKind[],
  instance: object,
  rest: Simple = {},
): AnyPluginDefinition {
  const { dependencies, ...given } = rest;
  return {
    type,
    kinds,
    stability: 'beta',
    summary: `Test plugin ${type}.`,
    params: z.strictObject({}),
    ignoresParameters: true,
    create: () => ({ ...instance }),
    ...given,
    ...(dependencies === undefined ? {} : { dependencies: () => dependencies }),
  };
}

const prefixScorer = definePlugin({
  type: 'prefix-cache-scorer',
  kinds: ['scorer'],
  stability: 'beta',
  summary: 'Scores by prefix match.',
  params: z.strictObject({
    prefixMatchInfoProducerName: z.string().default('approx-prefix-cache-producer').describe('Producer.'),
    matchLengthWeight: z.number().min(0).max(1).default(0).describe('Share of the length.'),
  }),
  dependencies: (params) => ({ requires: [prefixMatchKey(params.prefixMatchInfoProducerName)] }),
  create: () => ({ ...scorer }),
});

const prefixProducer = definePlugin({
  type: 'approx-prefix-cache-producer',
  kinds: ['producer', 'pre-request'],
  stability: 'beta',
  summary: 'Produces prefix matches.',
  params: z.strictObject({
    autoTune: z.boolean().default(true).describe('Follow the server.'),
    blockSizeTokens: z.int().min(1).default(16).describe('Tokens in a block.'),
    blockSize: z.int().min(0).default(0).describe('Old name.'),
    maxPrefixTokensToMatch: z.int().min(0).default(131_072).describe('Cap in tokens.'),
    maxPrefixBlocksToMatch: z.int().min(0).default(2048).describe('Cap in blocks.'),
    lruCapacityPerServer: z.int().default(31_250).describe('Blocks per endpoint.'),
  }),
  dependencies: (_params, name) => ({ produces: [prefixMatchKey(name)], requires: [TOKENIZED_PROMPT] }),
  create: () => ({ ...producer, ...hook }),
});

const utilization = definePlugin({
  type: 'utilization-detector',
  kinds: ['saturation-detector', 'filter'],
  stability: 'beta',
  summary: 'Detects saturation.',
  params: z.strictObject({
    queueDepthThreshold: z.int().min(1).default(5).describe('Requests.'),
    kvCacheUtilThreshold: z.number().gt(0).max(1).default(0.8).describe('Share.'),
    metricsStalenessThreshold: duration().default(200).describe('Age.'),
  }),
  create: () => ({ ...detector, ...filter }),
});

/** Parameters of every shape, for messages. */
const shapes = definePlugin({
  type: 'shape-filter',
  kinds: ['filter'],
  stability: 'beta',
  summary: 'Has parameters of every shape.',
  params: z
    .strictObject({
      mode: z.enum(['strict', 'prefer']).default('strict').describe('How.'),
      url: z.string().optional().describe('Where.'),
      timeout: duration().default(1000).describe('How long.'),
      labels: z.record(z.string(), z.string()).default({}).describe('Which.'),
      sources: z
        .array(z.union([z.strictObject({ header: z.string() }), z.strictObject({ attribute: z.string() })]))
        .default([])
        .describe('From where.'),
      window: z
        .strictObject({ min: z.number(), max: z.number() })
        .refine((window) => window.min < window.max, 'min must be below max')
        .optional()
        .describe('Between.'),
    })
    .describe('All.'),
  create: (params) => {
    if (params.url === 'fail') throw new Error('url cannot be reached');
    return { ...filter };
  },
});

/** Definitions under the names of built-in plugins, enough for a complete configuration, and some for odd cases. */
export const TEST_CATALOGUE: readonly AnyPluginDefinition[] = [
  simple('planned-policy', [], {}, { needs: 'the policy layer' }),
  simple('queue-scorer', ['scorer'], scorer, { dependencies: { requires: [METRIC_KEYS.waitingQueueSize] } }),
  simple('kv-cache-utilization-scorer', ['scorer'], scorer, {
    dependencies: { requires: [METRIC_KEYS.kvCacheUsage] },
  }),
  simple('pure-scorer', ['scorer'], scorer),
  simple('alpha-scorer', ['scorer'], scorer, { stability: 'alpha' }),
  simple('agent-identity', ['header-processor'], { requestHeaders: () => {} }, { stability: 'alpha' }),
  simple('filter-and-scorer', ['filter', 'scorer'], { ...filter, ...scorer }),
  simple('plain-filter', ['filter'], filter, { aliases: ['old-filter'] }),
  simple('former-filter', ['filter'], filter, { replacedBy: 'plain-filter' }),
  simple('max-score-picker', ['picker'], picker),
  simple('random-picker', ['picker'], picker),
  simple('single-profile-handler', ['profile-handler'], handler),
  simple('other-profile-handler', ['profile-handler'], handler),
  simple('openai-parser', ['parser'], parser(['completions'])),
  simple('anthropic-parser', ['parser'], parser(['messages'])),
  simple('vllmhttp-parser', ['parser'], parser(['generate'])),
  simple('passthrough-parser', ['parser'], parser([])),
  simple('metrics-data-source', ['source'], source),
  simple('models-data-source', ['source'], { ...source, payload: 'json-models' }),
  simple('core-metrics-extractor', ['extractor'], extractor, {
    dependencies: { produces: [METRIC_KEYS.waitingQueueSize, METRIC_KEYS.kvCacheUsage] },
  }),
  simple('file-discovery', ['discovery'], { start: () => Promise.resolve() }),
  simple('token-producer', ['producer'], producer, {
    aliases: ['tokenizer'],
    dependencies: { produces: [TOKENIZED_PROMPT] },
  }),
  simple('needs-nobody-scorer', ['scorer'], scorer, {
    dependencies: { requires: [prefixMatchKey('nobody')] },
  }),
  simple('early-producer', ['producer'], producer, {
    dependencies: { optional: [prefixMatchKey('approx-prefix-cache-producer')] },
  }),
  simple('circle-a', ['producer'], producer, {
    dependencies: { produces: [prefixMatchKey('circle-a')], requires: [prefixMatchKey('circle-b')] },
  }),
  simple('circle-b', ['producer'], producer, {
    dependencies: { produces: [prefixMatchKey('circle-b')], requires: [prefixMatchKey('circle-a')] },
  }),
  simple('broken-scorer', ['scorer'], {}),
  prefixScorer,
  prefixProducer,
  utilization,
  shapes,
];
