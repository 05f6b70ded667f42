/** A place in the text, both counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A plain value. */
export interface ScalarNode extends Position {
  readonly kind: 'scalar';
  readonly value: string | number | boolean | null;
}

/** A sequence. */
export interface ListNode extends Position {
  readonly kind: 'list';
  readonly items: readonly ConfigNode[];
}

/** One key of a mapping with its value. */
export interface MapEntry {
  readonly key: string;
  /** Where the key stands. */
  readonly at: Position;
  readonly value: ConfigNode;
}

/** A mapping; keys are unique. */
export interface MapNode extends Position {
  readonly kind: 'map';
  readonly entries: readonly MapEntry[];
}

/** A part of the document that knows where it stands. Nodes are never changed; edits make new ones. */
export type ConfigNode = ScalarNode | ListNode | MapNode;

/** Steps from the root: keys and list positions. */
export type Path = readonly (string | number)[];

/** `plugins[2].parameters.threshold`; '' for the root. */
export function pathText(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}

/** Value of `key`; undefined when absent. */
export function entryOf(node: ConfigNode | undefined, key: string): MapEntry | undefined {
  return node?.kind === 'map' ? node.entries.find((entry) => entry.key === key) : undefined;
}

/** Where `path` stands: the value, or as far as the text goes. With `ofKey`, the key of the last step. */
export function positionOf(root: ConfigNode, path: Path, options: { ofKey?: boolean } = {}): Position {
  let at: Position = root;
  let node: ConfigNode | undefined = root;
  for (const [depth, step] of path.entries()) {
    if (typeof step === 'number') {
      node = node?.kind === 'list' ? node.items[step] : undefined;
      if (node === undefined) return at;
      at = node;
      continue;
    }
    const entry = entryOf(node, step);
    if (entry === undefined) return at;
    node = entry.value;
    at = options.ofKey === true && depth === path.length - 1 ? entry.at : node;
  }
  return at;
}

/** The node as plain data on objects without prototype; keys whose value is null are left out. */
export function plainOf(node: ConfigNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(plainOf);
    case 'map': {
      const plain = Object.create(null) as Record<string, unknown>; // no prototype: keys come from outside
      for (const { key, value } of node.entries) {
        if (value.kind !== 'scalar' || value.value !== null) plain[key] = plainOf(value);
      }
      return plain;
    }
    default:
      return node satisfies never;
  }
}

/** Plain data as a node that stands at `at` throughout. */
export function nodeFrom(value: unknown, at: Position): ConfigNode {
  const { line, column } = at;
  if (Array.isArray(value)) {
    return { kind: 'list', items: value.map((item) => nodeFrom(item, at)), line, column };
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, item]) => ({ key, at, value: nodeFrom(item, at) }));
    return { kind: 'map', entries, line, column };
  }
  const scalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return { kind: 'scalar', value: scalar ? value : null, line, column };
}

/** `node` with `entries` in place of its own. */
export function withEntries(node: MapNode, entries: readonly MapEntry[]): MapNode {
  return { kind: 'map', entries, line: node.line, column: node.column };
}

/** Null means the same as leaving it out. */
export function isNull(node: ConfigNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}
