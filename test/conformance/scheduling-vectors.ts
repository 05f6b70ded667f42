import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Endpoint } from '../../src/framework/endpoint.ts';
import type { Named } from '../../src/framework/plugin.ts';
import type { InferenceRequest } from '../../src/framework/request.ts';
import { inFlightLoadKey } from '../../src/plugins/attributes/in-flight-load.ts';
import {
  type LatencyPrediction,
  latencyPredictionKey,
  noPredictions,
} from '../../src/plugins/attributes/latency-prediction.ts';
import { prefixMatchKey } from '../../src/plugins/attributes/prefix-match.ts';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';
import { context, endpoint, request, type TestContext } from '../support/builders.ts';

const parameters = z.record(z.string(), z.unknown()).default({});

/** One endpoint of a vector; what is not given is zero or absent. */
export const endpointSchema = z.strictObject({
  name: z.string().optional(),
  address: z.string().optional(),
  port: z.int().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  waiting: z.number().optional(),
  running: z.number().optional(),
  kv: z.number().optional(),
  active: z.array(z.string()).optional(),
  waitingModels: z.array(z.string()).optional(),
  maxActive: z.number().optional(),
  /** In-flight load; absent means that the producer wrote none. */
  requests: z.number().optional(),
  tokens: z.number().optional(),
  /** Matched blocks; absent everywhere means that there is no match at all. */
  match: z.number().optional(),
  ageMs: z.number().optional(),
  /** Predicted headroom of TTFT and TPOT in milliseconds; absent means that nothing is predicted for it. */
  headroom: z.tuple([z.number(), z.number()]).optional(),
  /** Predicted TTFT in milliseconds. */
  ttft: z.number().optional(),
  /** Requests under way there when it was predicted. */
  dispatched: z.number().optional(),
});

/** What a vector says about the request. */
export const requestSchema = z
  .strictObject({
    targetModel: z.string().optional(),
    totalBlocks: z.number().default(0),
    blockSizeTokens: z.number().default(0),
  })
  .prefault({});

const pluginSchema = z.strictObject({ plugin: z.string(), parameters, weight: z.number().default(1) });

/** Shapes of the vector files, by file name. */
export const SHAPES = {
  scorers: z.strictObject({
    id: z.string(),
    plugin: z.string(),
    parameters,
    request: requestSchema,
    endpoints: z.array(endpointSchema),
    want: z.array(z.number()),
  }),
  parameters: z.strictObject({ id: z.string(), plugin: z.string(), parameters, isAccepted: z.boolean() }),
  filters: z.strictObject({
    id: z.string(),
    plugin: z.string(),
    parameters,
    headers: z.record(z.string(), z.string()).default({}),
    request: requestSchema,
    endpoints: z.array(endpointSchema),
    keep: z.array(z.string()),
  }),
  saturation: z.strictObject({
    id: z.string(),
    plugin: z.string(),
    parameters,
    endpoints: z.array(endpointSchema),
    want: z.number(),
  }),
  pickers: z.strictObject({
    id: z.string(),
    plugin: z.string(),
    parameters,
    totals: z.array(z.number()),
    anyOf: z.array(z.array(z.int())).optional(),
    shares: z.array(z.number()).optional(),
  }),
  pipeline: z.strictObject({
    id: z.string(),
    filters: z.array(pluginSchema),
    scorers: z.array(pluginSchema),
    picker: pluginSchema,
    request: requestSchema,
    endpoints: z.array(endpointSchema),
    totals: z.record(z.string(), z.number()),
    picks: z.array(z.string()),
  }),
  'no-hit-lru': z.strictObject({
    id: z.string(),
    parameters,
    pool: z.array(z.string()),
    steps: z.array(
      z.union([
        z.strictObject({
          score: z.array(z.string()),
          want: z.array(z.number()),
          match: z.record(z.string(), z.number()).optional(),
        }),
        z.strictObject({
          route: z.string(),
          prefill: z.string().optional(),
          match: z.record(z.string(), z.number()).optional(),
        }),
        z.strictObject({ remove: z.string() }),
      ]),
    ),
  }),
  'session-affinity': z.strictObject({
    id: z.string(),
    parameters,
    steps: z.array(
      z.strictObject({
        choose: z.array(z.string()),
        headers: z.record(z.string(), z.string()).default({}),
        attribute: z.union([z.string(), z.number()]).optional(),
        prefers: z.string().nullable().optional(),
        target: z.string().optional(),
        prefill: z.string().optional(),
        responseToken: z.string().optional(),
      }),
    ),
  }),
} as const;

/** The cases of one vector file. */
export function vectors<Name extends keyof typeof SHAPES>(name: Name): z.output<(typeof SHAPES)[Name]>[] {
  const shape = z.strictObject({
    origin: z.string().min(1),
    note: z.string().optional(),
    cases: z.array(SHAPES[name]).min(1),
  });
  const text = readFileSync(new URL(`./vectors/${name}.json`, import.meta.url), 'utf8');
  // The union over all files narrows to the one that was asked for.
  return shape.parse(JSON.parse(text)).cases as z.output<(typeof SHAPES)[Name]>[];
}

/** A built-in plugin with its parameters parsed; throws what its schema or `create` throws. */
export function create(
  type: string,
  raw: Record<string, unknown> = {},
): Named<object> & { ctx: TestContext } {
  const definition = CATALOGUE.find((d) => d.type === type || d.aliases?.includes(type));
  if (definition === undefined) throw new Error(`no plugin ${type}`);
  const ctx = context(type);
  return { name: type, type, plugin: definition.create(definition.params.parse(raw), ctx), ctx };
}

/** The endpoints of a vector, slots in order; a load is written where a vector gives one. */
export function endpoints(specs: readonly z.output<typeof endpointSchema>[]): Endpoint[] {
  return specs.map((spec, slot) => {
    const built = endpoint({
      slot,
      name: spec.name ?? `e${slot}`,
      address: spec.address ?? `10.1.0.${slot}`,
      port: spec.port ?? 8000,
      labels: spec.labels ?? {},
      waitingQueueSize: spec.waiting ?? 0,
      runningRequestsSize: spec.running ?? 0,
      kvCacheUsage: spec.kv ?? 0,
      activeModels: new Set(spec.active),
      waitingModels: new Set(spec.waitingModels),
      maxActiveModels: spec.maxActive ?? 0,
      updatedAtMs: 1_000_000 - (spec.ageMs ?? 0),
    });
    if (spec.requests !== undefined || spec.tokens !== undefined) {
      const load = { requests: spec.requests ?? 0, tokens: spec.tokens ?? 0 };
      built.attributes.set(inFlightLoadKey(''), load);
    }
    return built;
  });
}

/** The request of a vector; the prefix match and predictions are written when any endpoint has them. */
export function requestFor(
  spec: z.output<typeof requestSchema>,
  specs: readonly z.output<typeof endpointSchema>[],
  headers: Record<string, string> = {},
): InferenceRequest {
  const built = request({ targetModel: spec.targetModel ?? 'm', headers });
  const prediction = predictionOf(specs);
  if (prediction !== undefined) built.attributes.set(latencyPredictionKey(''), prediction);
  if (specs.some((one) => one.match !== undefined)) {
    const matchBlocks = Int32Array.from(specs, (one) => one.match ?? 0);
    const { totalBlocks, blockSizeTokens } = spec;
    built.attributes.set(prefixMatchKey(''), {
      matchBlocks,
      cachedBlocks: matchBlocks,
      totalBlocks,
      blockSizeTokens,
    });
  }
  return built;
}

/** Undefined when nothing is predicted for any endpoint. */
function predictionOf(specs: readonly z.output<typeof endpointSchema>[]): LatencyPrediction | undefined {
  if (specs.every((one) => one.headroom === undefined && one.ttft === undefined)) return undefined;
  const prediction = noPredictions(specs.length);
  specs.forEach(({ headroom, ttft, dispatched = 0 }, slot) => {
    if (headroom === undefined && ttft === undefined) return;
    const [ttftHeadroom, tpotHeadroom] = headroom ?? [0, 0];
    prediction.ttftMs[slot] = ttft ?? 1;
    prediction.tpotMs[slot] = 1;
    prediction.ttftHeadroomMs[slot] = ttftHeadroom;
    prediction.tpotHeadroomMs[slot] = tpotHeadroom;
    prediction.dispatchedRequests[slot] = dispatched;
  });
  return prediction;
}
