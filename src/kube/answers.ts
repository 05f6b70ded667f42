import type { Dispatcher } from 'undici';
import { KubeError } from './api.ts';
import { type Fields, isRecord } from './objects.ts';

/** Longest Status text that is read of a refusal. */
const MAX_REFUSAL_BYTES = 64 * 2 ** 10;

/** Longest message of a refusal that is passed on. */
const MAX_MESSAGE_LENGTH = 500;

/** JSON object of a 2xx answer of at most `maxBytes`; anything else is a `KubeError` that begins with `call`. */
export async function readObject(
  call: string,
  response: Dispatcher.ResponseData,
  maxBytes: number,
): Promise<Fields> {
  await refuseFailure(call, response);
  const bytes = await readBytes(response, maxBytes);
  if (bytes === undefined) {
    throw invalid(call, `more than ${maxBytes} bytes`, `at most that many`);
  }
  const value = parseJson(bytes.toString('utf8'));
  if (isRecord(value)) return value;
  const type = String(response.headers['content-type'] ?? 'no type');
  throw invalid(call, `${bytes.length} bytes of ${type} that are no JSON object`, 'an object of the API');
}

/** Throws the `KubeError` of an answer that is not 2xx; its body is read then. */
export async function refuseFailure(call: string, response: Dispatcher.ResponseData): Promise<void> {
  const { statusCode, headers } = response;
  if (statusCode >= 200 && statusCode < 300) return;
  const bytes = await readBytes(response, MAX_REFUSAL_BYTES);
  const value = bytes === undefined ? undefined : parseJson(bytes.toString('utf8'));
  const seconds = Number(headers['retry-after']);
  const retryAfterMs = seconds > 0 ? seconds * 1000 : 0;
  throw failure(call, isRecord(value) ? value : {}, { status: statusCode, retryAfterMs });
}

/** The `KubeError` of a Status object; `status` counts where the object has no code. */
export function failure(
  call: string,
  object: Fields,
  { status, retryAfterMs = 0 }: { readonly status: number; readonly retryAfterMs?: number },
): KubeError {
  const code = status === 0 && typeof object['code'] === 'number' ? object['code'] : status;
  const reason = typeof object['reason'] === 'string' ? object['reason'] : '';
  const message = typeof object['message'] === 'string' ? object['message'] : 'no Status object';
  const text = `${call}: HTTP ${code}${reason === '' ? '' : ` ${reason}`}: ${message.slice(0, MAX_MESSAGE_LENGTH)}`;
  return new KubeError(code, reason, text, { retryAfterMs });
}

/** An answer that the API does not send. */
export function invalid(call: string, got: string, wanted: string): KubeError {
  return new KubeError(0, 'InvalidAnswer', `${call}: got ${got}, wanted ${wanted}`);
}

/** Undefined for text that is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Undefined when there are more than `maxBytes`. */
async function readBytes({ body }: Dispatcher.ResponseData, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) return undefined; // leaving the loop destroys the body
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
