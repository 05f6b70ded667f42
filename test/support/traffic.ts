import type { HttpAnswer } from './http-client.ts';

/** One exchange of a client; times in `performance.now()`. */
export interface TrafficEntry {
  readonly answer: HttpAnswer;
  readonly sentMs: number;
  readonly endedMs: number;
}

/** Clients that send one request after the other until told to stop. */
export class Traffic {
  /** In the order in which they ended. */
  readonly entries: TrafficEntry[] = [];
  readonly #stop = new AbortController();
  readonly #done: Promise<unknown>;

  /** `next`: sends one request. */
  constructor(clients: number, next: () => Promise<HttpAnswer>) {
    this.#done = Promise.all(Array.from({ length: clients }, () => this.#run(next)));
  }

  /** Exchanges that lie whole between two moments. */
  between(fromMs: number, toMs: number): TrafficEntry[] {
    return this.entries.filter(({ sentMs, endedMs }) => sentMs > fromMs && endedMs < toMs);
  }

  /** Exchanges sent after a moment. */
  since(fromMs: number): TrafficEntry[] {
    return this.between(fromMs, Number.POSITIVE_INFINITY);
  }

  /** Longest exchange in milliseconds. */
  get slowestMs(): number {
    return this.entries.reduce((max, { sentMs, endedMs }) => Math.max(max, endedMs - sentMs), 0);
  }

  /** Resolves when every client has its last answer. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(next: () => Promise<HttpAnswer>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const sentMs = performance.now();
      const answer = await next();
      this.entries.push({ answer, sentMs, endedMs: performance.now() });
    }
  }
}

/** Whether the client got everything. */
export function isGood({ answer }: TrafficEntry): boolean {
  return answer.status === 200 && !answer.isCut;
}

/** Whether the client got everything, to the last word that such an answer has. */
export function isComplete(entry: TrafficEntry): boolean {
  const { headers, body } = entry.answer;
  if (!isGood(entry)) return false;
  const text = body.toString();
  return headers['content-type']?.startsWith('text/event-stream') === true
    ? text.endsWith('data: [DONE]\n\n')
    : text.startsWith('{') && text.trimEnd().endsWith('}');
}
