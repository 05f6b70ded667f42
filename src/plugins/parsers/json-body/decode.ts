import type { JsonObject } from '../../../framework/body.ts';
import { RejectionError } from '../../../framework/errors.ts';
import { type LongTexts, outlineJson } from '../../../util/json-outline.ts';

const BYTE_ORDER_MARK = 0xfeff;

/** Whether a decoded value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A decoded JSON object. */
export interface DecodedObject {
  readonly json: JsonObject;
  /** Prompt texts that `json` only stands for; undefined when it holds all. */
  readonly longTexts: LongTexts | undefined;
}

/**
 * The JSON object that `bytes` holds, without its long prompt texts: making strings of them would cost more than all
 * else that is done with a request. A byte order mark is skipped, as Python's servers do. Throws `bad-request` with
 * `prefix` before the reason; the reason names no content.
 */
export function decodeObject(bytes: Buffer, prefix: string): DecodedObject {
  const outlined = decodeOutline(bytes);
  if (outlined !== undefined) return outlined;
  const value = decode(bytes, prefix);
  if (isObject(value)) return { json: value, longTexts: undefined };
  throw new RejectionError('bad-request', `${prefix}must be a JSON object, got ${kindOf(value)}`);
}

/** Undefined for texts without long prompts, and for those that are no JSON object: the whole text tells why. */
function decodeOutline(bytes: Buffer): DecodedObject | undefined {
  const outline = outlineJson(bytes);
  if (outline === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(outline.text);
    return isObject(value) ? { json: value, longTexts: outline.longTexts } : undefined;
  } catch {
    return undefined;
  }
}

function decode(bytes: Buffer, prefix: string): unknown {
  let text = bytes.toString('utf8');
  if (text.charCodeAt(0) === BYTE_ORDER_MARK) text = text.slice(1);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RejectionError('bad-request', `${prefix}${reason(error)}`);
  }
}

/** V8's messages quote the text around the fault; only the position is passed on. */
function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : '';
  if (message.startsWith('Unexpected end')) return 'unexpected end of JSON input';
  const position = /at position (\d+)/.exec(message)?.[1];
  return position === undefined ? 'invalid JSON' : `invalid JSON at position ${position}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
