import { Agent, request as httpRequest } from 'undici';
import type { Clock } from '../../../util/clock.ts';

/** Under the 5 s after which uvicorn, which the servers run on, closes an idle connection. */
const KEEP_ALIVE_MS = 4_500;
const CONNECT_TIMEOUT_MS = 2_000;
/** Ten thousand predictions are about 3 MB. */
const MAX_ANSWER_BYTES = 32 * 2 ** 20;
/** Of an answer that says what went wrong. */
const MAX_SHOWN_CHARS = 200;

/** One call: what is sent and when it is over. */
export interface JsonCall {
  readonly method: 'GET' | 'POST';
  /** Absolute. */
  readonly url: string;
  /** JSON text; '' for none. */
  readonly body: string;
  /** The only status that is a success. */
  readonly wantStatus: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** JSON over HTTP on kept connections. Every failure is an `Error` that says who answered what. */
export class JsonClient {
  readonly #agent: Agent;
  readonly #clock: Clock;

  /** `connections`: most to one server. Connects on first use; `close` when done. */
  constructor(connections: number, clock: Clock) {
    this.#clock = clock;
    this.#agent = new Agent({
      connections,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connect: { timeout: CONNECT_TIMEOUT_MS },
    });
  }

  /** The decoded body. Rejects as `send` does, and on a body that is no JSON. */
  async call(call: JsonCall): Promise<unknown> {
    return parse(await this.send(call), call.url);
  }

  /** The body as it is, which may be empty. Rejects on any status but `wantStatus`, and when time is up. */
  async send({ method, url, body, wantStatus, timeoutMs, signal }: JsonCall): Promise<string> {
    const deadline = new AbortController();
    const cancel = this.#clock.after(timeoutMs, () =>
      deadline.abort(new Error(`${url}: no answer within ${timeoutMs} ms`)),
    );
    try {
      const response = await httpRequest(url, {
        method,
        dispatcher: this.#agent,
        headers: body === '' ? {} : { 'content-type': 'application/json' },
        body: body === '' ? null : body,
        signal: AbortSignal.any([signal, deadline.signal]),
      });
      const text = await textOf(response.body, url);
      if (response.statusCode !== wantStatus) {
        throw new Error(
          `${url}: HTTP ${response.statusCode}, want ${wantStatus}: ${text.slice(0, MAX_SHOWN_CHARS)}`,
        );
      }
      return text;
    } catch (error) {
      throw deadline.signal.aborted ? deadline.signal.reason : error;
    } finally {
      cancel();
    }
  }

  /** Ends all calls under way. */
  close(): void {
    void this.#agent.destroy().catch(() => undefined); // it has nothing left to tell
  }
}

async function textOf(body: AsyncIterable<Uint8Array>, url: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error(`${url}: more than ${MAX_ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parse(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${url}: the answer is no JSON: ${text.slice(0, MAX_SHOWN_CHARS)}`, { cause });
  }
}

/** Member `name` of a decoded JSON object; undefined when there is none. */
export function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name]; // an object with that key of its own
}
