/** One label that a series must carry with exactly this value. */
export interface LabelMatcher {
  readonly name: string;
  readonly value: string;
}

/** Which series of a metrics page is meant: the sample name, and labels it must have among others. */
export interface MetricSpec {
  readonly name: string;
  readonly labels: readonly LabelMatcher[];
}

/** A metric specification string that cannot be read. */
export class MetricSpecError extends Error {
  override readonly name = 'MetricSpecError';
}

const SPEC = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{([^{}]*)\})?$/;
const PAIR = /^([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*(?:"([^"]*)"|([^",}\s]+))$/;

/**
 * Reads `name` or `name{label=value,…}`; values may be quoted, and equality is the only test. A quoted value holds
 * no comma, quote or brace. Undefined for an empty string, which switches the metric off. Throws `MetricSpecError`.
 * (llm-d-router: pkg/epp/framework/plugins/datalayer/extractor/metrics)
 */
export function parseMetricSpec(text: string): MetricSpec | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  const match = SPEC.exec(trimmed);
  if (match === null) throw new MetricSpecError(`not a valid metric specification: "${text}"`);
  const labels: LabelMatcher[] = [];
  const body = match[2]?.trim() ?? '';
  if (body !== '') {
    for (const pair of body.split(',')) {
      const parts = PAIR.exec(pair.trim());
      if (parts === null) throw new MetricSpecError(`invalid label pair "${pair.trim()}" in "${text}"`);
      labels.push({ name: parts[1] ?? '', value: parts[2] ?? parts[3] ?? '' });
    }
  }
  return { name: match[1] ?? '', labels };
}
