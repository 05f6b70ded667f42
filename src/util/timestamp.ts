/** How much of the second a timestamp shows: none, always three digits, or digits without trailing zeros. */
export type TimestampFraction = 'none' | 'millis' | 'trimmed';

/** RFC 3339 text in UTC, such as `2026-08-01T12:00:00.25Z`. `wallMs`: milliseconds since the Unix epoch. */
export function rfc3339(wallMs: number, fraction: TimestampFraction): string {
  const text = new Date(wallMs).toISOString();
  if (fraction === 'millis') return text;
  const end = text.indexOf('.');
  const digits = fraction === 'none' ? '' : text.slice(end, -1).replace(/\.?0+$/, '');
  return `${text.slice(0, end)}${digits}Z`;
}
