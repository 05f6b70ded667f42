import type { HeaderMap, HeaderMutation, HeaderValue } from '../extproc/codec.ts';

/** A mutation Envoy would reject as a whole. */
export class MutationError extends Error {
  override readonly name = 'MutationError';
}

const APPEND_ACTION = { ADD_IF_ABSENT: 1, OVERWRITE_IF_EXISTS: 3 } as const;
const MAX_VALUE_BYTES = 16_384;

/** Headers of one connection only; never forwarded. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
]);

/** Headers of a message in order, names in lower case, pseudo headers included. */
export class HeaderList {
  #entries: (readonly [name: string, value: string])[] = [];

  add(name: string, value: string): void {
    this.#entries.push([name, value]);
  }

  /** Adds what Node received, without the headers of the connection. */
  addRaw(raw: readonly string[]): void {
    for (let i = 0; i + 1 < raw.length; i += 2) {
      const name = (raw[i] ?? '').toLowerCase();
      if (!HOP_BY_HOP.has(name)) this.add(name, raw[i + 1] ?? '');
    }
  }

  /** First value; undefined when absent. */
  get(name: string): string | undefined {
    return this.#entries.find((entry) => entry[0] === name)?.[1];
  }

  remove(name: string): void {
    this.#entries = this.#entries.filter((entry) => entry[0] !== name);
  }

  set(name: string, value: string): void {
    this.remove(name);
    this.add(name, value);
  }

  /** As Envoy sends it: every value as raw bytes. */
  toHeaderMap(): HeaderMap {
    return {
      headers: this.#entries.map(([key, value]) => ({ key, rawValue: Buffer.from(value, 'latin1') })),
    };
  }

  /** Pairs, without pseudo headers. */
  toPairs(): [string, string][] {
    return this.#entries.filter(([name]) => !name.startsWith(':')).map(([name, value]) => [name, value]);
  }

  /** Name, value, name, value, as Node takes them, without pseudo headers. */
  toRaw(): string[] {
    return this.toPairs().flat();
  }

  /**
   * Applies a picker's mutation by Envoy's rules: removals first; an unset action replaces; what may not be changed is
   * left alone. Throws `MutationError`, with nothing changed, for a mutation that Envoy answers with 500.
   */
  apply(mutation: HeaderMutation | undefined): void {
    if (mutation === undefined) return;
    const sets = (mutation.setHeaders ?? []).map(({ header, appendAction }) => ({
      name: checkedName(header.key),
      value: checkedValue(header),
      action: appendAction,
    }));
    for (const name of mutation.removeHeaders ?? []) {
      const key = checkedName(name);
      if (!key.startsWith(':') && isMutable(key)) this.remove(key);
    }
    for (const { name, value, action } of sets) {
      if (!isMutable(name)) continue;
      const exists = this.get(name) !== undefined;
      if (action === APPEND_ACTION.ADD_IF_ABSENT && exists) continue;
      if (action === APPEND_ACTION.OVERWRITE_IF_EXISTS && !exists) continue;
      this.set(name, value);
    }
  }
}

/** Envoy's default mutation rules. */
function isMutable(name: string): boolean {
  if (name === ':path' || name === ':status') return true;
  return !name.startsWith(':') && name !== 'host' && !name.startsWith('x-envoy-');
}

function checkedName(name: string | undefined): string {
  if (name !== undefined && /^:?[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) return name.toLowerCase();
  throw new MutationError(`header name: got ${JSON.stringify(name ?? '')}`);
}

function checkedValue({ key, value, rawValue }: HeaderValue): string {
  const hasRaw = rawValue !== undefined && rawValue.length > 0;
  if (hasRaw && value !== undefined && value !== '') {
    throw new MutationError(`header ${key}: both value and raw_value are set`);
  }
  const text = hasRaw ? Buffer.from(rawValue).toString('latin1') : (value ?? '');
  if (text.length > MAX_VALUE_BYTES) throw new MutationError(`header ${key}: value of ${text.length} bytes`);
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if ((code < 32 && code !== 9) || code === 127)
      throw new MutationError(`header ${key}: control character`);
  }
  return text;
}
