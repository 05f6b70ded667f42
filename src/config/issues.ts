import type { z } from 'zod';
import { type ConfigNode, entryOf, type Path, pathText, plainOf, positionOf } from './node.ts';
import type { ProblemCode, ProblemList } from './problems.ts';
import { suggest } from './suggest.ts';

type Issue = z.core.$ZodIssue;

/** A value that was checked, and where it stands. */
export interface Checked {
  readonly node: ConfigNode;
  /** What it was checked against. */
  readonly declaration: z.ZodType;
  /** Path of `node` in the whole document. */
  readonly path: Path;
  /** Keys that may stand at a path below `node`. */
  knownKeys(path: Path): readonly string[];
}

/** Keys people bring from elsewhere, with what to say. */
const HINTS: ReadonlyMap<string, string> = new Map([
  ['metadata', `EndpointPickerConfig is not a Kubernetes resource; remove metadata`],
  ['spec', `EndpointPickerConfig has no spec; its sections stand at the top level`],
  ['flowControl.priorityBands.queue', 'queues are not selectable; remove queue'],
  ['requestHandler.parser', 'parsers is a list; write parsers: [{pluginRef: …}]'],
]);

/** Reports what zod found, each mistake with its place in the text. */
export function reportIssues(issues: readonly Issue[], checked: Checked, problems: ProblemList): void {
  for (const issue of issues) reportIssue(issue, [], checked, problems);
}

function reportIssue(issue: Issue, prefix: Path, checked: Checked, problems: ProblemList): void {
  const below = [...prefix, ...issue.path.map(stepOf)];
  const path = [...checked.path, ...below];
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) unknownKey(key, below, checked, problems);
    return;
  }
  if (issue.code === 'invalid_union') {
    const nearest = issue.errors.toSorted((a, b) => a.length - b.length)[0] ?? [];
    for (const inner of nearest) reportIssue(inner, below, checked, problems);
    if (nearest.length > 0) return;
  }
  const node = nodeAt(checked.node, below);
  const at = positionOf(checked.node, below);
  const where = pathText(path);
  if (node === undefined && below.length > 0 && issue.code !== 'custom') {
    const key = String(below.at(-1));
    const parent = pathText(path.slice(0, -1));
    problems.error(
      'invalid-value',
      { path, at },
      `${parent === '' ? key : `${parent}: ${key}`} is missing, want ${wanted(issue)}`,
    );
    return;
  }
  const got = node === undefined ? 'nothing' : describe(node);
  const suggestion =
    issue.code === 'invalid_value' && node?.kind === 'scalar' && typeof node.value === 'string'
      ? suggest(
          node.value,
          issue.values.filter((value) => typeof value === 'string'),
        )
      : undefined;
  const code: ProblemCode =
    issue.code === 'custom' && node?.kind === 'map' ? 'invalid-parameters' : 'invalid-value';
  const message =
    issue.code === 'custom' && node?.kind === 'map'
      ? `${where}: ${issue.message}`
      : `${where}: got ${got}, want ${isDuration(issue, below, checked) ? DURATION : wanted(issue)}${unquote(issue, node)}`;
  problems.error(code, { path, at }, message, suggestion);
}

function unknownKey(key: string, below: Path, checked: Checked, problems: ProblemList): void {
  const path = [...checked.path, ...below, key];
  const at = positionOf(checked.node, [...below, key], { ofKey: true });
  const hint = HINTS.get(path.filter((step) => typeof step === 'string').join('.'));
  const known = checked.knownKeys(below);
  const suggestion = hint === undefined ? suggest(key, known) : undefined;
  const parent = pathText([...checked.path, ...below]);
  const place = parent === '' ? `unknown key '${key}'` : `${parent}: unknown key '${key}'`;
  const wantedKeys = known.length === 0 ? 'want none' : `want one of ${known.join(', ')}`;
  problems.error('unknown-key', { path, at }, hint ?? `${place}, ${wantedKeys}`, suggestion);
}

/** Numbers for list positions, text for keys. */
function stepOf(step: PropertyKey): string | number {
  return typeof step === 'number' ? step : String(step);
}

/** The node at `path`; undefined when the text has none. */
function nodeAt(root: ConfigNode, path: Path): ConfigNode | undefined {
  let node: ConfigNode | undefined = root;
  for (const step of path) {
    if (typeof step === 'number') node = node?.kind === 'list' ? node.items[step] : undefined;
    else node = entryOf(node, step)?.value;
  }
  return node;
}

/** What stands there, short. */
function describe(node: ConfigNode): string {
  if (node.kind === 'list') return 'a list';
  if (node.kind === 'map') return 'an object';
  if (typeof node.value !== 'string') return String(node.value);
  const text = node.value.length > 60 ? `${node.value.slice(0, 60)}…` : node.value;
  return JSON.stringify(text);
}

const DURATION = 'a duration such as "300ms" or "1m30s"';

/** A bare number where a duration belongs: some text is taken there, and not any. */
function isDuration(issue: Issue, below: Path, checked: Checked): boolean {
  if (issue.code !== 'invalid_type' || issue.expected !== 'string') return false;
  const isTaken = (text: string) => {
    const parsed = checked.declaration.safeParse(withText(plainOf(checked.node), below, text));
    const place = pathText(below);
    return parsed.success || !parsed.error.issues.some((other) => pathText(other.path.map(stepOf)) === place);
  };
  return isTaken('1s') && !isTaken('1 fortnight');
}

/** A copy of plain data with `text` at `path`. */
function withText(plain: unknown, path: Path, text: string): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return text;
  if (Array.isArray(plain))
    return plain.map((item, i) => (i === step ? withText(item, rest, text) : (item as unknown)));
  if (typeof plain !== 'object' || plain === null) return plain;
  const copy = new Map<string, unknown>(Object.entries(plain));
  copy.set(String(step), withText(copy.get(String(step)), rest, text));
  return Object.fromEntries(copy);
}

/** A scalar in quotes where a number or boolean belongs. */
function unquote(issue: Issue, node: ConfigNode | undefined): string {
  if (issue.code !== 'invalid_type' || node?.kind !== 'scalar' || typeof node.value !== 'string') return '';
  const isNumber =
    (issue.expected === 'number' || issue.expected === 'int') && /^-?[0-9.]+$/.test(node.value);
  const isBoolean = issue.expected === 'boolean' && /^(?:true|false)$/.test(node.value);
  return isNumber || isBoolean ? ' (remove the quotes)' : '';
}

const TYPE_NAMES: ReadonlyMap<string, string> = new Map([
  ['string', 'text'],
  ['number', 'a number'],
  ['int', 'a whole number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'an object'],
  ['record', 'an object'],
]);

/** What belongs there. */
function wanted(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_NAMES.get(issue.expected) ?? issue.expected;
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', Number(issue.minimum));
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', Number(issue.maximum));
    case 'invalid_value':
      return `one of ${issue.values.map((value) => String(value)).join(', ')}`;
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    case 'invalid_format':
    case 'invalid_key':
    case 'invalid_element':
    case 'invalid_union':
    case 'unrecognized_keys':
      return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
    case 'custom':
      return issue.message.replace(/^not /, '');
    default:
      return issue satisfies never;
  }
}

function bound(origin: string, relation: string, limit: number): string {
  if (origin === 'array' || origin === 'set')
    return `${relation} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  if (origin === 'string')
    return limit === 1 && relation === 'at least'
      ? 'text that is not empty'
      : `${relation} ${limit} characters`;
  return `${relation} ${limit}`;
}
