import { z } from 'zod';
import type { Decider, PreRequestHook } from '../../framework/hooks.ts';
import { definePlugin, type PluginContext, type PluginReference } from '../../framework/plugin.ts';
import type { ProfileHandler, ProfileResults, SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { DEFAULT_PREFIX_PRODUCER, prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { destinationAt, writeRankHeader } from './data-parallel/primary-port.ts';
import { DecisionCounts } from './disagg/decisions.ts';
import { NONE, settled, targetOf } from './disagg/results.ts';

const params = z.strictObject({
  decodeProfile: z.string().default('decode').describe('Profile that chooses the destination.'),
  prefillProfile: z
    .string()
    .default('prefill')
    .describe('Profile that chooses where the prompt is computed.'),
  deciderPluginName: z
    .string()
    .min(1)
    .default('prefix-based-pd-decider')
    .describe('Name of the decider that asks for the prefill stage.'),
  primaryPort: z
    .int()
    .min(0)
    .max(65_535)
    .default(0)
    .describe(
      'Port to which every request of a pod goes, the chosen rank being named in a header; 0: the port of the chosen rank, and no header.',
    ),
  prefixMatchInfoProducerName: z
    .string()
    .default(DEFAULT_PREFIX_PRODUCER)
    .describe('Name of the producer of prefix matches that is added when there is none of that name.'),
  prefixPluginType: z.string().default('').describe('Deprecated and not used.'),
  prefixPluginName: z.string().default('').describe('Deprecated and not used; names a plugin that there is.'),
});

type Config = z.infer<typeof params>;

/**
 * decode, then prefill if the decider says yes of the decode target; decode is the destination. The prefill target is
 * told to the side car by `disagg-headers-handler`.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/profilehandler/disagg/pd_profile_handler.go
 */
class PdProfileHandler implements ProfileHandler, PreRequestHook {
  readonly #decode: readonly [string];
  readonly #prefill: readonly [string];
  readonly #primaryPort: number;
  readonly #decider: Decider;
  readonly #decisions: DecisionCounts;

  constructor(config: Config, context: PluginContext) {
    this.#decode = [config.decodeProfile];
    this.#prefill = [config.prefillProfile];
    this.#primaryPort = config.primaryPort;
    this.#decider = context.plugin(config.deciderPluginName) as Decider; // `references` says so
    this.#decisions = new DecisionCounts('pd_decision_total', context);
  }

  pick(request: InferenceRequest, names: readonly string[], results: ProfileResults): readonly string[] {
    const [decode] = this.#decode;
    const [prefill] = this.#prefill;
    if (!results.has(decode)) return names.includes(decode) ? this.#decode : NONE;
    const target = targetOf(results, decode);
    if (target === undefined || results.size === names.length || results.has(prefill)) return NONE;
    if (names.includes(prefill) && this.#decider.decide(request, target)) {
      this.#decisions.count(request.targetModel, 'prefill-decode');
      return this.#prefill;
    }
    this.#decisions.count(request.targetModel, 'decode-only');
    return NONE;
  }

  process(_request: InferenceRequest, results: ProfileResults): SchedulingResult {
    const [primary] = this.#decode;
    const [prefill] = this.#prefill;
    const profiles = settled(results, primary);
    const own = { profiles, primary, prefill: profiles.has(prefill) ? prefill : undefined };
    return { ...own, destination: destinationAt(this.#primaryPort, own) };
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    writeRankHeader(request.headers, result);
  }
}

function references(config: Config): readonly PluginReference[] {
  const found: PluginReference[] = [
    { path: ['deciderPluginName'], name: config.deciderPluginName, kind: 'decider' },
  ];
  if (config.prefixPluginName !== '')
    found.push({ path: ['prefixPluginName'], name: config.prefixPluginName, kind: undefined });
  return found;
}

/** `pd-profile-handler`. */
export const pdProfileHandler = definePlugin({
  type: 'pd-profile-handler',
  kinds: ['profile-handler', 'pre-request'],
  stability: 'beta',
  summary: 'Chooses separate endpoints for prefill and decode; disagg-headers-handler tells of them.',
  replacedBy: 'disagg-profile-handler',
  params,
  references,
  profiles: ({ decodeProfile, prefillProfile }) => [
    { path: ['decodeProfile'], name: decodeProfile, isRequired: true },
    { path: ['prefillProfile'], name: prefillProfile, isRequired: false },
  ],
  dependencies: (config) => ({
    requires: [TOKENIZED_PROMPT, prefixMatchKey(config.prefixMatchInfoProducerName)],
  }),
  create: (config, context) => new PdProfileHandler(config, context),
});
