import type { Endpoint } from '../../../framework/endpoint.ts';
import { type Filter, keepWhere } from '../../../framework/filter.ts';

/** Which values of one label let an endpoint through. */
export interface LabelRule {
  readonly label: string;
  readonly validValues: ReadonlySet<string>;
  /** Whether endpoints without the label stay. */
  readonly allowsNoLabel: boolean;
}

/**
 * Keeps endpoints whose `label` has a valid value. A missing label reads as '', so '' among the valid values admits
 * unlabelled endpoints too.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/filter/bylabel
 */
export class LabelFilter implements Filter {
  readonly #label: string;
  readonly #validValues: ReadonlySet<string>;
  readonly #keepsUnlabelled: boolean;

  constructor(rule: LabelRule) {
    this.#label = rule.label;
    this.#validValues = rule.validValues;
    this.#keepsUnlabelled = rule.allowsNoLabel || rule.validValues.has('');
  }

  filter(_request: unknown, candidates: readonly Endpoint[]): readonly Endpoint[] {
    return keepWhere(candidates, (candidate) => this.#admits(candidate.labels.get(this.#label)));
  }

  #admits(value: string | undefined): boolean {
    return value === undefined ? this.#keepsUnlabelled : this.#validValues.has(value);
  }
}

/** Label that says which stage of inference an endpoint serves. */
export const ROLE_LABEL = 'llm-d.ai/role';
