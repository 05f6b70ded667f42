import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { Clock } from '../../util/clock.ts';
import type { SeededRng } from '../../util/rng.ts';
import { ApiError } from '../api-error.ts';
import { type Api, parseBody } from '../api-request.ts';
import { send } from '../http-io.ts';
import { newUuid } from '../ids.ts';
import type { Prefill } from '../inference.ts';
import type { JsonObject } from '../media.ts';
import type { SimOptions } from '../options.ts';
import { type EncodeStage, runEncodeStage } from './encode-stage.ts';
import { Peers } from './peers.ts';
import {
  type AfterPrefill,
  type PrefillStage,
  prefillByNixl,
  prefillBySglang,
  prefillToStore,
} from './prefill-stage.ts';
import { readRoute } from './routing-headers.ts';

/** A request for an engine of the own pod. */
export interface EngineRequest {
  readonly api: Api;
  readonly body: JsonObject;
  readonly response: ServerResponse;
  /** Undefined: the engine makes one up. */
  readonly id: string | undefined;
  readonly dieAfterTokens: number;
  readonly prefill: Prefill | undefined;
}

/** The own pod, as its sidecar sees it. */
export interface Pod {
  /**
   * The engine that answers at `address`, as `host:port`, on a machine that a client knows as `localHost`; undefined:
   * none of this pod does.
   */
  rank(address: string, localHost: string): RankEngine | undefined;
  /** The engine without a rank. */
  readonly engine: RankEngine;
}

/** An engine of the own pod. */
export interface RankEngine {
  /** Throws `ApiError` for what the engine refuses. */
  decode(request: EngineRequest): void;
  /** Whether the prompt's share is cached that the body's `cache_hit_threshold` wants. */
  hasCached(api: Api, body: JsonObject): boolean;
}

/** A request as it comes in. */
export interface SidecarRequest {
  readonly api: Api;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly response: ServerResponse;
  /** The address that the client connected to, without a port. */
  readonly localHost: string;
  readonly dieAfterTokens: number;
}

/** What a sidecar needs besides its settings. */
export interface SidecarContext {
  readonly clock: Clock;
  readonly rng: SeededRng;
  readonly pod: Pod;
}

/**
 * The sidecar of a decode server: it has images and sounds encoded and the prompt prefilled where the routing headers
 * say so, and then lets an engine of its own pod decode.
 */
export class Sidecar implements Disposable {
  readonly #options: SimOptions;
  readonly #context: SidecarContext;
  readonly #peers = new Peers();

  constructor(options: SimOptions, context: SidecarContext) {
    this.#options = options;
    this.#context = context;
  }

  /** Rejects with `ApiError` for what is refused or fails. */
  async serve(request: SidecarRequest): Promise<void> {
    const { pod, rng } = this.#context;
    const { api, response, dieAfterTokens } = request;
    const route = readRoute(request.headers, this.#options.allowedHosts);
    const engine = route.rank === undefined ? pod.engine : pod.rank(route.rank, request.localHost);
    if (engine === undefined) throw unknownRank(route.rank ?? '');
    const body = parseBody(request.body);
    const given = request.headers['x-request-id'];
    const own = typeof given === 'string' ? given : undefined;
    const encoders = this.#options.ecConnector === '' ? [] : route.encoders;
    if (route.prefill === undefined && encoders.length === 0) {
      engine.decode({ api, body, response, id: own, dieAfterTokens, prefill: undefined });
      return;
    }
    const abort = new AbortController();
    response.on('close', () => abort.abort());
    const id = newUuid(rng);
    const { signal } = abort;
    const encoded = encoders.length === 0 ? body : await this.#encode({ body, encoders, id, signal });
    const after =
      route.prefill === undefined
        ? ({ kind: 'decode', body: encoded, prefill: undefined } as const)
        : await this.#prefill({ ...request, body: encoded, address: route.prefill, id, signal }, engine);
    if (response.destroyed) return;
    if (after.kind === 'refused') {
      const { status, contentType, body: text } = after.answer;
      send(response, status, contentType, text);
    } else engine.decode({ api, body: after.body, response, id, dieAfterTokens, prefill: after.prefill });
  }

  /** The body with what the encoders made of its images and sounds; a cache hit must not skip the stages that follow. */
  async #encode(stage: Omit<EncodeStage, 'peers'>): Promise<JsonObject> {
    const params = await runEncodeStage({ ...stage, peers: this.#peers });
    const body = { ...stage.body, cache_hit_threshold: 0 };
    const isHandedOver = this.#options.ecConnector === 'ec-nixl' && Object.keys(params).length > 0;
    return isHandedOver ? { ...body, ec_transfer_params: params } : body;
  }

  async #prefill(
    target: Pick<PrefillStage, 'api' | 'path' | 'body' | 'address' | 'id' | 'signal'>,
    engine: RankEngine,
  ): Promise<AfterPrefill> {
    const { clock, rng } = this.#context;
    const { kvConnector, prefillMaxRetries: maxRetries } = this.#options;
    const stage = { ...target, peers: this.#peers, clock, rng, maxRetries };
    switch (kvConnector) {
      case 'sglang':
        return prefillBySglang(stage);
      case 'shared-storage':
        return await prefillToStore(stage, engine.hasCached(stage.api, stage.body));
      default:
        return await prefillByNixl(stage);
    }
  }

  [Symbol.dispose](): void {
    this.#peers[Symbol.dispose]();
  }
}

function unknownRank(address: string): ApiError {
  return new ApiError(400, { error: { message: `no rank of this server at ${address}`, code: 400 } });
}
