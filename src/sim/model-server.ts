import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../util/clock.ts';
import { nextInt, SeededRng } from '../util/rng.ts';
import { ApiError, plainError, unknownModel } from './api-error.ts';
import { type Api, type GenerationRequest, parseRequest } from './api-request.ts';
import { Engine } from './engine.ts';
import { type FaultSetting, NO_FAULT, parseFault } from './fault.ts';
import { readBody, send, sendError, sendJson } from './http-io.ts';
import { MetricsPage } from './metrics-page.ts';
import type { SimOptions } from './options.ts';
import { promptOf } from './prompt.ts';
import { Reply } from './reply.ts';
import { replyFormat } from './reply-format.ts';
import { checkLength, planSequences } from './sequence-plan.ts';

const APIS = new Map<string, Api>([
  ['/v1/chat/completions', 'chat'],
  ['/v1/completions', 'completions'],
  ['/v1/messages', 'messages'],
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

/** One simulated vLLM: an HTTP server in front of an engine. */
export class ModelServer implements AsyncDisposable {
  readonly #options: SimOptions;
  readonly #clock: Clock;
  readonly #seed: number;
  readonly #server: Server;
  readonly #startedMs: number;
  readonly #dirty: Reply[] = [];
  /** Generation answers that are not over. */
  readonly #open = new Set<ServerResponse>();
  readonly #aliases: readonly string[];
  #engine: Engine;
  #metrics: MetricsPage;
  #ids: SeededRng;
  #fault: FaultSetting = NO_FAULT;
  #address = '';

  /** `seed`: differs between the servers of one simulator, so that their ids and step times differ. */
  constructor(options: SimOptions, clock: Clock, seed: number) {
    this.#options = options;
    this.#clock = clock;
    this.#seed = seed;
    this.#startedMs = clock.wallMs();
    this.#aliases = [options.model, ...options.loraModules];
    this.#ids = new SeededRng(seed);
    this.#engine = this.#newEngine();
    this.#metrics = new MetricsPage(this.#engine, options, () => clock.wallMs());
    this.#server = createServer({ keepAliveTimeout: 75_000, requestTimeout: 0 }, (request, response) => {
      this.#handle(request, response).catch((error: unknown) => sendError(response, error));
    });
  }

  /** `host:port`; '' until it listens. */
  get address(): string {
    return this.#address;
  }

  get engine(): Engine {
    return this.#engine;
  }

  /** Misbehaves from the next request on. */
  setFault(setting: Partial<FaultSetting> & Pick<FaultSetting, 'fault'>): void {
    this.#fault = { ...NO_FAULT, ...setting };
  }

  /** As after a restart: no requests, empty cache, counters at zero. Running answers are cut. */
  reset(): void {
    this.#engine.stop();
    this.#dirty.length = 0;
    for (const response of this.#open) response.destroy();
    this.#engine = this.#newEngine();
    this.#metrics = new MetricsPage(this.#engine, this.#options, () => this.#clock.wallMs());
    this.#ids = new SeededRng(this.#seed);
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
    this.#address =
      bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#engine.stop();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  #newEngine(): Engine {
    return new Engine(this.#options, {
      clock: this.#clock,
      seed: this.#seed,
      afterTurn: () => {
        for (const reply of this.#dirty) reply.flush();
        this.#dirty.length = 0;
      },
    });
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
    const generation = parseRequest(api, await readBody(request));
    const requestId = request.headers['x-request-id'];
    const dieAfterTokens = fault.mode === 'die' ? fault.afterTokens : Infinity;
    this.#generate(generation, response, {
      id: typeof requestId === 'string' ? requestId : this.#newId(),
      dieAfterTokens,
    });
  }

  #nextFault(isInference: boolean): FaultSetting['fault'] {
    const { fault, scope, count } = this.#fault;
    if (fault.mode === 'none' || count <= 0 || (scope === 'inference' && !isInference)) return NO_FAULT.fault;
    this.#fault = { fault, scope, count: count - 1 };
    return fault;
  }

  #generate(
    generation: GenerationRequest,
    response: ServerResponse,
    extra: { readonly id: string; readonly dieAfterTokens: number },
  ): void {
    const { blockSize } = this.#options;
    const model = generation.model ?? this.#options.model;
    if (!this.#aliases.includes(model)) throw unknownModel(model, this.#aliases);
    const adapter = model === this.#options.model ? '' : model;
    if (adapter !== '') this.#metrics.noteLoraUse();
    const prompts = generation.prompts.map((tokens) =>
      promptOf(tokens, blockSize, `${adapter}\n${generation.cacheSalt}`),
    );
    for (const prompt of prompts) checkLength(prompt, generation.maxTokens, this.#engine.maxModelLen);
    const { id, dieAfterTokens } = extra;
    const { hasUsage, hasContinuousUsage } = generation;
    const created = Math.floor(this.#clock.wallMs() / 1000);
    const reply = new Reply(
      replyFormat(generation.api, { id, model, created, hasUsage, hasContinuousUsage }),
      {
        response,
        engine: this.#engine,
        isStream: generation.isStream,
        promptTokens: sum(prompts, (prompt) => prompt.length),
        createdCacheTokens: sum(prompts, (prompt) => prompt.hashes.length * blockSize),
        dieAfterTokens,
        markDirty: (dirty) => this.#dirty.push(dirty),
      },
    );
    this.#open.add(response);
    response.on('close', () => this.#open.delete(response));
    reply.start(
      planSequences({
        generation,
        prompts,
        adapter,
        sink: reply,
        options: this.#options,
        maxModelLen: this.#engine.maxModelLen,
      }),
    );
  }

  #serveOther(path: string, request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (path === '/reset_prefix_cache' ? request.method !== 'POST' : !isRead) {
      throw OTHER_PATHS.has(path) ? plainError(405, 'Method Not Allowed') : plainError(404, 'Not Found');
    }
    switch (path) {
      case '/metrics':
        send(response, 200, 'text/plain; version=1.0.0; charset=utf-8', this.#metrics.render());
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
        this.#engine.pool.clear();
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
    const { running, waiting, pool, stats } = this.#engine;
    return {
      running,
      waiting,
      blocks: { total: pool.size, free: pool.free, cached: pool.cached },
      prefixCache: { queriedTokens: stats.prefixCacheQueries, hitTokens: stats.prefixCacheHits },
      finished: stats.finishedLength + stats.finishedStop,
      fault: this.#fault.fault.mode,
    };
  }

  #models(): object {
    const created = Math.floor(this.#startedMs / 1000);
    const { model, maxModelLen } = this.#options;
    const data = this.#aliases.map((id) => ({
      id,
      object: 'model',
      created,
      owned_by: 'vllm',
      root: id,
      parent: id === model ? null : model,
      max_model_len: id === model ? Math.min(maxModelLen, this.#engine.maxModelLen) : null,
      permission: [],
    }));
    return { object: 'list', data };
  }

  #newId(): string {
    let id = '';
    for (let i = 0; i < 4; i += 1) id += nextInt(this.#ids, 0x10000).toString(16).padStart(4, '0');
    return id;
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
