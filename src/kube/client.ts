import type { Dispatcher } from 'undici';
import type { ObjectKind } from '../framework/hooks.ts';
import type { Clock } from '../util/clock.ts';
import { type AccessOptions, findAccess } from './access.ts';
import { failure, invalid, parseJson, readObject, refuseFailure } from './answers.ts';
import { type KubeApi, KubeError, type ServedKind, statusOf, type WatchEvent } from './api.ts';
import { Connection, type KubeRequest } from './connection.ts';
import { Deadline } from './deadline.ts';
import {
  type Fields,
  isRecord,
  type KubeObject,
  type ObjectList,
  type Resource,
  type Selection,
} from './objects.ts';
import { describeCall, groupPath, objectPath, query, selectors } from './paths.ts';
import { LineSplitter } from './watch-lines.ts';

/** Longest wait for one object, and for discovery. */
const OBJECT_LIMIT_MS = 10_000;

/** Longest wait for a page of a list; the server may have to fetch it from etcd. */
const LIST_LIMIT_MS = 30_000;

/** Longest wait for a watch to be accepted. */
const WATCH_OPEN_LIMIT_MS = 30_000;

/** What a watch may last over the time it asked for. */
const WATCH_GRACE_MS = 30_000;

/** Etcd takes 1.5 MiB; as JSON, with what the server adds, an object stays well under this. */
const MAX_OBJECT_BYTES = 8 * 2 ** 20;

/** A list in one page of some ten thousand large pods; under the longest string of V8. */
const MAX_LIST_BYTES = 256 * 2 ** 20;

/** An API server. Disposing it ends its connections and the calls under way. */
export interface KubeClient extends KubeApi, AsyncDisposable {
  /** Where it is, such as `https://10.0.0.1:443`. */
  readonly server: string;
}

/**
 * The API server that `options` lead to: see `findAccess`. Throws `ConfigurationError` when there is none. No
 * connection is made before the first call.
 */
export async function loadKubeApi(options: AccessOptions & { readonly clock: Clock }): Promise<KubeClient> {
  const access = await findAccess(options);
  return new HttpClient(access.server, new Connection(access, options.clock), options.clock);
}

class HttpClient implements KubeClient {
  readonly server: string;
  readonly #connection: Connection;
  readonly #clock: Clock;

  constructor(server: URL, connection: Connection, clock: Clock) {
    this.server = server.origin;
    this.#connection = connection;
    this.#clock = clock;
  }

  async list(
    resource: Resource,
    selection: Selection,
    page: { readonly limit: number; readonly continueToken: string },
    signal: AbortSignal,
  ): Promise<ObjectList> {
    const call = describeCall('list', resource, selection.namespace);
    const limit = page.limit === 0 ? '' : String(page.limit);
    const parameters = { ...selectors(selection), limit, continue: page.continueToken };
    const path = objectPath(resource, selection.namespace) + query(parameters);
    const limits = { timeMs: LIST_LIMIT_MS, bytes: MAX_LIST_BYTES };
    return toList(call, await this.#exchange(call, { method: 'GET', path }, limits, signal));
  }

  async watch(
    resource: Resource,
    selection: Selection,
    options: { readonly resourceVersion: string; readonly timeoutS: number; readonly opened?: () => void },
    event: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { resourceVersion, timeoutS } = options;
    const call = describeCall('watch', resource, selection.namespace);
    const parameters = {
      ...selectors(selection),
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(timeoutS),
    };
    const path = objectPath(resource, selection.namespace) + query(parameters);
    await this.#within(call, signal, async (deadline) => {
      deadline.set(WATCH_OPEN_LIMIT_MS, 'the watch to be accepted');
      const response = await deadline.race(this.#connection.send({ method: 'GET', path }, deadline.signal));
      await refuseFailure(call, response);
      deadline.set(timeoutS * 1000 + WATCH_GRACE_MS, `the watch to end after ${timeoutS} s`);
      options.opened?.();
      await readEvents(call, response, event);
    });
  }

  async get(
    resource: Resource,
    { namespace, name }: { readonly namespace: string; readonly name: string },
    signal: AbortSignal,
  ): Promise<KubeObject | undefined> {
    const call = describeCall('get', resource, namespace, name);
    try {
      return await this.#object(call, { method: 'GET', path: objectPath(resource, namespace, name) }, signal);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  async create(
    resource: Resource,
    namespace: string,
    object: KubeObject,
    signal: AbortSignal,
  ): Promise<KubeObject> {
    const call = describeCall('creation', resource, namespace, object.metadata.name);
    const path = objectPath(resource, namespace);
    return await this.#object(call, { method: 'POST', path, body: object }, signal);
  }

  async replace(
    resource: Resource,
    namespace: string,
    object: KubeObject,
    signal: AbortSignal,
  ): Promise<KubeObject> {
    const { name = '' } = object.metadata;
    const call = describeCall('replacement', resource, namespace, name);
    const path = objectPath(resource, namespace, name);
    return await this.#object(call, { method: 'PUT', path, body: object }, signal);
  }

  async serves(resource: Resource, signal: AbortSignal): Promise<boolean> {
    const resources = await this.#resources(resource, resource.plural, signal);
    return resources.some((each) => isRecord(each) && each['name'] === resource.plural);
  }

  async find(kind: ObjectKind, signal: AbortSignal): Promise<ServedKind | undefined> {
    const { group, version } = kind;
    for (const each of await this.#resources({ group, version }, kind.kind, signal)) {
      if (!isRecord(each) || each['kind'] !== kind.kind) continue;
      const { name: plural, namespaced } = each;
      // `pods/status` and the like are parts of objects
      if (typeof plural !== 'string' || plural.includes('/')) continue;
      return { resource: { group, version, plural }, isNamespaced: namespaced === true };
    }
    return undefined;
  }

  /** What discovery shows of a group and version; nothing when the server has none of it. */
  async #resources(
    place: { readonly group: string; readonly version: string },
    what: string,
    signal: AbortSignal,
  ): Promise<readonly unknown[]> {
    const call = describeCall('discovery', { ...place, plural: what }, '');
    const limits = { timeMs: OBJECT_LIMIT_MS, bytes: MAX_OBJECT_BYTES };
    try {
      const request: KubeRequest = { method: 'GET', path: groupPath(place) };
      const { resources } = await this.#exchange(call, request, limits, signal);
      if (!Array.isArray(resources)) throw invalid(call, 'an object without resources', 'an APIResourceList');
      return resources as readonly unknown[]; // it is a list, whose items are checked where they are read
    } catch (error) {
      if (statusOf(error) === 404) return [];
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async #object(call: string, request: KubeRequest, signal: AbortSignal): Promise<KubeObject> {
    const limits = { timeMs: OBJECT_LIMIT_MS, bytes: MAX_OBJECT_BYTES };
    const answer = await this.#exchange(call, request, limits, signal);
    if (isObject(answer)) return answer;
    throw invalid(call, 'an object without metadata', 'an object of the API');
  }

  async #exchange(
    call: string,
    request: KubeRequest,
    limits: { readonly timeMs: number; readonly bytes: number },
    signal: AbortSignal,
  ): Promise<Fields> {
    return await this.#within(call, signal, async (deadline) => {
      deadline.set(limits.timeMs, 'the whole answer');
      const response = await deadline.race(this.#connection.send(request, deadline.signal));
      return await readObject(call, response, limits.bytes);
    });
  }

  /** Every failure of `work` as a `KubeError`. */
  async #within<T>(call: string, outer: AbortSignal, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    using deadline = new Deadline(this.#clock, call, outer);
    try {
      return await work(deadline);
    } catch (error) {
      if (deadline.signal.aborted) throw deadline.signal.reason;
      if (error instanceof KubeError) throw error;
      throw new KubeError(0, 'Unreachable', `${call}: ${this.server}: ${textOf(error)}`, { cause: error });
    }
  }
}

/** Resolves at the end of the watch; throws for what is no event, for an ERROR event and for a line that is cut. */
async function readEvents(
  call: string,
  { body }: Dispatcher.ResponseData,
  event: (event: WatchEvent) => void,
): Promise<void> {
  const lines = new LineSplitter(MAX_OBJECT_BYTES);
  const onLine = (line: string) => event(toEvent(call, line));
  for await (const chunk of body as AsyncIterable<Buffer>) {
    try {
      lines.push(chunk, onLine);
    } catch (error) {
      throw error instanceof RangeError ? invalid(call, error.message, 'a shorter one') : error;
    }
  }
  if (lines.pendingBytes > 0) {
    throw invalid(call, `an end within a line, after ${lines.pendingBytes} bytes`, 'whole lines');
  }
}

function toEvent(call: string, line: string): WatchEvent {
  const value = parseJson(line);
  if (!isRecord(value) || !isRecord(value['object'])) {
    throw invalid(call, `a line of ${line.length} characters that is no event`, 'an event');
  }
  const { type, object } = value;
  if (type === 'ERROR') throw failure(call, object, { status: 0 });
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED' && type !== 'BOOKMARK') {
    throw invalid(call, `an event of type ${JSON.stringify(type).slice(0, 40)}`, 'a known one');
  }
  if (!isObject(object)) throw invalid(call, 'an event whose object has no metadata', 'an object');
  return { type, object };
}

function toList(call: string, answer: Fields): ObjectList {
  const { metadata, items } = answer;
  // A list of nothing may say null.
  const found: unknown = items ?? [];
  if (!isRecord(metadata) || !Array.isArray(found) || !found.every(isObject)) {
    throw invalid(call, 'an object that is no list of objects', 'a list with metadata and items');
  }
  return { metadata, items: found };
}

/** Whether it has metadata, whose fields readers check. */
function isObject(value: unknown): value is KubeObject {
  return isRecord(value) && isRecord(value['metadata']);
}

/** Failures to connect to one of several addresses have a code and no message. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code = error.name } = error as Error & { code?: string }; // as Node's errors have it
  return error.message === '' ? code : error.message;
}
