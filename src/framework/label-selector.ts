import { ConfigurationError } from './errors.ts';

/** How the value of one label is judged; `values` has one or more entries for `in` and `notin`, one integer for `gt` and `lt`. */
export interface Requirement {
  readonly key: string;
  readonly operator: 'in' | 'notin' | 'exists' | 'absent' | 'gt' | 'lt';
  /** Sorted, each once. */
  readonly values: readonly string[];
}

/** Conditions that must all hold, in canonical order, each once; none selects everything. */
export type LabelSelector = readonly Requirement[];

const PART = '[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?';
const DNS_LABEL = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const VALUE = new RegExp(`^(?:${PART})?$`);
const KEY = new RegExp(`^(?:(?=[^/]{1,253}/)${DNS_LABEL}(?:\\.${DNS_LABEL})*/)?${PART}$`);
/** The API takes only what can be a label value, which no sign can be in front of. */
const INTEGER = /^\d{1,18}$/;

/** A word, a sign, or one character that can start neither. */
const TOKEN = /[^\s=!(),<>]+|==|!=|[=!(),<>]/g;
const SIGN = /^[=!(),<>]/;

interface Token {
  /** '' at the end of the text. */
  readonly text: string;
  /** Position in the text, from 1. */
  readonly column: number;
}

/**
 * Reads a selector as the API's `labelSelector` has it: `a=b,c==d,e!=f,g in (h,i),j notin (k),l,!m,n>1,o<2`. White space
 * between words is ignored; the empty text selects everything. Throws `ConfigurationError` that names the column.
 */
export function parseLabelSelector(text: string): LabelSelector {
  const tokens: Token[] = [];
  for (const match of text.matchAll(TOKEN)) tokens.push({ text: match[0], column: match.index + 1 });
  if (tokens.length === 0) return [];
  return canonical(new SelectorParser(text, tokens).parse());
}

/** The selector of `matchLabels`: every label has exactly its value. */
export function matchLabelsSelector(labels: ReadonlyMap<string, string>): LabelSelector {
  return canonical(Array.from(labels, ([key, value]) => ({ key, operator: 'in', values: [value] })));
}

/** Why `key` cannot be the name of a label; undefined when it can. */
export function labelKeyProblem(key: string): string | undefined {
  return KEY.test(key) ? undefined : `"${key}" is not a label key`;
}

/** Why `value` cannot be the value of a label; undefined when it can. */
export function labelValueProblem(value: string): string | undefined {
  return VALUE.test(value) ? undefined : `"${value}" is not a label value`;
}

/** Text that selects the same and reads back as the same; equal for equal selectors. */
export function formatLabelSelector(selector: LabelSelector): string {
  return selector.map(formatRequirement).join();
}

/** Whether all conditions hold. `notin` holds for a missing label; `in`, `gt` and `lt` do not. */
export function matchesLabels(selector: LabelSelector, labels: ReadonlyMap<string, string>): boolean {
  return selector.every((requirement) => holds(requirement, labels.get(requirement.key)));
}

function holds({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'gt':
      return value !== undefined && INTEGER.test(value) && BigInt(value) > BigInt(values[0] ?? 0);
    case 'lt':
      return value !== undefined && INTEGER.test(value) && BigInt(value) < BigInt(values[0] ?? 0);
    default:
      return operator satisfies never;
  }
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'in':
      return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join()})`;
    case 'notin':
      return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${values.join()})`;
    case 'exists':
      return key;
    case 'absent':
      return `!${key}`;
    case 'gt':
      return `${key}>${values[0]}`;
    case 'lt':
      return `${key}<${values[0]}`;
    default:
      return operator satisfies never;
  }
}

function canonical(requirements: readonly Requirement[]): LabelSelector {
  const byText = new Map(requirements.map((one) => [formatRequirement(one), one]));
  return [...byText]
    .sort(([a, { key: aKey }], [b, { key: bKey }]) => compare(aKey, bKey) || compare(a, b))
    .map(([, requirement]) => requirement);
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Reads the words of one selector from left to right. */
class SelectorParser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string, tokens: readonly Token[]) {
    this.#text = text;
    this.#tokens = tokens;
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = [];
    for (;;) {
      requirements.push(this.#requirement());
      const token = this.#next();
      if (token.text === '') return requirements;
      if (token.text !== ',') this.#fail(token, "',' or the end");
    }
  }

  #requirement(): Requirement {
    if (this.#peek().text === '!') {
      this.#next();
      return { key: this.#key(), operator: 'absent', values: [] };
    }
    const key = this.#key();
    const token = this.#peek();
    switch (token.text) {
      case '':
      case ',':
        return { key, operator: 'exists', values: [] };
      case '=':
      case '==':
        this.#next();
        return { key, operator: 'in', values: [this.#value()] };
      case '!=':
        this.#next();
        return { key, operator: 'notin', values: [this.#value()] };
      case 'in':
      case 'notin':
        this.#next();
        return { key, operator: token.text, values: this.#values() };
      case '>':
      case '<':
        this.#next();
        return { key, operator: token.text === '>' ? 'gt' : 'lt', values: [this.#integer()] };
      default:
        return this.#fail(token, "an operator, ',' or the end");
    }
  }

  #key(): string {
    const token = this.#next();
    if (token.text === '' || SIGN.test(token.text)) this.#fail(token, 'a label key');
    if (!KEY.test(token.text)) this.#fail(token, 'a label key: optional DNS prefix, /, name of at most 63');
    return token.text;
  }

  /** A label value; the empty one is no word at all. */
  #value(): string {
    const token = this.#peek();
    if (token.text === '' || token.text === ',' || token.text === ')') return '';
    if (SIGN.test(token.text)) this.#fail(token, 'a label value');
    if (!VALUE.test(token.text)) this.#fail(token, 'a label value: at most 63 of A-Z a-z 0-9 - _ .');
    return this.#next().text;
  }

  #integer(): string {
    const token = this.#next();
    if (!INTEGER.test(token.text)) this.#fail(token, 'an integer');
    return String(BigInt(token.text));
  }

  #values(): string[] {
    const open = this.#next();
    if (open.text !== '(') this.#fail(open, "'('");
    const values = new Set<string>();
    for (;;) {
      values.add(this.#value());
      const token = this.#next();
      if (token.text === ')') return [...values].sort();
      if (token.text !== ',') this.#fail(token, "',' or ')'");
    }
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { text: '', column: this.#text.length + 1 };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }

  #fail(token: Token, wanted: string): never {
    const got = token.text === '' ? 'the end' : `'${token.text}'`;
    throw new ConfigurationError(
      `label selector "${this.#text}": got ${got} at column ${token.column}, want ${wanted}`,
    );
  }
}
