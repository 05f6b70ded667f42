import type { JsonObject } from '../../../framework/body.ts';

/** A string member; '' when it is absent or something else. */
export function textHint(json: JsonObject, name: string): string {
  const value = json[name];
  return typeof value === 'string' ? value : '';
}

/**
 * The first of `names` that holds a non-negative whole number; NaN when none does. Strings, negative numbers and
 * fractions are passed over (llm-d-router: pkg/epp/framework/plugins/requesthandling/parsers).
 */
export function limitHint(json: JsonObject, names: readonly string[]): number {
  for (const name of names) {
    const value = json[name];
    if (typeof value === 'number' && value >= 0 && Number.isInteger(value)) return value;
  }
  return Number.NaN;
}

/** Token ids of one prompt; undefined unless every element is an integer in 0..2^32-1. */
export function tokenIds(values: readonly unknown[]): Uint32Array | undefined {
  const ids = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i];
    if (typeof value !== 'number' || value >>> 0 !== value) return undefined;
    ids[i] = value;
  }
  return ids;
}

/** What `prompt` or `input` holds; `isValid` false for what no server takes. */
export interface PromptInput {
  readonly isValid: boolean;
  /** One array per prompt sent as token ids; empty when text was sent. */
  readonly tokenIds: readonly Uint32Array[];
}

const INVALID: PromptInput = { isValid: false, tokenIds: [] };
const TEXT: PromptInput = { isValid: true, tokenIds: [] };

/** Reads a string, an array of strings, one array of token ids, or an array of such arrays; none may be empty. */
export function promptInput(value: unknown): PromptInput {
  if (typeof value === 'string') return value === '' ? INVALID : TEXT;
  if (!Array.isArray(value) || value.length === 0) return INVALID;
  const values: readonly unknown[] = value;
  const first = values[0];
  if (typeof first === 'string') {
    return values.every((element) => typeof element === 'string') ? TEXT : INVALID;
  }
  if (typeof first === 'number') {
    const ids = tokenIds(values);
    return ids === undefined ? INVALID : { isValid: true, tokenIds: [ids] };
  }
  const prompts: Uint32Array[] = [];
  for (const element of values) {
    const ids = Array.isArray(element) && element.length > 0 ? tokenIds(element) : undefined;
    if (ids === undefined) return INVALID;
    prompts.push(ids);
  }
  return { isValid: true, tokenIds: prompts };
}
