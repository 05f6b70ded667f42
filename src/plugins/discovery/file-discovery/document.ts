import { isIP } from 'node:net';
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { type EndpointMetadata, hostPort } from '../../../framework/endpoint.ts';
import { endpointId } from '../../../framework/ids.ts';

/** A file that says nothing usable: unreadable, no YAML, no list of endpoints. */
export class EndpointsFileError extends Error {
  override readonly name = 'EndpointsFileError';
}

/**
 * Where an entry says that its metrics are: in its members `metricsAddress` and `metricsPort`, or, where it has none, in
 * labels of these names too.
 */
export type MetricsPlace = 'members' | 'members-or-labels';

/** An entry that cannot be used. */
export interface EntryProblem {
  /** 1-based. */
  readonly line: number;
  /** What is wrong, with the entry's name where it has one. */
  readonly message: string;
  /** Identity of the entry, as far as it has one; undefined when it has none. */
  readonly id: string | undefined;
}

/** What an endpoints file says. */
export interface EndpointsDocument {
  /** In file order; of two with the same identity only the last is here. */
  readonly endpoints: readonly EndpointMetadata[];
  readonly objectives: ReadonlyMap<string, number>;
  /** Entries left out. An objective's identity is `objective/<name>`. */
  readonly problems: readonly EntryProblem[];
  /** Entries that repeat the identity of an earlier one and count in its place. */
  readonly repeated: readonly EntryProblem[];
}

const MAX_ALIASES = 100;
const HOST_NAME =
  /^(?=.{1,253}$)(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)*[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.?$/;
const MIN_PRIORITY = -(2 ** 31);
const MAX_PRIORITY = 2 ** 31 - 1;

/**
 * Reads an endpoints file, YAML or JSON: `{endpoints: […], objectives: […]}`; unknown members are ignored. Throws
 * `EndpointsFileError` when the file as a whole is unusable. (llm-d-router:
 * pkg/epp/framework/plugins/discovery/file; beyond it: IPv6, host names, numeric ports, `nodeAddress`,
 * `metricsAddress`, `metricsPort`, objectives)
 */
export function parseEndpointsDocument(
  text: string,
  metricsPlace: MetricsPlace = 'members',
): EndpointsDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, logLevel: 'error' });
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw new EndpointsFileError(`line ${lines.linePos(broken.pos[0]).line}: ${firstLine(broken.message)}`);
  }
  try {
    document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw new EndpointsFileError(error instanceof Error ? error.message : String(error));
  }
  const root = document.contents;
  if (!isMap(root)) throw new EndpointsFileError('got no mapping, want one with a list "endpoints"');
  const reader = new DocumentReader(document, lines, metricsPlace);
  return reader.read(root as YAMLMap); // isMap says so; its keys are checked one by one
}

function firstLine(message: string): string {
  return message.split('\n')[0] ?? message;
}

/** An entry that cannot be used; caught where entries are read. */
class EntryError extends Error {}

class DocumentReader {
  readonly #document: ReturnType<typeof parseDocument>;
  readonly #lines: LineCounter;
  readonly #metricsPlace: MetricsPlace;
  readonly #problems: EntryProblem[] = [];
  readonly #repeated: EntryProblem[] = [];

  constructor(document: ReturnType<typeof parseDocument>, lines: LineCounter, metricsPlace: MetricsPlace) {
    this.#document = document;
    this.#lines = lines;
    this.#metricsPlace = metricsPlace;
  }

  read(root: YAMLMap): EndpointsDocument {
    const list = this.#list(root, 'endpoints');
    if (list === undefined) throw new EndpointsFileError('there is no list "endpoints"');
    const endpoints = new Map<string, EndpointMetadata>();
    for (const item of list) {
      this.#entry(item, 'endpoint', (entry) => {
        const metadata = this.#endpoint(entry);
        if (endpoints.delete(metadata.id)) this.#noteRepeated(item, metadata.id);
        endpoints.set(metadata.id, metadata);
      });
    }
    const objectives = new Map<string, number>();
    for (const item of this.#list(root, 'objectives') ?? []) {
      this.#entry(item, 'objective', (entry) => {
        const name = this.#required(entry, 'name');
        if (objectives.has(name)) this.#noteRepeated(item, `objective/${name}`);
        objectives.set(name, this.#priority(entry));
      });
    }
    return {
      endpoints: [...endpoints.values()],
      objectives,
      problems: this.#problems,
      repeated: this.#repeated,
    };
  }

  #endpoint(entry: YAMLMap): EndpointMetadata {
    const name = this.#required(entry, 'name');
    const namespace = this.#text(entry, 'namespace') ?? 'default';
    for (const part of [name, namespace]) {
      if (part === '' || /[/\s]/.test(part) || part.length > 253) {
        throw new EntryError(`invalid name "${part}", want one to 253 characters without "/" and blanks`);
      }
    }
    const address = host(this.#required(entry, 'address'), 'address');
    const port = portNumber(this.#required(entry, 'port'), 'port');
    const labels = this.#labels(entry);
    const metricsAddress = this.#metrics(entry, 'metricsAddress', labels);
    const metricsPort = this.#metrics(entry, 'metricsPort', labels);
    const nodeAddress = this.#text(entry, 'nodeAddress');
    return {
      id: endpointId(namespace, name),
      namespace,
      name,
      address,
      port,
      nodeAddress: nodeAddress === undefined ? '' : host(nodeAddress, 'nodeAddress'),
      metricsHost: hostPort(
        metricsAddress === undefined ? address : host(metricsAddress, 'metricsAddress'),
        metricsPort === undefined ? port : portNumber(metricsPort, 'metricsPort'),
      ),
      labels,
      rankIndex: 0,
    };
  }

  #metrics(
    entry: YAMLMap,
    name: 'metricsAddress' | 'metricsPort',
    labels: ReadonlyMap<string, string>,
  ): string | undefined {
    const own = this.#text(entry, name);
    return own === undefined && this.#metricsPlace === 'members-or-labels' ? labels.get(name) : own;
  }

  #labels(entry: YAMLMap): ReadonlyMap<string, string> {
    const node = this.#resolve(entry, 'labels');
    const labels = new Map<string, string>();
    if (node === undefined) return labels;
    if (!isMap(node)) throw new EntryError('invalid labels, want a mapping of texts');
    for (const pair of node.items as Pair[]) {
      const name = scalarText(pair.key);
      const value = scalarText(pair.value) ?? (pair.value === null ? '' : undefined);
      if (name === undefined || value === undefined) throw new EntryError('invalid labels, want texts');
      labels.set(name, value);
    }
    return labels;
  }

  #priority(entry: YAMLMap): number {
    const text = this.#text(entry, 'priority') ?? '0';
    const priority = Number(text);
    if (!/^[+-]?\d+$/.test(text) || priority < MIN_PRIORITY || priority > MAX_PRIORITY) {
      throw new EntryError(`invalid priority "${text}", want a 32-bit integer`);
    }
    return priority;
  }

  /** Runs `use` on one list item; what is wrong with it becomes a problem. */
  #entry(item: unknown, kind: string, use: (entry: YAMLMap) => void): void {
    const node = this.#follow(item);
    let name: string | undefined;
    let id: string | undefined;
    try {
      if (!isMap(node)) throw new EntryError('want a mapping');
      const entry = node as YAMLMap; // isMap says so; its keys are checked one by one
      name = this.#text(entry, 'name');
      if (name !== undefined) {
        id =
          kind === 'objective'
            ? `objective/${name}`
            : `${this.#text(entry, 'namespace') ?? 'default'}/${name}`;
      }
      use(entry);
    } catch (error) {
      if (!(error instanceof EntryError)) throw error;
      const subject = name === undefined ? kind : `${kind} "${name}"`;
      this.#problems.push({ line: this.#lineOf(item), message: `${subject}: ${error.message}`, id });
    }
  }

  #noteRepeated(item: unknown, id: string): void {
    this.#repeated.push({
      line: this.#lineOf(item),
      message: `${id} is listed again, the last one counts`,
      id,
    });
  }

  #list(root: YAMLMap, name: string): readonly unknown[] | undefined {
    const node = this.#resolve(root, name);
    if (node === undefined) return undefined;
    if (!isSeq(node)) throw new EndpointsFileError(`line ${this.#lineOf(node)}: "${name}" is no list`);
    return (node as YAMLSeq).items; // isSeq says so; items are checked one by one
  }

  #required(entry: YAMLMap, name: string): string {
    const text = this.#text(entry, name);
    if (text === undefined || text === '') throw new EntryError(`${name} is missing`);
    return text;
  }

  /** Text of a scalar member as it is written; undefined when absent or null. */
  #text(entry: YAMLMap, name: string): string | undefined {
    const node = this.#resolve(entry, name);
    if (node === undefined) return undefined;
    const text = scalarText(node);
    if (text === undefined) throw new EntryError(`invalid ${name}, want a text`);
    return text;
  }

  #resolve(map: YAMLMap, name: string): unknown {
    const node = this.#follow(map.get(name, true));
    return isScalar(node) && node.value === null ? undefined : node;
  }

  #follow(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node;
  }

  #lineOf(node: unknown): number {
    const range: unknown =
      typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
    return Array.isArray(range) && typeof range[0] === 'number' ? this.#lines.linePos(range[0]).line : 0;
  }
}

/** The text of a number or boolean is its source, so that `port: 08000` and a label `1.0` stay as they are written. */
function scalarText(node: unknown): string | undefined {
  if (!isScalar(node)) return undefined;
  const { value } = node;
  if (typeof value === 'string') return value;
  if (value === null) return '';
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') {
    return node.source ?? String(value);
  }
  return undefined;
}

/** An IP address without brackets, or a host name. */
function host(text: string, what: string): string {
  const bare = /^\[.*\]$/.test(text) ? text.slice(1, -1) : text;
  const version = isIP(bare);
  if (version === 6 || (version === 4 && bare === text)) return bare;
  // digits and dots that are no IPv4 address are no host name either
  if (bare === text && HOST_NAME.test(text) && !/^[\d.]+$/.test(text)) return text;
  throw new EntryError(`invalid ${what} "${text}", want an IP address or a host name`);
}

function portNumber(text: string, what: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new EntryError(`invalid ${what} "${text}", want 1 to 65535`);
}
