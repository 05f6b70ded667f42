import type { Decider, PreRequestHook } from '../../framework/hooks.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import type { ProfileHandler, ProfileResults, SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { PEER_ENDPOINT } from '../attributes/topology.ts';
import { DecisionCounts, decisionOf } from './disagg/decisions.ts';
import { type DisaggSettings, disaggParams, disaggProfiles, disaggReferences } from './disagg/params.ts';
import { NONE, settled, targetOf } from './disagg/results.ts';
import { writeStageHeaders } from './disagg/stage-headers.ts';

/**
 * Chooses an endpoint for each stage of a request: decode always, prefill and encode as deciders say.
 *
 * decode-first:  decode → encode if its decider says yes → prefill if its decider says yes, of the decode target
 * prefill-first: prefill → encode if its decider says yes → decode
 *
 * The decode target is the destination in both orders; its side car learns of the others from headers. A stage that
 * finds nobody is left out, unless `onPrefillFailure` is `fail`.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/profilehandler/disagg/disagg_profile_handler.go
 */
class DisaggProfileHandler implements ProfileHandler, PreRequestHook {
  readonly #isPrefillFirst: boolean;
  readonly #isPrefillRequired: boolean;
  readonly #decode: readonly [string];
  readonly #prefill: readonly [string];
  readonly #encode: readonly [string];
  readonly #prefillDecider: Decider | undefined;
  readonly #encodeDecider: Decider | undefined;
  readonly #decisions: DecisionCounts;

  constructor(settings: DisaggSettings, context: PluginContext) {
    const { profiles, prefillDecider, encodeDecider } = settings;
    this.#isPrefillFirst = settings.stageOrder === 'prefill-first';
    this.#isPrefillRequired = settings.onPrefillFailure === 'fail';
    this.#decode = [profiles.decode.name];
    this.#prefill = [profiles.prefill.name];
    this.#encode = [profiles.encode.name];
    // `references` says that both are deciders.
    this.#prefillDecider = prefillDecider && (context.plugin(prefillDecider.name) as Decider);
    this.#encodeDecider = encodeDecider && (context.plugin(encodeDecider.name) as Decider);
    this.#decisions = new DecisionCounts('disagg_decision_total', context);
  }

  pick(request: InferenceRequest, names: readonly string[], results: ProfileResults): readonly string[] {
    if (this.#isPrefillFirst) return this.#pickPrefillFirst(request, names, results);
    return this.#pickDecodeFirst(request, names, results);
  }

  #pickDecodeFirst(
    request: InferenceRequest,
    names: readonly string[],
    results: ProfileResults,
  ): readonly string[] {
    const [decode] = this.#decode;
    const [prefill] = this.#prefill;
    const [encode] = this.#encode;
    if (!results.has(decode)) return names.includes(decode) ? this.#decode : NONE;
    const target = targetOf(results, decode);
    if (target === undefined) return NONE;
    if (names.includes(encode) && !results.has(encode)) {
      if (this.#encodeDecider?.decide(request, target) === true) return this.#encode;
      results.set(encode, undefined);
    }
    if (names.includes(prefill) && !results.has(prefill)) {
      if (this.#prefillDecider?.decide(request, target) === true) {
        request.attributes.set(PEER_ENDPOINT, target);
        return this.#prefill;
      }
      results.set(prefill, undefined);
    }
    return NONE;
  }

  #pickPrefillFirst(
    request: InferenceRequest,
    names: readonly string[],
    results: ProfileResults,
  ): readonly string[] {
    const [decode] = this.#decode;
    const [prefill] = this.#prefill;
    const [encode] = this.#encode;
    if (results.has(decode)) return NONE;
    if (names.includes(prefill) && !results.has(prefill)) return this.#prefill;
    if (this.#lacksPrefill(request, results)) return NONE;
    if (names.includes(encode) && !results.has(encode)) {
      if (this.#encodeDecider?.decide(request, undefined) === true) return this.#encode;
      results.set(encode, undefined);
    }
    if (!names.includes(decode)) return NONE;
    const peer = targetOf(results, prefill);
    if (peer !== undefined) request.attributes.set(PEER_ENDPOINT, peer);
    return this.#decode;
  }

  process(request: InferenceRequest, results: ProfileResults): SchedulingResult {
    if (this.#lacksPrefill(request, results)) throw new Error('failed to find available prefill workers');
    const [decode] = this.#decode;
    const [prefill] = this.#prefill;
    const [encode] = this.#encode;
    const profiles = settled(results, decode);
    const isPrefilled = profiles.has(prefill);
    const isEncoded = profiles.has(encode);
    this.#decisions.count(request.targetModel, decisionOf(isEncoded, isPrefilled));
    return {
      profiles,
      primary: decode,
      prefill: isPrefilled ? prefill : undefined,
      encode: isEncoded ? encode : undefined,
    };
  }

  preRequest(request: InferenceRequest, { profiles, prefill, encode }: SchedulingResult): void {
    writeStageHeaders(request.headers, {
      prefill: prefill === undefined ? undefined : profiles.get(prefill),
      encode: encode === undefined ? undefined : profiles.get(encode),
    });
  }

  /** The prefill stage was asked for, found nobody, and must not be left out. */
  #lacksPrefill(request: InferenceRequest, results: ProfileResults): boolean {
    const [prefill] = this.#prefill;
    if (!this.#isPrefillRequired || !results.has(prefill) || targetOf(results, prefill) !== undefined)
      return false;
    // decode-first notes a stage that nobody asked for as one without result; the peer is set when it is asked for
    return this.#isPrefillFirst || request.attributes.get(PEER_ENDPOINT) !== undefined;
  }
}

/** `disagg-profile-handler`. */
export const disaggProfileHandler = definePlugin({
  type: 'disagg-profile-handler',
  kinds: ['profile-handler', 'pre-request'],
  stability: 'beta',
  summary:
    'Chooses separate endpoints for encode, prefill and decode, and tells the decode endpoint of the others.',
  params: disaggParams,
  references: disaggReferences,
  profiles: disaggProfiles,
  dependencies: (settings) => ({
    requires: [TOKENIZED_PROMPT, prefixMatchKey(settings.prefixMatchInfoProducerName)],
  }),
  create: (settings, context) => new DisaggProfileHandler(settings, context),
});
