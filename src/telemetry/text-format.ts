/**
 * Pieces of the Prometheus text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
 */

/** Content type of a page of this format. */
export const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8';

/** `name="value",…` without braces; '' for no labels. */
export function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, i) => `${name}="${escapeLabelValue(values[i] ?? '')}"`).join(',');
}

function escapeLabelValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** Help text with `\` and line feed escaped. */
export function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

/** A sample value: integers without exponent; `NaN`, `+Inf`, `-Inf` as the format spells them. */
export function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  if (Number.isInteger(value) && Math.abs(value) >= 1e21) return BigInt(value).toString();
  return String(value);
}

/**
 * A bucket bound as the label `le` spells it. Like the Go client, with an exponent from 1e6 on (`1.048576e+06`):
 * `le` is compared as text by queries and by servers that do not normalise it.
 */
export function formatBound(bound: number): string {
  if (bound < 1e6 || !Number.isFinite(bound)) return formatValue(bound);
  const [mantissa, exponent = ''] = bound.toExponential().split('e+');
  return `${mantissa}e+${exponent.padStart(2, '0')}`;
}
