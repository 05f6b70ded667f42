import type { HeaderSink } from './hpack/decoder.ts';

/** Fields that belong to a connection of HTTP/1.1 (RFC 9113, section 8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/**
 * The fields of one header block that the transport looks at; the others are checked and dropped. One object is used
 * for all blocks of a connection. `isMalformed` is what RFC 9113, section 8.1.1 means: a stream error.
 */
export class RequestHead implements HeaderSink {
  method = '';
  path = '';
  contentType = '';
  /** `grpc-encoding`, `grpc-timeout`; '' when absent. */
  encoding = '';
  timeout = '';
  /** `content-length`; -1 when absent. */
  declaredBytes = -1;
  #scheme = '';
  #hasAuthority = false;
  #hasRegular = false;
  #isTrailers = false;
  #isMalformed = false;

  /** Before each block; `isTrailers` for one that ends a stream. */
  reset(isTrailers: boolean): void {
    this.method = '';
    this.path = '';
    this.contentType = '';
    this.encoding = '';
    this.timeout = '';
    this.declaredBytes = -1;
    this.#scheme = '';
    this.#hasAuthority = false;
    this.#hasRegular = false;
    this.#isTrailers = isTrailers;
    this.#isMalformed = false;
  }

  /** After each block. */
  get isMalformed(): boolean {
    if (this.#isMalformed || this.#isTrailers) return this.#isMalformed;
    return this.method === '' || this.path === '' || this.#scheme === '';
  }

  header(name: string, value: string): void {
    if (name.charCodeAt(0) === COLON) {
      this.#pseudo(name, value);
      return;
    }
    this.#hasRegular = true;
    if (!isFieldName(name) || !isFieldValue(value)) this.#isMalformed = true;
    switch (name) {
      case 'content-type':
        this.contentType = value;
        return;
      case 'grpc-encoding':
        this.encoding = value;
        return;
      case 'grpc-timeout':
        this.timeout = value;
        return;
      case 'te':
        if (value !== 'trailers') this.#isMalformed = true;
        return;
      case 'content-length':
        this.#contentLength(value);
        return;
      default:
        if (CONNECTION_FIELDS.has(name)) this.#isMalformed = true;
    }
  }

  /** Each at most once, known, not empty, and before all other fields (RFC 9113, section 8.3). */
  #pseudo(name: string, value: string): void {
    let isFirst = false;
    switch (name) {
      case ':method':
        isFirst = this.method === '';
        this.method = value;
        break;
      case ':path':
        isFirst = this.path === '';
        this.path = value;
        break;
      case ':scheme':
        isFirst = this.#scheme === '';
        this.#scheme = value;
        break;
      case ':authority':
        isFirst = !this.#hasAuthority;
        this.#hasAuthority = true;
        break;
      default:
    }
    const isAllowed = isFirst && !this.#hasRegular && !this.#isTrailers;
    if (!isAllowed || !isFieldValue(value)) this.#isMalformed = true;
  }

  #contentLength(value: string): void {
    const isFirst = this.declaredBytes < 0;
    this.declaredBytes = /^\d{1,15}$/.test(value) ? Number(value) : -1;
    if (!isFirst || this.declaredBytes < 0) this.#isMalformed = true;
  }
}

const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;

/** Printable, no upper case, no colon (RFC 9113, section 8.2.1). */
function isFieldName(name: string): boolean {
  for (let i = 0; i < name.length; i += 1) {
    const code = name.charCodeAt(i);
    if (code <= SPACE || code >= 0x7f || code === COLON || (code >= 0x41 && code <= 0x5a)) return false;
  }
  return name.length > 0;
}

/** No NUL, CR or LF, no white space at either end (RFC 9113, section 8.2.1). */
function isFieldValue(value: string): boolean {
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if (code === 0 || code === 0x0a || code === 0x0d) return false;
  }
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(value.length - 1));
}

/** NaN, of an empty value, is not. */
function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}
