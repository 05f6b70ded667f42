import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { Scorer } from '../../framework/scorer.ts';

/**
 * Prefers endpoints that carry the value of a request header in a label.
 *
 * score = 1 when the header is not empty and equals the label, case included; else 0.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/scorer/headerlabelaffinity
 */
class HeaderLabelAffinityScorer implements Scorer {
  readonly category = 'affinity';
  readonly #header: string;
  readonly #label: string;

  /** `header`: lower case. */
  constructor(header: string, label: string) {
    this.#header = header;
    this.#label = label;
  }

  score(request: InferenceRequest, candidates: readonly Endpoint[], out: Float64Array): void {
    const wanted = request.headers.get(this.#header);
    if (wanted === undefined || wanted === '') return;
    let i = 0;
    for (const candidate of candidates) {
      out[i] = candidate.labels.get(this.#label) === wanted ? 1 : 0;
      i += 1;
    }
  }
}

/** `header-label-affinity-scorer`. */
export const headerLabelAffinityScorer = definePlugin({
  type: 'header-label-affinity-scorer',
  kinds: ['scorer'],
  stability: 'alpha',
  summary: 'Prefers endpoints of which a label equals a request header.',
  params: z.strictObject({
    headerName: z.string().min(1).describe('Request header that says what is wanted, in any case.'),
    labelKey: z.string().min(1).describe('Label that is compared with it.'),
  }),
  create: (params) => new HeaderLabelAffinityScorer(params.headerName.toLowerCase(), params.labelKey),
});
