import { z } from 'zod';

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1e3],
  ['m', 6e4],
  ['h', 3.6e6],
]);

/** Milliseconds of a Go duration (`300ms`, `1m30s`, `-1.5h`, `0`); undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  const rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy;
  let total = 0;
  let end = 0;
  for (let match = part.exec(rest); match !== null; match = part.exec(rest)) {
    total += Number(match[1]) * (DURATION_UNITS.get(match[2] ?? '') ?? Number.NaN);
    end = part.lastIndex;
  }
  return end > 0 && end === rest.length ? sign * total : undefined;
}

/** What is said of text that is no duration. */
export const WANT_DURATION = 'want a duration such as "300ms" or "1m30s"';

/** A Go duration string; the value arrives in milliseconds. */
export function duration() {
  return z
    .string()
    .transform((text, context) => {
      const ms = parseDuration(text);
      if (ms !== undefined) return ms;
      context.issues.push({ code: 'custom', message: WANT_DURATION, input: text });
      return z.NEVER;
    })
    .meta({ type: 'string', description: 'Go duration, such as "300ms" or "1m30s"' });
}

/** A share, 0..1. */
export function fraction() {
  return z.number().min(0).max(1);
}

const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+))(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?$/;
const QUANTITY_FACTORS: ReadonlyMap<string, number> = new Map([
  ['m', 1e-3],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
  ['P', 1e15],
  ['E', 1e18],
  ['Ki', 2 ** 10],
  ['Mi', 2 ** 20],
  ['Gi', 2 ** 30],
  ['Ti', 2 ** 40],
  ['Pi', 2 ** 50],
  ['Ei', 2 ** 60],
]);

/** Value of a Kubernetes quantity (`1k`, `500M`, `1Gi`, `1e3`), rounded up to an integer; undefined when it is none. */
export function parseQuantity(text: string): number | undefined {
  const match = QUANTITY.exec(text);
  if (match === null) return undefined;
  const suffix = match[2] ?? '';
  const factor =
    /^[eE]/.test(suffix) && suffix !== 'E' && suffix !== 'Ei'
      ? Number(`1${suffix}`)
      : QUANTITY_FACTORS.get(suffix);
  return Math.ceil(Number(match[1]) * (factor ?? 1));
}

const WANT_QUANTITY = 'want a quantity such as "500M" or "1Gi"';

/** A Kubernetes quantity, string or number; the value arrives as an integer. */
export function quantity() {
  return z.union([z.number(), z.string()], WANT_QUANTITY).transform((value, context) => {
    const parsed = parseQuantity(String(value));
    if (parsed !== undefined) return parsed;
    context.issues.push({ code: 'custom', message: WANT_QUANTITY, input: value });
    return z.NEVER;
  });
}
