import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getHeapSnapshot } from 'node:v8';
import type { Log } from '../framework/log.ts';
import type { Named } from '../framework/plugin.ts';
import type { Clock } from '../util/clock.ts';
import { type AdminTls, readTls, TlsWatch } from './admin-tls.ts';
import { endpointsPage, type PoolMembers, pluginStatePage } from './debug-pages.ts';
import type { ProcessMetrics } from './process-metrics.ts';
import { type ProfileKind, Profiler, ProfilerBusyError } from './profiler.ts';
import type { MetricRegistry } from './registry.ts';
import { TEXT_FORMAT } from './text-format.ts';

/** Judges a request before anything of it is looked at. `path` is without query; `method` as in the request line. */
export type Authorize = (request: {
  readonly method: string;
  readonly path: string;
  /** The `authorization` header; undefined when there is none. */
  readonly authorization: string | undefined;
}) => Promise<{ readonly status: 200 | 401 | 403 | 500 }>;

/** What the admin server shows and where. */
export interface AdminServerOptions {
  /** Address to listen on; '' for all. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly tls: AdminTls | undefined;
  /** Serve `/debug/pprof/`. */
  readonly hasProfiling: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: MetricRegistry;
  readonly processMetrics: ProcessMetrics;
  readonly plugins: readonly Named<object>[];
  /** Asked about every request, whatever its path; undefined lets everybody in. */
  readonly authorize?: Authorize | undefined;
  /** Effective configuration without secrets, as YAML. */
  configText(): string;
  endpoints(): readonly PoolMembers[];
}

type Handler = (response: ServerResponse, url: URL) => void | Promise<void>;

/** Longest profile, so that a forgotten request does not slow the process for long. */
const MAX_PROFILE_SECONDS = 300;
const DEFAULT_PROFILE_SECONDS = 30;
/** A client that sends its request slower than this is cut off. */
const REQUEST_TIMEOUT_MS = 10_000;
const JSON_TYPE = 'application/json';
/** What those who may not pass are told. */
const REFUSALS = { 401: 'unauthorized\n', 403: 'forbidden\n', 500: 'authorization failed\n' } as const;
const STATE_PATH = '/debug/plugins/state';

const PROFILE_INDEX = `Profiles of this process. Nothing runs until one is asked for; one at a time.

/debug/pprof/profile?seconds=30        CPU, .cpuprofile (Chrome DevTools, speedscope)
/debug/pprof/heap?seconds=30           allocations still alive, .heapprofile
/debug/pprof/heap?snapshot             the whole heap, .heapsnapshot; stops the process while it is written
`;

/** Serves metrics, state and profiles to operators. */
export class AdminServer implements AsyncDisposable {
  readonly #options: AdminServerOptions;
  readonly #server: Server | TlsServer;
  readonly #profiler: Profiler;
  readonly #routes: ReadonlyMap<string, Handler>;
  #tlsWatch: TlsWatch | undefined = undefined;

  /** Throws `ConfigurationError` when certificates cannot be read. */
  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#profiler = new Profiler(options.clock);
    this.#routes = this.#buildRoutes();
    const { tls } = options;
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      void this.#serve(request, response);
    this.#server =
      tls === undefined
        ? createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, onRequest)
        : createTlsServer(
            {
              requestTimeout: REQUEST_TIMEOUT_MS,
              requestCert: tls.clientCaFile !== '',
              rejectUnauthorized: tls.clientCaFile !== '',
              ...readTls(tls),
            },
            onRequest,
          );
  }

  /** Resolves when it listens; rejects when the address cannot be had. */
  async start(): Promise<void> {
    const { host, port, tls, clock, log } = this.#options;
    this.#server.listen(port, host === '' ? undefined : host);
    await once(this.#server, 'listening');
    this.#server.on('error', (error) => log.error({ err: error }, 'admin server failed'));
    const server = this.#server;
    if (tls !== undefined && 'setSecureContext' in server) {
      this.#tlsWatch = new TlsWatch(tls, { clock, log }, (context) => server.setSecureContext(context));
    }
  }

  /** The port it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port; // it listens on TCP only
  }

  /** Ends open requests too: a profile in progress is not worth waiting for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#tlsWatch?.[Symbol.dispose]();
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #buildRoutes(): ReadonlyMap<string, Handler> {
    const options = this.#options;
    const { clock } = options;
    const routes: [string, Handler][] = [
      ['/metrics', (response) => this.#sendMetrics(response)],
      ['/healthz', (response) => send(response, { body: 'ok\n' })],
      ['/debug/config', (response) => send(response, { body: options.configText() })],
      [STATE_PATH, (response) => sendJson(response, pluginStatePage(options.plugins, clock.wallMs()))],
      [
        '/debug/endpoints',
        (response) => sendJson(response, endpointsPage(options.endpoints(), clock.nowMs())),
      ],
    ];
    if (options.hasProfiling) {
      routes.push(
        ['/debug/pprof/', (response) => send(response, { body: PROFILE_INDEX })],
        ['/debug/pprof/profile', (response, url) => this.#sendProfile('cpu', response, url)],
        [
          '/debug/pprof/heap',
          (response, url) =>
            url.searchParams.has('snapshot')
              ? sendSnapshot(response)
              : this.#sendProfile('heap', response, url),
        ],
      );
    }
    return new Map(routes);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume(); // a body is nobody's concern here, but must not keep the connection
    const url = URL.parse(request.url ?? '/', 'http://admin');
    const refusal = await this.#refusal(request, url?.pathname ?? '/');
    if (refusal !== undefined) {
      if (refusal === 401) response.setHeader('www-authenticate', 'Bearer');
      return send(response, { status: refusal, body: REFUSALS[refusal] });
    }
    const handler = url === null ? undefined : this.#routes.get(url.pathname);
    if (url === null || handler === undefined) return send(response, { status: 404, body: 'not found\n' });
    const allowed = url.pathname === STATE_PATH ? ['GET'] : ['GET', 'HEAD'];
    if (!allowed.includes(request.method ?? '')) {
      response.setHeader('allow', allowed.join(', '));
      return send(response, { status: 405, body: 'method not allowed\n' });
    }
    try {
      await handler(response, url);
    } catch (error) {
      this.#options.log.error({ path: url.pathname, err: error }, 'admin request failed');
      if (response.headersSent) response.destroy();
      else send(response, { status: 500, body: 'internal error\n' });
    }
  }

  /** Status for a caller who may not pass; undefined for one who may. */
  async #refusal(request: IncomingMessage, path: string): Promise<keyof typeof REFUSALS | undefined> {
    const { authorize, log } = this.#options;
    if (authorize === undefined) return undefined;
    try {
      const { authorization } = request.headers;
      const { status } = await authorize({ method: request.method ?? '', path, authorization });
      return status === 200 ? undefined : status;
    } catch (error) {
      log.error({ path, err: error }, 'admin request not authorized');
      return 500;
    }
  }

  /** Piece by piece, so that rendering a large page holds the event loop for a piece's time only. */
  async #sendMetrics(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': TEXT_FORMAT });
    let pending = '';
    for (const piece of this.#options.registry.render()) {
      pending += piece;
      if (pending.length < 65_536) continue;
      if (!response.write(pending)) await drained(response);
      else await nextTurn();
      if (response.destroyed) return;
      pending = '';
    }
    response.end(pending + (await this.#options.processMetrics.render()));
  }

  async #sendProfile(kind: ProfileKind, response: ServerResponse, url: URL): Promise<void> {
    const seconds = Number(url.searchParams.get('seconds') ?? DEFAULT_PROFILE_SECONDS);
    if (!(seconds > 0 && seconds <= MAX_PROFILE_SECONDS)) {
      const message = `seconds must be above 0 and at most ${MAX_PROFILE_SECONDS}\n`;
      return send(response, { status: 400, body: message });
    }
    const left = new AbortController();
    response.once('close', () => left.abort());
    try {
      const profile = await this.#profiler.take(kind, seconds * 1000, left.signal);
      if (!response.destroyed) sendFile(response, `epp.${kind}profile`).end(profile);
    } catch (error) {
      if (!(error instanceof ProfilerBusyError)) throw error;
      send(response, { status: 409, body: `${error.message}\n` });
    }
  }
}

function send(response: ServerResponse, answer: { readonly status?: number; readonly body: string }): void {
  response.writeHead(answer.status ?? 200, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(answer.body);
}

function sendJson(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': JSON_TYPE });
  response.end(body);
}

function sendFile(response: ServerResponse, name: string): ServerResponse {
  return response.writeHead(200, {
    'content-type': JSON_TYPE,
    'content-disposition': `attachment; filename="${name}"`,
  });
}

async function sendSnapshot(response: ServerResponse): Promise<void> {
  const snapshot = getHeapSnapshot();
  sendFile(response, 'epp.heapsnapshot');
  for await (const chunk of snapshot) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await drained(response);
  }
  response.end();
}

/** Until more can be written or nobody listens any more. */
async function drained(response: ServerResponse): Promise<void> {
  const done = new AbortController();
  const either = ['drain', 'close'].map((event) => once(response, event, { signal: done.signal }));
  try {
    if (!response.destroyed) await Promise.race(either);
  } finally {
    done.abort();
    await Promise.allSettled(either);
  }
}
