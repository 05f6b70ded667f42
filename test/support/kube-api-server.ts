import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { selfSignedCertificate } from '../../src/extproc/certificate.ts';
import type { AccessOptions } from '../../src/kube/access.ts';
import { KubeError } from '../../src/kube/api.ts';
import type { KubeObject, Resource, Selection } from '../../src/kube/objects.ts';
import { systemClock } from '../../src/util/clock.ts';
import {
  bookmarkOf,
  type Fault,
  misbehave,
  parseObject,
  placeOf,
  readBody,
  refuse,
  send,
  statusOf,
  type Verb,
  verbOf,
} from './kube-api-wire.ts';
import { collectionOf, KubeStore, type StoredEvent, toldEvent } from './kube-store.ts';

/** One request as it arrived. */
export interface ReceivedCall {
  readonly verb: Verb;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string;
}

interface OpenWatch {
  readonly collection: string;
  readonly selection: Selection;
  readonly response: ServerResponse;
}

/**
 * An API server over HTTPS with objects in memory: lists in pages, watches with bookmarks, get, create, replace,
 * discovery, bearer tokens. It misbehaves when told to; what it can do right is what the real one does.
 */
export class KubeApiServer implements AsyncDisposable {
  readonly store = new KubeStore();
  /** Resources that discovery knows and requests may be for. */
  readonly resources: Resource[] = [];
  readonly calls: ReceivedCall[] = [];
  /** Tokens that are accepted. */
  readonly tokens = new Set(['token-1']);
  /** For `loadKubeApi`: as a pod has it. */
  readonly access: AccessOptions & { readonly serviceAccountFolder: string };
  /** How it says that a watch's version is too old. */
  expiredAs: 'event' | 'status' = 'event';
  readonly #server: Server;
  readonly #folder: string;
  readonly #watches = new Set<OpenWatch>();
  readonly #next = new Map<Verb, Fault[]>();
  readonly #always = new Map<Verb, Fault>();
  readonly #pages = new Map<string, readonly KubeObject[]>();

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.#folder = folder;
    const { port } = server.address() as AddressInfo; // it listens on a port
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) };
    this.access = { env, serviceAccountFolder: folder };
    this.store.onEvent = (event) => this.#spread(event);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      void this.#answer(request, response);
    });
  }

  /** Serves `resources` on a free port of 127.0.0.1. */
  static async start(resources: readonly Resource[]): Promise<KubeApiServer> {
    const { cert, key } = await selfSignedCertificate(['127.0.0.1'], systemClock);
    const folder = await mkdtemp(join(tmpdir(), 'epp-test-kube-'));
    await writeFile(join(folder, 'ca.crt'), cert);
    await writeFile(join(folder, 'token'), 'token-1\n');
    const server = createServer({ cert, key });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const started = new KubeApiServer(server, folder);
    started.resources.push(...resources);
    return started;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** Faults of the next requests of a kind, one each. */
  next(verb: Verb, ...faults: readonly Fault[]): void {
    this.#next.set(verb, [...(this.#next.get(verb) ?? []), ...faults]);
  }

  /** The fault of all requests of a kind from here on; undefined to answer them again. */
  always(verb: Verb, fault: Fault | undefined): void {
    if (fault === undefined) this.#always.delete(verb);
    else this.#always.set(verb, fault);
  }

  /** Requests of a kind that arrived. */
  count(verb: Verb): number {
    return this.calls.filter((call) => call.verb === verb).length;
  }

  put(resource: Resource, object: KubeObject): KubeObject {
    return this.store.put(collectionOf(resource), object);
  }

  remove(resource: Resource, namespace: string, name: string): boolean {
    return this.store.remove(collectionOf(resource), namespace, name);
  }

  /** Forgets the past: versions and pages from before are too old. */
  compact(): void {
    this.store.compact();
    this.#pages.clear();
  }

  /** Sends all open watches the current version. */
  bookmark(): void {
    this.sendRaw(`${JSON.stringify(bookmarkOf(this.store.version))}\n`);
  }

  /** Sends all open watches this text. */
  sendRaw(text: string): void {
    for (const { response } of this.#watches) response.write(text);
  }

  /** Sends all open watches that their version is too old, and ends them. */
  expireWatches(): void {
    this.sendRaw(`${JSON.stringify({ type: 'ERROR', object: statusOf(410, 'too old resource version') })}\n`);
    this.endWatches();
  }

  /** Ends all open watches as their time being over would. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end();
    this.#watches.clear();
  }

  /** Closes all connections. */
  cutConnections(): void {
    this.#watches.clear();
    this.#server.closeAllConnections();
  }

  /** Stops accepting; `resume` listens on the same port again. */
  async suspend(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cutConnections();
    await closed;
  }

  async resume(): Promise<void> {
    this.#server.listen(Number(this.access.env['KUBERNETES_SERVICE_PORT']), '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.suspend();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'https://server');
    const place = placeOf(url.pathname);
    const verb = verbOf(request.method ?? '', place, url.searchParams);
    const authorization = request.headers.authorization ?? '';
    this.calls.push({ verb, path: url.pathname, query: url.searchParams, authorization });
    const body = await readBody(request);
    if (!this.tokens.has(authorization.replace('Bearer ', ''))) return refuse(response, 401);
    const fault = this.#next.get(verb)?.shift() ?? this.#always.get(verb);
    if (fault !== undefined && fault.kind !== 'slow') return misbehave(response, fault);
    await fault?.until;
    const { resource, namespace, name } = place;
    const collection = collectionOf(resource);
    if (verb === 'discovery') return this.#discover(response, resource);
    if (!this.resources.some((each) => collectionOf(each) === collection)) return refuse(response, 404);
    const selection: Selection = {
      namespace,
      labels: url.searchParams.get('labelSelector') ?? '',
      fields: url.searchParams.get('fieldSelector') ?? '',
    };
    const found = this.store.get(collection, namespace, name);
    switch (verb) {
      case 'list':
        return this.#list(response, url.searchParams, this.store.select(collection, selection));
      case 'watch':
        return this.#watch(response, url.searchParams, { collection, selection, response });
      case 'get':
        return found === undefined ? refuse(response, 404) : send(response, 200, found);
      case 'create':
        return answerWrite(response, 201, () => this.store.create(collection, namespace, parseObject(body)));
      case 'replace':
        return answerWrite(response, 200, () => this.store.replace(collection, namespace, parseObject(body)));
      default:
        return verb satisfies never;
    }
  }

  #discover(response: ServerResponse, { group, version }: Resource): void {
    const served = this.resources.filter((each) => each.group === group && each.version === version);
    const resources = served.map(({ plural }) => ({ name: plural, namespaced: true }));
    if (served.length === 0) refuse(response, 404);
    else send(response, 200, { kind: 'APIResourceList', groupVersion: `${group}/${version}`, resources });
  }

  #list(response: ServerResponse, query: URLSearchParams, selected: readonly KubeObject[]): void {
    const token = query.get('continue') ?? '';
    const objects = token === '' ? selected : this.#pages.get(token);
    if (objects === undefined) {
      refuse(response, 410);
      return;
    }
    const limit = Number(query.get('limit') ?? 0);
    const [version = String(this.store.version)] = token.split('-');
    const page = limit > 0 ? objects.slice(0, limit) : objects;
    const rest = objects.slice(page.length);
    const metadata = { resourceVersion: version === '' ? String(this.store.version) : version, continue: '' };
    if (rest.length > 0) {
      metadata.continue = `${metadata.resourceVersion}-${rest.length}-${this.calls.length}`;
      this.#pages.set(metadata.continue, rest);
    }
    send(response, 200, { kind: 'List', apiVersion: 'v1', metadata, items: page });
  }

  #watch(response: ServerResponse, query: URLSearchParams, watch: OpenWatch): void {
    const missed = this.store.since(Number(query.get('resourceVersion')));
    if (missed === undefined && this.expiredAs === 'status') {
      refuse(response, 410);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    if (missed !== undefined) for (const event of missed) tell(watch, event);
    else response.end(`${JSON.stringify({ type: 'ERROR', object: statusOf(410, 'too old') })}\n`);
  }

  #spread(event: StoredEvent): void {
    for (const watch of this.#watches) tell(watch, event);
  }
}

/** Answers with the object that `write` gives, or with what it is refused for. */
function answerWrite(response: ServerResponse, status: number, write: () => KubeObject): void {
  try {
    send(response, status, write());
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    refuse(response, error.status, { reason: error.reason });
  }
}

function tell({ collection, selection, response }: OpenWatch, event: StoredEvent): void {
  const told = event.collection === collection ? toldEvent(event, selection) : undefined;
  if (told !== undefined) response.write(`${JSON.stringify(told)}\n`);
}
