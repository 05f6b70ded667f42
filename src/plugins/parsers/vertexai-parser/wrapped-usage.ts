import type { Usage } from '../../../framework/response.ts';
import { isObject } from '../json-body/decode.ts';
import { readOpenAiUsage } from '../json-body/usage.ts';

/** Most that is kept of an answer whose pieces are no documents of their own. */
const MAX_KEPT_BYTES = 1024 * 1024;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const DATA = 'data:';

/**
 * Reads the usage of an OpenAI answer that comes wrapped in messages: each may be a JSON document, or all together are
 * one, or they are a stream of server-sent events cut anywhere. Of more than 1 MiB the end is kept, where usage is.
 */
export class WrappedUsageReader {
  readonly #usage: Usage;
  #kept: Buffer[] = [];
  #keptBytes = 0;

  constructor(usage: Usage) {
    this.#usage = usage;
  }

  /** The content of one message; not kept. */
  push(data: Buffer): void {
    if (data.length === 0) return;
    const isWhole = data[0] === OPEN_BRACE && data.at(-1) === CLOSE_BRACE && this.#keptBytes === 0;
    if (isWhole && this.#read(data.toString('utf8'), false)) return;
    this.#kept.push(Buffer.from(data));
    this.#keptBytes += data.length;
    while (this.#keptBytes > MAX_KEPT_BYTES && this.#kept.length > 1) {
      this.#keptBytes -= this.#kept.shift()?.length ?? 0;
    }
  }

  /** No message follows. */
  finish(): void {
    if (this.#keptBytes === 0) return;
    const text = Buffer.concat(this.#kept).toString('utf8');
    this.#kept = [];
    this.#keptBytes = 0;
    if (this.#read(text, false)) return;
    for (const line of text.split('\n')) {
      if (line.startsWith(DATA) && line.includes('usage')) this.#read(line.slice(DATA.length), true);
    }
  }

  /** False when `text` is no JSON object. */
  #read(text: string, isEvent: boolean): boolean {
    try {
      const document: unknown = JSON.parse(text);
      if (!isObject(document)) return false;
      readOpenAiUsage(document, isEvent, this.#usage);
      return true;
    } catch {
      return false;
    }
  }
}
