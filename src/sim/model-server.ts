import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SeededRng } from '../util/rng.ts';
import { ApiError, plainError } from './api-error.ts';
import { type Api, parseRequest, readRequest } from './api-request.ts';
import type { Engine } from './engine.ts';
import { type FaultSetting, NO_FAULT, parseFault } from './fault.ts';
import { readBody, send, sendError, sendJson } from './http-io.ts';
import { newId } from './ids.ts';
import { Inference, type InferenceContext } from './inference.ts';
import type { JsonObject } from './media.ts';
import type { SimOptions } from './options.ts';
import { type EngineRequest, Sidecar } from './sidecar/sidecar.ts';

const APIS = new Map<string, Api>([
  ['/v1/chat/completions', 'chat'],
  ['/v1/completions', 'completions'],
  ['/v1/messages', 'messages'],
  ['/v1/responses', 'responses'],
  ['/inference/v1/generate', 'generate'],
]);

const SWITCHES = new Set(['/sim/state', '/sim/reset', '/sim/fault']);
const OTHER_PATHS = new Set([
  '/metrics',
  '/version',
  '/v1/models',
  '/health',
  '/ping',
  '/reset_prefix_cache',
]);

/** One simulated vLLM, or one rank of it: an HTTP server and, when asked for, a sidecar in front of an engine. */
export class ModelServer implements AsyncDisposable {
  readonly #options: SimOptions;
  readonly #context: InferenceContext;
  readonly #server: Server;
  readonly #sidecar: Sidecar | undefined;
  readonly #startedMs: number;
  /** All ranks of the pod, this one included. */
  #ranks: readonly ModelServer[] = [this];
  #inference: Inference;
  #ids: SeededRng;
  #fault: FaultSetting = NO_FAULT;
  #address = '';
  #port = 0;

  /** The seed of `context` differs between the servers of one simulator, so that their ids and step times differ. */
  constructor(options: SimOptions, context: InferenceContext) {
    this.#options = options;
    this.#context = context;
    const { clock, seed } = context;
    this.#startedMs = clock.wallMs();
    this.#ids = new SeededRng(seed);
    this.#inference = new Inference(options, context);
    this.#server = createServer({ keepAliveTimeout: 75_000, requestTimeout: 0 }, (request, response) => {
      this.#handle(request, response).catch((error: unknown) => sendError(response, error));
    });
    const pod = {
      engine: this,
      rank: (address: string, localHost: string) =>
        this.#ranks.find((rank) => rank.address === address || `${localHost}:${rank.port}` === address),
    };
    this.#sidecar = options.sidecar
      ? new Sidecar(options, { clock, rng: new SeededRng(seed + 2), pod })
      : undefined;
  }

  /** `host:port`; '' until it listens. */
  get address(): string {
    return this.#address;
  }

  /** 0 until it listens. */
  get port(): number {
    return this.#port;
  }

  get engine(): Engine {
    return this.#inference.engine;
  }

  /** The ranks of the pod of which this is one; each forwards to the rank that the routing header names. */
  set ranks(ranks: readonly ModelServer[]) {
    this.#ranks = ranks;
  }

  /** Misbehaves from the next request on. */
  setFault(setting: Partial<FaultSetting> & Pick<FaultSetting, 'fault'>): void {
    this.#fault = { ...NO_FAULT, ...setting };
  }

  /** As after a restart: no requests, empty cache, counters at zero. Running answers are cut. */
  reset(): void {
    this.#inference.stop(true);
    this.#inference = new Inference(this.#options, this.#context);
    this.#ids = new SeededRng(this.#context.seed);
    this.#fault = NO_FAULT;
  }

  /** Rejects when the port is taken. */
  async listen(host: string, port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    const bound = this.#server.address() as AddressInfo; // an IP socket that listens
    this.#port = bound.port;
    this.#address =
      bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#inference.stop(false);
    this.#sidecar?.[Symbol.dispose]();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Lets the engine answer; throws `ApiError` for what it refuses. */
  decode({ api, body, response, id = newId(this.#ids), dieAfterTokens, prefill }: EngineRequest): void {
    this.#inference.generate(readRequest(api, body), { response, id, dieAfterTokens, prefill });
  }

  /** Whether the share of the prompt is cached that the body's `cache_hit_threshold` wants. */
  hasCached(api: Api, body: JsonObject): boolean {
    return this.#inference.hasCached(readRequest(api, body));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    response.setHeader('Server', 'uvicorn');
    if (path.startsWith('/sim/')) return await this.#administer(path, request, response);
    const api = APIS.get(path);
    const fault = this.#nextFault(api !== undefined);
    if (fault.mode === 'refuse') {
      request.socket.destroy();
      return;
    }
    if (fault.mode === 'hang') {
      request.resume();
      return;
    }
    if (fault.mode === 'status') {
      request.resume();
      throw new ApiError(fault.status, {
        error: { message: 'simulated fault', type: 'InternalServerError', code: fault.status },
      });
    }
    if (api === undefined) {
      this.#serveOther(path, request, response);
      return;
    }
    if (request.method !== 'POST') throw plainError(405, 'Method Not Allowed');
    const { headers } = request;
    const body = await readBody(request);
    const dieAfterTokens = fault.mode === 'die' ? fault.afterTokens : Infinity;
    if (this.#sidecar !== undefined) {
      const localHost = hostOf(request);
      await this.#sidecar.serve({ api, path, headers, body, response, localHost, dieAfterTokens });
      return;
    }
    const given = headers['x-request-id'];
    const id = typeof given === 'string' ? given : newId(this.#ids);
    this.#inference.generate(parseRequest(api, body), { response, id, dieAfterTokens, prefill: undefined });
  }

  #nextFault(isInference: boolean): FaultSetting['fault'] {
    const { fault, scope, count } = this.#fault;
    if (fault.mode === 'none' || count <= 0 || (scope === 'inference' && !isInference)) return NO_FAULT.fault;
    this.#fault = { fault, scope, count: count - 1 };
    return fault;
  }

  #serveOther(path: string, request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (path === '/reset_prefix_cache' ? request.method !== 'POST' : !isRead) {
      throw OTHER_PATHS.has(path) ? plainError(405, 'Method Not Allowed') : plainError(404, 'Not Found');
    }
    switch (path) {
      case '/metrics':
        send(response, 200, 'text/plain; version=1.0.0; charset=utf-8', this.#inference.renderMetrics());
        break;
      case '/version':
        sendJson(response, 200, { version: '0.32.0' });
        break;
      case '/v1/models':
        sendJson(response, 200, this.#models());
        break;
      case '/health':
      case '/ping':
        response.writeHead(200, { 'Content-Length': 0, Vary: 'Origin' }).end();
        break;
      case '/reset_prefix_cache':
        this.engine.pool.clear();
        response.writeHead(200, { 'Content-Length': 0, Vary: 'Origin' }).end();
        break;
      default:
        throw plainError(404, 'Not Found');
    }
  }

  /** What a simulator has and a model server has not: switches for tests. */
  async #administer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    if (!SWITCHES.has(path)) throw plainError(404, 'Not Found');
    if (path !== '/sim/state' && request.method !== 'POST') throw plainError(405, 'Method Not Allowed');
    if (path === '/sim/reset') this.reset();
    if (path === '/sim/fault') {
      const setting = parseFault(body.toString());
      if (setting === undefined)
        throw new ApiError(400, { detail: 'want mode none, refuse, hang, die or status' });
      this.setFault(setting);
    }
    sendJson(response, 200, this.#state());
  }

  #state(): object {
    const { running, waiting, pool, stats } = this.engine;
    return {
      running,
      waiting,
      blocks: { total: pool.size, free: pool.free, cached: pool.cached },
      prefixCache: { queriedTokens: stats.prefixCacheQueries, hitTokens: stats.prefixCacheHits },
      transferredTokens: stats.externalCacheHits,
      encodedAssets: stats.encodedAssets,
      finished: stats.finishedLength + stats.finishedStop,
      fault: this.#fault.fault.mode,
    };
  }

  #models(): object {
    const created = Math.floor(this.#startedMs / 1000);
    const { model, maxModelLen } = this.#options;
    const data = this.#inference.aliases.map((id) => ({
      id,
      object: 'model',
      created,
      owned_by: 'vllm',
      root: id,
      parent: id === model ? null : model,
      max_model_len: id === model ? Math.min(maxModelLen, this.engine.maxModelLen) : null,
      permission: [],
    }));
    return { object: 'list', data };
  }
}

/** The address that a client connected to, as it is written before a port. */
function hostOf({ socket: { localAddress = '' } }: IncomingMessage): string {
  const address = localAddress.replace(/^::ffff:(?=\d+\.)/, '');
  return address.includes(':') ? `[${address}]` : address;
}
