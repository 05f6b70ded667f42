/** Longest number that is read; the longest exact decimal that anybody prints is far shorter. */
const MAX_BYTES = 400;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;
const NOT_A_NUMBER = /^[+-]?nan$/i;
const POWERS_OF_TEN = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/**
 * The number that the bytes from `from` to `to` spell, as a Prometheus page does: decimal with or without
 * exponent, `NaN`, `+Inf`, `-Inf`. Undefined when they spell none. A plain decimal of up to 15 digits costs no
 * string.
 */
export function parseNumber(page: Buffer, from: number, to: number): number | undefined {
  const isNegative = page[from] === 45;
  let mantissa = 0;
  let digits = 0;
  let dot = -1;
  let at = isNegative ? from + 1 : from;
  for (; at < to; at += 1) {
    const byte = page[at] ?? 0;
    if (byte >= 48 && byte <= 57) {
      mantissa = mantissa * 10 + byte - 48;
      digits += 1;
    } else if (byte === 46 && dot < 0) {
      dot = at;
    } else {
      break;
    }
  }
  // up to 15 digits both parts of the quotient are exact, so that the quotient is the nearest double
  if (at === to && digits > 0 && digits <= 15) {
    const scale = dot < 0 ? 1 : (POWERS_OF_TEN[to - dot - 1] ?? 1);
    return (isNegative ? -mantissa : mantissa) / scale;
  }
  if (to === from || to - from > MAX_BYTES) return undefined;
  const text = page.toString('latin1', from, to);
  if (DECIMAL.test(text)) return Number(text);
  const infinite = INFINITE.exec(text);
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return NOT_A_NUMBER.test(text) ? Number.NaN : undefined;
}
