import type { Instruments } from '../framework/instruments.ts';
import { ModelRewrites, type RewriteRule, type RewriteSink } from '../framework/model-rewrites.ts';
import type { Rng } from '../util/rng.ts';

/** What rewriting needs around it. */
export interface RewriterServices {
  readonly rng: Rng;
  readonly instruments: Instruments;
  /** Metrics show this model by its name from now on. */
  pinModel(model: string): void;
}

/** Applies the pool's InferenceModelRewrite rules to requests, and counts what they decide. */
export class ModelRewriter implements RewriteSink {
  readonly #services: RewriterServices;
  readonly #rewrites = new ModelRewrites();
  #hasRules = false;

  constructor(services: RewriterServices) {
    this.#services = services;
  }

  replaceRules(rules: readonly RewriteRule[]): void {
    this.#rewrites.replaceRules(rules);
    this.#hasRules = rules.length > 0;
    for (const model of this.#rewrites.models) this.#services.pinModel(model);
  }

  /**
   * The model that a request for `model` is sent to, maybe the same; '' by a rule without targets, undefined when no
   * rule is for it. Drawn anew for each request.
   */
  rewriteOf(model: string): string | undefined {
    if (!this.#hasRules) return undefined;
    const { rng, instruments } = this.#services;
    const decision = this.#rewrites.decide(model, rng);
    if (decision === undefined) return undefined;
    const labels = { model_rewrite_name: decision.name, model_name: model, target_model: decision.model };
    instruments.counter('model_rewrite_decisions_total', labels).value += 1;
    return decision.model;
  }
}
