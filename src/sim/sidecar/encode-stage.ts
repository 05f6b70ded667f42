import { ApiError } from '../api-error.ts';
import { distinctMedia, isObject, type JsonObject } from '../media.ts';
import type { Peers } from './peers.ts';
import { encodeBody } from './stage-bodies.ts';

/** What the encode stage needs. */
export interface EncodeStage {
  readonly peers: Peers;
  readonly body: JsonObject;
  /** `host:port`, at least one. */
  readonly encoders: readonly string[];
  /** The request's id; each item's is `<id>-enc-<i>`. */
  readonly id: string;
  readonly signal: AbortSignal;
}

/**
 * Has each distinct image and sound of a chat encoded, item i by encoder i modulo their number, all at once. Returns the
 * merged `ec_transfer_params` of the answers, empty when there are none. Any failure rejects with `ApiError` 502, and
 * the other requests are given up. Source: `llm-d-router: pkg/sidecar/proxy/connector_ec_common.go`.
 */
export async function runEncodeStage(stage: EncodeStage): Promise<JsonObject> {
  const { body, encoders } = stage;
  const abandon = new AbortController();
  const signal = AbortSignal.any([stage.signal, abandon.signal]);
  const encode = async (item: JsonObject, i: number): Promise<JsonObject> => {
    const address = encoders[i % encoders.length] ?? '';
    const answer = await stage.peers.post({
      address,
      path: '/v1/chat/completions',
      body: encodeBody(body, item),
      id: `${stage.id}-enc-${i}`,
      signal,
    });
    if (answer.status >= 300) throw failed(`${address} answered ${answer.status}`);
    return paramsOf(answer.body, address);
  };
  try {
    const params = await Promise.all(distinctMedia(body).map(encode));
    return Object.assign({}, ...params) as JsonObject; // each part is a JSON object
  } finally {
    abandon.abort();
  }
}

function paramsOf(body: Buffer, address: string): JsonObject {
  let answer: unknown;
  try {
    answer = JSON.parse(body.toString());
  } catch {
    throw failed(`${address} answered no JSON`);
  }
  const params = isObject(answer) ? answer['ec_transfer_params'] : undefined;
  return isObject(params) ? params : {};
}

function failed(reason: string): ApiError {
  const message = `encode stage failed: ${reason}`;
  return new ApiError(502, { error: { message, type: 'BadGateway', param: null, code: 502 } });
}
