import type { z } from 'zod';
import { WANT_DURATION } from '../framework/schema.ts';
import { type ConfigNode, entryOf, type Path, pathText, plainOf, positionOf } from './node.ts';
import type { ProblemCode, ProblemList } from './problems.ts';
import { suggest } from './suggest.ts';

type Issue = z.core.$ZodIssue;
type Union = z.core.$ZodIssueInvalidUnion;

/** Messages of declarations that begin so are told together with what was got. */
const WANT = 'want ';

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

/** Checks plain data. The issues have the messages that the declaration gives, and '' where it gives none. */
export function check(declaration: z.ZodType, plain: unknown): z.ZodSafeParseResult<unknown> {
  return declaration.safeParse(plain, { error: () => '' });
}

/** Reports what `check` found, each mistake with its place in the text. */
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
  if (issue.code === 'invalid_key') {
    const at = positionOf(checked.node, below, { ofKey: true });
    problems.error('invalid-value', { path, at }, keyText(issue, below, checked));
    return;
  }
  if (issue.code === 'invalid_union' && issue.message === '') {
    const nearest = alternatives(issue).toSorted((a, b) => a.length - b.length)[0] ?? [];
    if (nearest.length > 0 && !nearest.some(isOfOtherKind)) {
      for (const inner of nearest) reportIssue(inner, below, checked, problems);
      return;
    }
  }
  const node = nodeAt(checked.node, below);
  const at = positionOf(checked.node, below);
  const suggestion =
    issue.code === 'invalid_value' && node?.kind === 'scalar' && typeof node.value === 'string'
      ? suggest(
          node.value,
          issue.values.filter((value) => typeof value === 'string'),
        )
      : undefined;
  const code: ProblemCode =
    issue.code === 'custom' && node?.kind === 'map' ? 'invalid-parameters' : 'invalid-value';
  problems.error(code, { path, at }, valueText(issue, below, checked), suggestion);
}

/** What is wrong with a value, or with the lack of one. */
function valueText(issue: Issue, below: Path, checked: Checked): string {
  const path = [...checked.path, ...below];
  const node = nodeAt(checked.node, below);
  const { message } = issue;
  if (message === '' || message.startsWith(WANT)) {
    const want = message || `${WANT}${wanted(issue, below, checked)}`;
    if (node !== undefined) return `${pathText(path)}: got ${describe(node)}, ${want}${unquote(issue, node)}`;
    const parent = pathText(path.slice(0, -1));
    const key = String(path.at(-1));
    return `${parent === '' ? key : `${parent}: ${key}`} is missing, ${want}`;
  }
  const got = node?.kind === 'scalar' ? describe(node) : '';
  const isSaid = got === '' || (got.startsWith('"') && message.includes(got));
  return `${pathText(path)}: ${message}${isSaid ? '' : ` (got ${got})`}`;
}

/** What is wrong with a key that people choose. */
function keyText(issue: z.core.$ZodIssueInvalidKey, below: Path, checked: Checked): string {
  const parent = pathText([...checked.path, ...below.slice(0, -1)]);
  const key = JSON.stringify(String(below.at(-1)));
  const [inner] = issue.issues;
  const message = issue.message || inner?.message || '';
  if (message !== '' && !message.startsWith(WANT)) return `${parent}: key ${key}: ${message}`;
  const want = inner === undefined ? 'another key' : wanted(inner, below, checked);
  return `${parent}: got the key ${key}, ${message || `${WANT}${want}`}`;
}

/** Of a union, the alternatives of the value's kind; all when it is of no such kind. */
function alternatives({ errors }: Union): readonly (readonly Issue[])[] {
  const ofKind = errors.filter((issues) => !issues.some(isOfOtherKind));
  return ofKind.length > 0 ? ofKind : errors;
}

/** The value is another kind of thing, or another constant. */
function isOfOtherKind({ code, path }: Issue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
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

/** Whether the text that is missing here is a duration: another text is refused as none. */
function isDuration(below: Path, checked: Checked): boolean {
  const parsed = check(checked.declaration, withText(plainOf(checked.node), below, 'no duration'));
  return !parsed.success && refusesDuration(parsed.error.issues, below);
}

function refusesDuration(issues: readonly Issue[], below: Path): boolean {
  return issues.some((issue) => {
    const rest = below.slice(issue.path.length);
    if (pathText(issue.path.map(stepOf)) !== pathText(below.slice(0, issue.path.length))) return false;
    if (issue.code === 'invalid_union') return issue.errors.some((inner) => refusesDuration(inner, rest));
    return rest.length === 0 && issue.message === WANT_DURATION;
  });
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
function wanted(issue: Issue, below: Path, checked: Checked): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.expected === 'string' && isDuration(below, checked)) return WANT_DURATION.slice(WANT.length);
      return TYPE_NAMES.get(issue.expected) ?? issue.expected;
    case 'too_small':
      return bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', Number(issue.minimum));
    case 'too_big':
      return bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', Number(issue.maximum));
    case 'invalid_value':
      return oneOf(issue.values);
    case 'not_multiple_of':
      return `a multiple of ${issue.divisor}`;
    case 'invalid_format':
      return issue.pattern === undefined ? `a valid ${issue.format}` : `text that matches ${issue.pattern}`;
    case 'invalid_union':
      return unionWanted(issue, below, checked);
    case 'invalid_key':
    case 'invalid_element':
    case 'unrecognized_keys':
    case 'custom':
      return 'another value';
    default:
      return issue satisfies never;
  }
}

/** What any of the alternatives takes; an empty text stands for absence and is not worth a word. */
function unionWanted(issue: Union, below: Path, checked: Checked): string {
  if ('options' in issue && issue.options !== undefined) return oneOf(issue.options);
  const wants = alternatives(issue).flatMap(([first]) => {
    if (
      first === undefined ||
      (first.code === 'invalid_value' && first.values.every((value) => value === ''))
    )
      return [];
    return [
      first.message.startsWith(WANT) ? first.message.slice(WANT.length) : wanted(first, below, checked),
    ];
  });
  return [...new Set(wants)].join(' or ') || 'another value';
}

function oneOf(values: readonly unknown[]): string {
  return `one of ${values.map((value) => (value === '' ? '""' : String(value))).join(', ')}`;
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
