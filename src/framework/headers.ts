/**
 * HTTP headers of one message as received, plus what the picker changed. Names are lower case; repeated
 * names are kept in order. A scan over about 20 entries beats building a map for the few names that are read.
 */
export class Headers {
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  /** Names whose value differs from what was received. */
  readonly #changed: string[] = [];
  /** Received names that were removed. */
  readonly #removed: string[] = [];

  /** Adds an entry as received from the data plane; `name` is lower-cased here. Not recorded as a change. */
  receive(name: string, value: string): void {
    this.#names.push(name.toLowerCase());
    this.#values.push(value);
  }

  /** First value of `name` (lower case); undefined when absent. */
  get(name: string): string | undefined {
    const i = this.#names.indexOf(name);
    return i < 0 ? undefined : this.#values[i];
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  get size(): number {
    return this.#names.length;
  }

  /** Replaces all values of `name` (lower case) by one; recorded as a change unless the value is the same. */
  set(name: string, value: string): void {
    const i = this.#names.indexOf(name);
    if (i >= 0 && this.#values[i] === value && this.#names.indexOf(name, i + 1) < 0) return;
    this.#drop(name);
    this.#names.push(name);
    this.#values.push(value);
    if (!this.#changed.includes(name)) this.#changed.push(name);
    const removed = this.#removed.indexOf(name);
    if (removed >= 0) this.#removed.splice(removed, 1);
  }

  /** Removes all values of `name` (lower case); recorded when it was present. */
  remove(name: string): void {
    if (!this.#drop(name)) return;
    const changed = this.#changed.indexOf(name);
    if (changed >= 0) this.#changed.splice(changed, 1);
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
    for (let i = 0; i < this.#names.length; i += 1) visit(this.#names[i] ?? '', this.#values[i] ?? '');
  }

  /** Names set to a new value, in order; read the value with `get`. */
  get changedNames(): readonly string[] {
    return this.#changed;
  }

  /** Received names that are to be removed. */
  get removedNames(): readonly string[] {
    return this.#removed;
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
