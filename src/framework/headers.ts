/** Places in a received text are kept as `start × MAX_LENGTH + length`, a small integer. */
const MAX_LENGTH = 1 << 14;
const MAX_START = 1 << 16;

const NO_NAMES: readonly string[] = [];

/** Token of RFC 9110 in lower case; those of HTTP/2 that are no fields begin with a colon. */
const NAME = /^:?[!#$%&'*+.^_`|~0-9a-z-]+$/;

/**
 * HTTP headers of one message as received, plus what the picker changed. Names are lower case; repeated
 * names are kept in order. A scan over about 20 entries beats building a map for the few names that are read, and most
 * values are never read, so those of a text stay in it until they are.
 */
export class Headers {
  /** Bytes, one to a character. */
  readonly #text: string;
  readonly #names: string[] = [];
  /** A value, or its place in the text. */
  readonly #values: (string | number)[] = [];
  /** Names whose value differs from what was received. */
  #changed: string[] | undefined = undefined;
  /** Received names that were removed. */
  #removed: string[] | undefined = undefined;

  /** `text`: what `receivePart` refers to, UTF-8 with one byte to a character. */
  constructor(text = '') {
    this.#text = text;
  }

  /** Adds an entry as received from the data plane; `name` is lower-cased here. Not recorded as a change. */
  receive(name: string, value: string): void {
    this.#names.push(name.toLowerCase());
    this.#values.push(value);
  }

  /** Like `receive`, of a lower-case name and the part `[start, end)` of the text as value. */
  receivePart(name: string, start: number, end: number): void {
    const length = end - start;
    this.#names.push(name);
    this.#values.push(
      length < MAX_LENGTH && start < MAX_START ? start * MAX_LENGTH + length : this.#part(start, end),
    );
  }

  /** First value of `name` (lower case); undefined when absent. */
  get(name: string): string | undefined {
    const i = this.#names.indexOf(name);
    return i < 0 ? undefined : this.#value(i);
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  get size(): number {
    return this.#names.length;
  }

  /**
   * Replaces all values of `name` (lower case) by one; recorded as a change unless the value is the same. Throws `TypeError`
   * for what is no name or no value, which no server would take.
   */
  set(name: string, value: string): void {
    const i = this.#names.indexOf(name);
    if (i >= 0 && this.#value(i) === value && this.#names.indexOf(name, i + 1) < 0) return;
    checkHeader(name, value);
    this.#drop(name);
    this.#names.push(name);
    this.#values.push(value);
    this.#changed ??= [];
    if (!this.#changed.includes(name)) this.#changed.push(name);
    const removed = this.#removed?.indexOf(name) ?? -1;
    if (removed >= 0) this.#removed?.splice(removed, 1);
  }

  /** Removes all values of `name` (lower case); recorded when it was present. */
  remove(name: string): void {
    if (!this.#drop(name)) return;
    const changed = this.#changed?.indexOf(name) ?? -1;
    if (changed >= 0) this.#changed?.splice(changed, 1);
    this.#removed ??= [];
    if (!this.#removed.includes(name)) this.#removed.push(name);
  }

  /** Removes every entry whose name is in `names`, in one pass; recorded like `remove`. */
  removeEach(names: ReadonlySet<string>): void {
    for (let i = this.#names.length - 1; i >= 0; i -= 1) {
      const name = this.#names[i] ?? '';
      if (names.has(name)) this.remove(name);
    }
  }

  /** Calls `visit` for every current entry. */
  forEach(visit: (name: string, value: string) => void): void {
    for (let i = 0; i < this.#names.length; i += 1) visit(this.#names[i] ?? '', this.#value(i));
  }

  /** Names set to a new value, in order; read the value with `get`. */
  get changedNames(): readonly string[] {
    return this.#changed ?? NO_NAMES;
  }

  /** Received names that are to be removed. */
  get removedNames(): readonly string[] {
    return this.#removed ?? NO_NAMES;
  }

  #value(i: number): string {
    const value = this.#values[i] ?? '';
    if (typeof value === 'string') return value;
    const start = Math.floor(value / MAX_LENGTH);
    const text = this.#part(start, start + (value % MAX_LENGTH));
    this.#values[i] = text;
    return text;
  }

  #part(start: number, end: number): string {
    const text = this.#text.slice(start, end);
    for (let i = 0; i < text.length; i += 1) {
      if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'latin1').toString('utf8');
    }
    return text;
  }

  #drop(name: string): boolean {
    let dropped = false;
    for (let i = this.#names.indexOf(name); i >= 0; i = this.#names.indexOf(name, i)) {
      this.#names.splice(i, 1);
      this.#values.splice(i, 1);
      dropped = true;
    }
    return dropped;
  }
}

/** Plugins of one's own may give anything. */
function checkHeader(name: unknown, value: unknown): void {
  if (typeof name !== 'string' || !NAME.test(name))
    throw new TypeError(`got ${shown(name)} as header name, want lower-case letters, digits and hyphens`);
  if (typeof value !== 'string') throw new TypeError(`header ${name}: got a value that is no text`);
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f)
      throw new TypeError(`header ${name}: got a value with a line break or another control character`);
  }
}

function shown(name: unknown): string {
  return typeof name === 'string' ? JSON.stringify(name) : typeof name;
}
