import { nextInt, type Rng } from '../util/rng.ts';

/** A model that requests may be sent to in place of the one they name. */
export interface RewriteTarget {
  readonly model: string;
  /** Share among the targets that have one; undefined when none is given. */
  readonly weight: number | undefined;
}

/** One rule of an InferenceModelRewrite: which models become which. */
export interface RewriteRule {
  /** Name of the object that has the rule. */
  readonly name: string;
  readonly namespace: string;
  /** When the object was created, milliseconds since the Unix epoch; Infinity when unknown. */
  readonly createdAtMs: number;
  /** Position of the rule in its object. */
  readonly index: number;
  /** Models it is for; empty for every model. */
  readonly models: readonly string[];
  /** Where requests go; none makes the model name empty. */
  readonly targets: readonly RewriteTarget[];
}

/** What became of a model name. */
export interface RewriteDecision {
  /** Name of the InferenceModelRewrite that decided. */
  readonly name: string;
  readonly model: string;
}

/** Takes the rules as discovery finds them. */
export interface RewriteSink {
  /** All rules as of now, in any order. */
  replaceRules(rules: readonly RewriteRule[]): void;
}

/** The targets of a winning rule, ready for a draw. */
class Draw {
  readonly #name: string;
  readonly #decisions: readonly RewriteDecision[];
  /** Running sums of the weights, one per decision. */
  readonly #bounds: readonly number[];
  readonly #total: number;

  constructor({ name, targets }: RewriteRule) {
    this.#name = name;
    const sum = targets.reduce((total, target) => total + (target.weight ?? 0), 0);
    const bounds: number[] = [];
    let total = 0;
    for (const target of targets) {
      total += sum === 0 ? 1 : (target.weight ?? 0);
      bounds.push(total);
    }
    this.#decisions = targets.map((target) => ({ name, model: target.model }));
    this.#bounds = bounds;
    this.#total = total;
  }

  draw(rng: Rng): RewriteDecision {
    const at = this.#total > 1 ? nextInt(rng, this.#total) : 0;
    const index = this.#bounds.findIndex((bound) => at < bound);
    return this.#decisions[index] ?? { name: this.#name, model: '' };
  }
}

/**
 * Which model a request is sent to by the rules of the pool. A rule that names the model goes before one for every
 * model; among equals the oldest object decides, then the lesser namespace and name, then the first rule of it.
 *
 * P(target) = weight / sum of the weights of the rule's targets, where a missing weight counts as 0; all targets are
 * equally likely when none has a weight.
 */
export class ModelRewrites implements RewriteSink {
  #exact: ReadonlyMap<string, Draw> = new Map();
  #generic: Draw | undefined = undefined;
  #models: ReadonlySet<string> = new Set();

  /** Every model that a rule names, to match or to send to. */
  get models(): ReadonlySet<string> {
    return this.#models;
  }

  replaceRules(rules: readonly RewriteRule[]): void {
    const exact = new Map<string, Draw>();
    const models = new Set<string>();
    let generic: Draw | undefined;
    for (const rule of rules.toSorted(byPrecedence)) {
      const draw = new Draw(rule);
      for (const model of rule.models) {
        models.add(model);
        if (!exact.has(model)) exact.set(model, draw);
      }
      if (rule.models.length === 0) generic ??= draw;
      for (const target of rule.targets) models.add(target.model);
    }
    this.#exact = exact;
    this.#generic = generic;
    this.#models = models;
  }

  /** What `model` becomes, maybe itself; undefined when no rule is for it. */
  decide(model: string, rng: Rng): RewriteDecision | undefined {
    return (this.#exact.get(model) ?? this.#generic)?.draw(rng);
  }
}

function byPrecedence(a: RewriteRule, b: RewriteRule): number {
  if (a.createdAtMs !== b.createdAtMs) return a.createdAtMs < b.createdAtMs ? -1 : 1;
  return compare(a.namespace, b.namespace) || compare(a.name, b.name) || a.index - b.index;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
