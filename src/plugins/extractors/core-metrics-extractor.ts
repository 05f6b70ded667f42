import { z } from 'zod';
import type { Extractor } from '../../framework/data-source.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Log } from '../../framework/log.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { customMetricKey, METRIC_KEYS } from '../attributes/metrics.ts';
import {
  BLOCK_SIZE_LABEL,
  BLOCKS_LABEL,
  BUILT_IN_ENGINES,
  type EngineConfig,
} from './core-metrics-extractor/engines.ts';
import { EnginePlan } from './core-metrics-extractor/plan.ts';
import { metricSpec } from './series/spec-field.ts';

/** Pod label that older charts put the engine's name into. */
const LEGACY_ENGINE_LABEL = 'inference.networking.k8s.io/engine-type';

const customMetric = z.strictObject({
  attributeKey: z.string().min(1).describe('Data type of the attribute; unique in its engine.'),
  metricSpec: metricSpec()
    .refine((text) => text.trim() !== '', 'must not be empty')
    .describe('Metric whose value becomes the attribute.'),
});

const engineConfig = z.strictObject({
  name: z
    .string()
    .min(1)
    .refine((name) => name !== 'default', 'the engine name "default" is reserved')
    .describe('Engine name, as the label on an endpoint has it; redefines a built-in engine of that name.'),
  queuedRequestsSpec: metricSpec().default('').describe('Metric of waiting requests; empty for none.'),
  runningRequestsSpec: metricSpec().default('').describe('Metric of running requests; empty for none.'),
  kvUsageSpec: metricSpec().default('').describe('Metric of KV-cache use, 0 to 1; empty for none.'),
  loraSpec: metricSpec().default('').describe('Metric whose labels name the LoRA adapters; empty for none.'),
  cacheInfoSpec: metricSpec().default('').describe('Metric whose labels hold the cache settings.'),
  cacheBlockSizeLabelName: z
    .string()
    .default(BLOCK_SIZE_LABEL)
    .describe('Label of cacheInfoSpec with the tokens in a block; empty for the default.'),
  cacheNumBlocksLabelName: z
    .string()
    .default(BLOCKS_LABEL)
    .describe('Label of cacheInfoSpec with the number of blocks; empty for the default.'),
  cacheBlockSizeSpec: metricSpec().default('').describe('Metric whose value is the tokens in a block.'),
  cacheNumBlocksSpec: metricSpec().default('').describe('Metric whose value is the number of blocks.'),
  customMetrics: z
    .array(customMetric)
    .default([])
    .refine(
      (list) => isUnique(list.map((metric) => metric.attributeKey)),
      'two metrics have the same attributeKey',
    )
    .describe('Further metrics, each of which becomes an attribute of the endpoint.'),
});

const params = z
  .strictObject({
    engineLabelKey: z
      .string()
      .min(1)
      .default('llm-d.ai/engine-type')
      .describe('Label of an endpoint that names its engine.'),
    defaultEngine: z
      .string()
      .min(1)
      .default('vllm')
      .describe('Engine of endpoints that carry no such label, or one that names no known engine.'),
    engineConfigs: z
      .array(engineConfig)
      .default([])
      .refine((list) => isUnique(list.map((engine) => engine.name)), 'two engines have the same name')
      .describe('Engines to add to the built-in ones, or to put in their place.'),
    aggregation: z
      .enum(['auto', 'first'])
      .default('auto')
      .describe(
        'A page with several engines: auto adds up requests and blocks, averages KV-cache use and unites LoRA adapters; first reads one series.',
      ),
  })
  .superRefine((config, context) => {
    if (allEngines(config.engineConfigs).some((engine) => engine.name === config.defaultEngine)) return;
    context.addIssue({
      code: 'custom',
      path: ['defaultEngine'],
      message: `"${config.defaultEngine}" is neither in engineConfigs nor a built-in engine`,
    });
  });

type Params = z.infer<typeof params>;

function isUnique(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

function allEngines(configured: readonly EngineConfig[]): EngineConfig[] {
  const names = new Set(configured.map((engine) => engine.name));
  return [...configured, ...BUILT_IN_ENGINES.filter((engine) => !names.has(engine.name))];
}

/** What is remembered of an endpoint, so that a page that says the same again costs nothing and logs nothing. */
interface PageMemory {
  running: string;
  waiting: string;
  /** Names of configured load metrics that the last page lacked, joined by commas. */
  missing: string;
}

class CoreMetricsExtractor implements Extractor {
  readonly payload = 'prometheus';
  readonly isPrimary = true;
  readonly #plans = new Map<string, EnginePlan>();
  readonly #defaultPlan: EnginePlan;
  readonly #engineLabelKey: string;
  readonly #log: Log;
  readonly #memories = new WeakMap<Endpoint, PageMemory>();

  constructor(config: Params, log: Log) {
    const combinesEngines = config.aggregation === 'auto';
    for (const engine of allEngines(config.engineConfigs)) {
      this.#plans.set(engine.name, new EnginePlan(engine, combinesEngines));
    }
    const defaultPlan = this.#plans.get(config.defaultEngine);
    if (defaultPlan === undefined) throw new Error(`defaultEngine "${config.defaultEngine}" not found`);
    this.#defaultPlan = defaultPlan;
    this.#engineLabelKey = config.engineLabelKey;
    this.#log = log;
  }

  extract(bytes: Uint8Array, endpoint: Endpoint, nowMs: number): boolean {
    const plan = this.#planOf(endpoint);
    plan.read(bytes);
    let memory = this.#memories.get(endpoint);
    if (memory === undefined) {
      memory = { running: '', waiting: '', missing: '' };
      this.#memories.set(endpoint, memory);
    }
    const hasLoad = this.#writeLoad(plan, endpoint, memory);
    writeAdapters(plan, endpoint, memory);
    writeCache(plan, endpoint);
    const hasCustom = writeCustom(plan, endpoint);
    const expectsLoad = plan.hasQueued || plan.hasRunning || plan.hasKvUsage;
    const isFound = hasLoad || (!expectsLoad && hasCustom);
    if (isFound) endpoint.scraped.updatedAtMs = nowMs;
    return isFound;
  }

  #planOf(endpoint: Endpoint): EnginePlan {
    const engine = endpoint.labels.get(this.#engineLabelKey) || endpoint.labels.get(LEGACY_ENGINE_LABEL);
    return (engine === undefined ? undefined : this.#plans.get(engine)) ?? this.#defaultPlan;
  }

  /** Queue, running requests, KV use. A metric the page lacks keeps its value; returns whether one was there. */
  #writeLoad(plan: EnginePlan, endpoint: Endpoint, memory: PageMemory): boolean {
    const metrics = endpoint.scraped;
    const queued = plan.queued.value;
    const running = plan.running.value;
    const current = plan.kvUsage.value;
    const kvUsage = Number.isNaN(current) ? plan.olderKvUsage.value : current;
    if (!Number.isNaN(queued)) metrics.waitingQueueSize = wholeCount(queued);
    if (!Number.isNaN(running)) metrics.runningRequestsSize = wholeCount(running);
    if (!Number.isNaN(kvUsage)) metrics.kvCacheUsage = kvUsage;
    let missing = '';
    if (plan.hasQueued && Number.isNaN(queued)) missing = 'queued requests';
    if (plan.hasRunning && Number.isNaN(running)) missing = join(missing, 'running requests');
    if (plan.hasKvUsage && Number.isNaN(kvUsage)) missing = join(missing, 'KV-cache use');
    if (missing !== memory.missing) this.#noteMissing(plan, endpoint, missing);
    memory.missing = missing;
    return !(Number.isNaN(queued) && Number.isNaN(running) && Number.isNaN(kvUsage));
  }

  #noteMissing(plan: EnginePlan, endpoint: Endpoint, missing: string): void {
    const fields = { endpoint: endpoint.id, engine: plan.name };
    if (missing === '') this.#log.info(fields, 'metrics page is complete again');
    else this.#log.warn({ ...fields, missing }, 'metrics page lacks metrics of its engine');
  }
}

/** Adapters of the chosen LoRA series, one of each engine; without any the known adapters stay. */
function writeAdapters(plan: EnginePlan, endpoint: Endpoint, memory: PageMemory): void {
  const { lora } = plan;
  if (!lora.isFound) return;
  const metrics = endpoint.scraped;
  const { running, waiting, maxAdapters } = lora;
  if (running !== memory.running) metrics.activeModels = adapterNames(running);
  if (waiting !== memory.waiting) metrics.waitingModels = adapterNames(waiting);
  if (!Number.isNaN(maxAdapters)) metrics.maxActiveModels = maxAdapters;
  memory.running = running;
  memory.waiting = waiting;
}

function writeCache(plan: EnginePlan, endpoint: Endpoint): void {
  const metrics = endpoint.scraped;
  const blockSize = plan.blockSize.value;
  const blocks = plan.blocks.value;
  if (!Number.isNaN(plan.cache.blockSize)) metrics.cacheBlockSize = plan.cache.blockSize;
  if (!Number.isNaN(plan.cache.blocks)) metrics.cacheNumBlocks = plan.cache.blocks;
  if (!Number.isNaN(blockSize)) metrics.cacheBlockSize = wholeCount(blockSize);
  if (!Number.isNaN(blocks)) metrics.cacheNumBlocks = wholeCount(blocks);
}

function writeCustom(plan: EnginePlan, endpoint: Endpoint): boolean {
  let isFound = false;
  for (const { key, pick } of plan.custom) {
    const value = pick.value;
    if (Number.isNaN(value)) continue;
    endpoint.attributes.set(key, value);
    isFound = true;
  }
  return isFound;
}

/** Truncated towards zero as the reference does; a negative count is none. */
function wholeCount(value: number): number {
  return value > 0 ? Math.trunc(value) : 0;
}

function adapterNames(text: string): ReadonlySet<string> {
  const names = new Set<string>();
  for (const part of text.split(',')) {
    const name = part.trim();
    if (name !== '') names.add(name);
  }
  return names;
}

function join(list: string, item: string): string {
  return list === '' ? item : `${list}, ${item}`;
}

/** `core-metrics-extractor` (llm-d-router: pkg/epp/framework/plugins/datalayer/extractor/metrics). */
export const coreMetricsExtractor = definePlugin<Params, Extractor>({
  type: 'core-metrics-extractor',
  kinds: ['extractor'],
  stability: 'beta',
  summary: "Reads queue, running requests, KV-cache use and LoRA adapters from an engine's metrics page.",
  params,
  dependencies: (config) => ({
    produces: [
      ...Object.values(METRIC_KEYS),
      ...config.engineConfigs.flatMap((engine) =>
        engine.customMetrics.map((metric) => customMetricKey(metric.attributeKey)),
      ),
    ],
  }),
  create: (config, context) => new CoreMetricsExtractor(config, context.log),
});
