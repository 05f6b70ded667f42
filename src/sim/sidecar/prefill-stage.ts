import { type Clock, sleep } from '../../util/clock.ts';
import type { Rng } from '../../util/rng.ts';
import type { Api } from '../api-request.ts';
import type { Prefill } from '../inference.ts';
import { isObject, type JsonObject } from '../media.ts';
import type { PeerAnswer, Peers } from './peers.ts';
import { hostOf } from './routing-headers.ts';
import { cachedTokensOf, nixlPrefillBody, oneToken } from './stage-bodies.ts';

/** SGLang's default for the port where prefill and decode servers meet. */
const BOOTSTRAP_PORT = 8998;
/** Wait before a further attempt at a prefill. */
const RETRY_AFTER_MS = 200;
const RETRIED = new Set([502, 503, 504]);

/** What the prefill stage needs. */
export interface PrefillStage {
  readonly peers: Peers;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly api: Api;
  readonly path: string;
  readonly body: JsonObject;
  /** `host:port` of the prefill server. */
  readonly address: string;
  /** Sent to the prefill server as `x-request-id`. */
  readonly id: string;
  readonly maxRetries: number;
  readonly signal: AbortSignal;
}

/** What follows the prefill stage: the request to the own engine, or the prefill server's refusal for the client. */
export type AfterPrefill =
  | { readonly kind: 'decode'; readonly body: JsonObject; readonly prefill: Prefill }
  | { readonly kind: 'refused'; readonly answer: PeerAnswer };

const PREFILLED: Prefill = { cachedTokens: undefined, arrival: undefined };

/** `nixlv2`: prefill first; its `kv_transfer_params` go into the decode request as they are. */
export async function prefillByNixl(stage: PrefillStage): Promise<AfterPrefill> {
  const answer = await post(stage, nixlPrefillBody(stage.api, stage.body));
  if (answer.status >= 300) return { kind: 'refused', answer };
  const fields = parse(answer.body);
  const params = fields['kv_transfer_params'];
  const body =
    params === undefined || params === null ? stage.body : { ...stage.body, kv_transfer_params: params };
  return { kind: 'decode', body, prefill: { cachedTokens: cachedTokensOf(fields), arrival: undefined } };
}

/** `sglang`: prefill and decode at once; they meet at the bootstrap room, and only the decode answer counts. */
export function prefillBySglang(stage: PrefillStage): AfterPrefill {
  const body = {
    ...stage.body,
    bootstrap_host: hostOf(stage.address),
    bootstrap_port: BOOTSTRAP_PORT,
    bootstrap_room: Math.floor(stage.rng.next() * Number.MAX_SAFE_INTEGER),
  };
  // A client that leaves does not end the prefill.
  const arrival = post({ ...stage, signal: new AbortController().signal }, body).then(({ status }) => {
    if (status >= 300) throw new Error(`KV transfer failed: ${stage.address} answered ${status}`);
  });
  // The engine may refuse the request before it waits for this.
  arrival.catch(() => undefined);
  return { kind: 'decode', body, prefill: { cachedTokens: undefined, arrival } };
}

/**
 * `shared-storage`: prefill first, then decode from the store. `hasCached`: whether the own engine has the share of the
 * prompt that the body's `cache_hit_threshold` wants; then there is no prefill.
 */
export async function prefillToStore(stage: PrefillStage, hasCached: boolean): Promise<AfterPrefill> {
  if (stage.body['cache_hit_threshold'] !== undefined && hasCached) {
    return { kind: 'decode', body: stage.body, prefill: PREFILLED };
  }
  const body = { ...stage.body, cache_hit_threshold: 0 };
  const answer = await post(stage, oneToken(stage.api, body));
  if (answer.status >= 300) return { kind: 'refused', answer };
  return { kind: 'decode', body, prefill: PREFILLED };
}

async function post(stage: PrefillStage, body: JsonObject): Promise<PeerAnswer> {
  const { peers, clock, address, path, id, signal, maxRetries } = stage;
  for (let attempt = 0; ; attempt += 1) {
    const answer = await peers.post({ address, path, body, id, signal });
    if (!RETRIED.has(answer.status) || attempt >= maxRetries) return answer;
    await sleep(clock, RETRY_AFTER_MS, signal);
  }
}

function parse(body: Buffer): JsonObject {
  try {
    const parsed: unknown = JSON.parse(body.toString());
    return isObject(parsed) ? parsed : {};
  } catch {
    return {};
  }
}
