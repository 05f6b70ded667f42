import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  type YAMLMap,
  type YAMLParseError,
} from 'yaml';
import { type ConfigNode, isNull, type MapEntry, type Path, type Position, type ScalarNode } from './node.ts';
import type { ProblemList } from './problems.ts';

/** A configuration is a few kilobytes; more is a wrong file, and would cost seconds. */
const MAX_TEXT_LENGTH = 2 ** 20;
/**
 * Nodes after aliases are followed; three thousand pools of ten endpoints have as many. Stops documents that grow
 * exponentially, and files that are none.
 */
const MAX_NODES = 50_000;
const MAX_DEPTH = 100;

const TRUE = /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const INTEGER = /^[+-]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o?[0-7_]+|0b[01_]+)$/;
const FLOAT = /^[+-]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][+-]?[0-9]+)?$/;
const INFINITY = /^[+-]?\.(?:inf|Inf|INF)$/;
const NOT_A_NUMBER = /^\.(?:nan|NaN|NAN)$/;

/**
 * Reads one YAML or JSON document. Unquoted scalars follow YAML 1.1 as the reference reads it: `yes`, `no`, `on` and
 * `off` are booleans (with a warning). Returns undefined when the text is no document; never throws.
 */
export function readDocument(text: string, problems: ProblemList): ConfigNode | undefined {
  const start = { line: 1, column: 1 };
  if (text.length > MAX_TEXT_LENGTH) {
    problems.error(
      'yaml-syntax',
      { path: [], at: start },
      `the document has ${text.length} characters, want at most 1 Mi`,
    );
    return undefined;
  }
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      schema: 'failsafe',
      uniqueKeys: false, // quadratic there; the reader below finds and names them
      prettyErrors: false,
      logLevel: 'error',
      lineCounter: lines,
    });
  } catch (error) {
    const reason = error instanceof RangeError ? 'it is nested too deeply' : String(error);
    problems.error('yaml-syntax', { path: [], at: start }, `cannot read the document: ${reason}`);
    return undefined;
  }
  let isReadable = true;
  for (const error of document.errors) {
    const at = positionAt(lines, error.pos[0]);
    isReadable = false;
    problems.error('yaml-syntax', { path: [], at }, syntaxText(error));
  }
  if (!isReadable) return undefined;
  return new Reader(document, lines, problems).read();
}

function syntaxText({ code, message }: YAMLParseError): string {
  if (code === 'MULTIPLE_DOCS') return 'want one document, got another after ---';
  if (/call stack/.test(message)) return 'the document is nested too deeply'; // the parser caught a RangeError
  return `${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}

/** Zero-based offset to a place. */
function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** Raised inside `Reader` only: the document is too big or too deep. */
class LimitError extends Error {
  override readonly name = 'LimitError';
}

class Reader {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #problems: ProblemList;
  /** Nodes by anchor, as far as the text was read: an alias means the last one before it. */
  readonly #anchors = new Map<string, Node>();
  #nodes = 0;

  constructor(document: Document.Parsed, lines: LineCounter, problems: ProblemList) {
    this.#document = document;
    this.#lines = lines;
    this.#problems = problems;
  }

  read(): ConfigNode | undefined {
    const root = this.#document.contents;
    if (root === null) return { kind: 'scalar', value: null, line: 1, column: 1 };
    try {
      return this.#node(root, []);
    } catch (error) {
      if (!(error instanceof LimitError)) throw error;
      this.#problems.error('yaml-syntax', { path: [], at: { line: 1, column: 1 } }, error.message);
      return undefined;
    }
  }

  #node(node: Node, path: Path): ConfigNode {
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES)
      throw new LimitError(
        `the document has too many nodes, want at most ${MAX_NODES}; aliases count each time`,
      );
    if (path.length > MAX_DEPTH)
      throw new LimitError('the document is nested too deeply, or an alias contains itself');
    const at = positionAt(this.#lines, node.range?.[0] ?? 0);
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target !== undefined) return { ...this.#node(target, path), ...at };
      this.#problems.error('yaml-syntax', { path, at }, `alias '*${node.source}' has no anchor`);
      return { kind: 'scalar', value: null, ...at };
    }
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isMap(node)) return { kind: 'map', entries: this.#entries(node, path), ...at };
    if (isSeq(node)) {
      const items = node.items.map(
        (item, i) => this.#node(item as Node, [...path, i]), // a parsed sequence holds nodes
      );
      return { kind: 'list', items, ...at };
    }
    if (isScalar(node)) return this.#scalar(node, at, path);
    return { kind: 'scalar', value: null, ...at };
  }

  #entries(map: YAMLMap, path: Path): readonly MapEntry[] {
    const entries = new Map<string, MapEntry>();
    const merged: MapEntry[] = [];
    for (const pair of map.items as Pair<Node | null, Node | null>[]) {
      // a parsed mapping holds nodes
      const at = positionAt(this.#lines, pair.key?.range?.[0] ?? map.range?.[0] ?? 0);
      if (!isScalar(pair.key)) {
        this.#problems.error(
          'yaml-syntax',
          { path, at },
          'want a plain key, got a list, a mapping or an alias',
        );
        continue;
      }
      const key = String(pair.key.value);
      const value: ConfigNode =
        pair.value === null ? { kind: 'scalar', value: null, ...at } : this.#node(pair.value, [...path, key]);
      if (key === '<<' && pair.key.type === 'PLAIN') {
        merged.push(...this.#merged(value, [...path, key]));
        continue;
      }
      if (entries.has(key)) {
        this.#problems.error('duplicate-key', { path: [...path, key], at }, `key '${key}' stands here twice`);
        continue;
      }
      entries.set(key, { key, at, value });
    }
    for (const entry of merged) if (!entries.has(entry.key)) entries.set(entry.key, entry);
    return [...entries.values()];
  }

  /** Entries of what `<<` names: a mapping or a list of mappings, earlier ones first. */
  #merged(value: ConfigNode, path: Path): readonly MapEntry[] {
    if (value.kind === 'map') return value.entries;
    if (isNull(value)) return [];
    const isList = value.kind === 'list' && typeof path.at(-1) !== 'number';
    if (isList) return value.items.flatMap((item, i) => this.#merged(item, [...path, i]));
    this.#problems.error('yaml-syntax', { path, at: value }, '<< takes a mapping or a list of mappings');
    return [];
  }

  #scalar(node: Scalar, at: Position, path: Path): ScalarNode {
    const text = String(node.value ?? '');
    const isPlain = node.type === 'PLAIN' || node.type === undefined;
    const tag = node.tag?.replace('tag:yaml.org,2002:', '!!');
    if (tag === '!!str' || (!isPlain && (tag === undefined || tag === '!'))) {
      return { kind: 'scalar', value: text, ...at };
    }
    if (TRUE.test(text) || FALSE.test(text)) {
      const value = TRUE.test(text);
      if (text.toLowerCase() !== String(value)) {
        this.#problems.warn(
          'yaml-boolean',
          { path, at },
          `unquoted ${text} is the boolean ${value}; write ${value}, or "${text}" for the text`,
        );
      }
      return { kind: 'scalar', value, ...at };
    }
    return { kind: 'scalar', value: plainScalar(text), ...at };
  }
}

/** An unquoted scalar that is no boolean. */
function plainScalar(text: string): string | number | null {
  if (text === '' || text === '~' || /^(?:null|Null|NULL)$/.test(text)) return null;
  if (INTEGER.test(text)) return integer(text.replaceAll('_', ''));
  if (FLOAT.test(text)) return Number(text.replaceAll('_', ''));
  if (INFINITY.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return NOT_A_NUMBER.test(text) ? Number.NaN : text;
}

/** With a leading zero it is octal, as YAML 1.1 has it. */
function integer(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text.replace(/^[+-]/, '');
  if (/^0[0-7]+$/.test(digits)) return sign * Number.parseInt(digits, 8);
  return sign * Number(digits);
}
