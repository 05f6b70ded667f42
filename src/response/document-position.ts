/** What a member's value is to the model restorer, by the member's name. */
export const MEMBER = { other: 0, model: 1, wrapper: 2 } as const;

/**
 * Where a JSON reader is, as far as the places matter at which an answer names its model: members of the outermost
 * object, and members of its `response` or `message`.
 */
export class DocumentPosition {
  /** Open brackets; may fall below 0 in what is no JSON. */
  depth = 0;
  /** The outermost value is an object. */
  #isObject = false;
  /** `response` or `message` is open, and an object. */
  #isInWrapper = false;
  /** At a depth that matters, the next string is a name. */
  expectsKey = false;
  /** Meaning of the member under way, one of `MEMBER`. */
  member: number = MEMBER.other;

  /** Before the first byte of a document. */
  reset(): void {
    this.depth = 0;
    this.#isObject = false;
    this.#isInWrapper = false;
    this.expectsKey = false;
    this.member = MEMBER.other;
  }

  /** Members at this depth matter. */
  get matters(): boolean {
    return (this.depth === 1 && this.#isObject) || (this.depth === 2 && this.#isInWrapper);
  }

  /** Greatest depth inside the outermost value at which something matters again. */
  get floor(): number {
    return this.#isInWrapper ? 2 : 1;
  }

  open(isObject: boolean): void {
    this.depth += 1;
    if (this.depth > 2) return;
    if (this.depth === 1) this.#isObject = isObject;
    else this.#isInWrapper = isObject && this.#isObject && this.member === MEMBER.wrapper;
    this.expectsKey = this.matters;
  }

  close(): void {
    this.depth -= 1;
    if (this.depth > 2) return;
    if (this.depth < 2) this.#isInWrapper = false;
    this.expectsKey = false;
    this.member = MEMBER.other;
  }

  comma(): void {
    this.expectsKey = this.matters;
  }

  /** A name was read. */
  key(name: string | undefined): void {
    this.expectsKey = false;
    if (name === 'model') this.member = MEMBER.model;
    else if (this.depth === 1 && (name === 'response' || name === 'message')) this.member = MEMBER.wrapper;
    else this.member = MEMBER.other;
  }
}
