import type { JsonObject } from '../../../framework/body.ts';
import { RejectionError } from '../../../framework/errors.ts';

const BYTE_ORDER_MARK = 0xfeff;

/** Whether a decoded value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The JSON object that `bytes` holds. A byte order mark is skipped, as Python's servers do. Throws `bad-request`
 * with `prefix` before the reason; the reason names no content.
 */
export function decodeObject(bytes: Buffer, prefix: string): JsonObject {
  const value = decode(bytes, prefix);
  if (isObject(value)) return value;
  throw new RejectionError('bad-request', `${prefix}must be a JSON object, got ${kindOf(value)}`);
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
