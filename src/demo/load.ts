import { Agent, request as httpRequest } from 'node:http';
import { type Clock, sleep } from '../util/clock.ts';
import type { PlannedRequest } from './workload.ts';

/** What clients saw of a run. */
export interface LoadResult {
  /** Milliseconds from the planned time of a request to the first byte of its answer's body, in order of completion. */
  readonly ttftMs: readonly number[];
  /** Milliseconds to the last byte. */
  readonly totalMs: readonly number[];
  readonly sent: number;
  readonly completed: number;
  /** Answers that were no 200 or broke off, by what was seen. */
  readonly errors: ReadonlyMap<string, number>;
  /** From the first request to the last answer. */
  readonly durationMs: number;
}

/** How a run is made. */
export interface LoadOptions {
  /** `host:port`. */
  readonly gateway: string;
  readonly clock: Clock;
  /** Stops sending and cuts what is open. */
  readonly signal: AbortSignal;
  /** Called often, with the numbers so far. */
  onProgress(soFar: LoadResult): void;
}

const PROGRESS_INTERVAL_MS = 200;
const DRAIN_LIMIT_MS = 30_000;

/** Sends every request at its time, whatever has become of the others, and waits for the answers. */
export async function runLoad(plan: readonly PlannedRequest[], options: LoadOptions): Promise<LoadResult> {
  const { clock, signal } = options;
  using agent = new DisposableAgent({ keepAlive: true });
  const result = {
    ttftMs: [] as number[],
    totalMs: [] as number[],
    sent: 0,
    completed: 0,
    errors: new Map<string, number>(),
    durationMs: 0,
  };
  const fail = (what: string) => result.errors.set(what, (result.errors.get(what) ?? 0) + 1);
  const startMs = clock.nowMs();
  const open = new Set<Promise<void>>();
  const limit = new AbortController();
  const stop = AbortSignal.any([signal, limit.signal]);
  const stopProgress = clock.every(PROGRESS_INTERVAL_MS, () => options.onProgress(result));
  try {
    for (const { atMs, body } of plan) {
      const waitMs = startMs + atMs - clock.nowMs();
      if (waitMs > 0) await sleep(clock, waitMs, signal);
      if (signal.aborted) break;
      result.sent += 1;
      const one = send({ agent, gateway: options.gateway, body, clock, signal: stop })
        .then(({ firstByteMs, lastByteMs, error }) => {
          result.durationMs = lastByteMs - startMs;
          if (error !== undefined) {
            fail(error);
            return;
          }
          result.completed += 1;
          result.ttftMs.push(firstByteMs - startMs - atMs);
          result.totalMs.push(lastByteMs - startMs - atMs);
        })
        .then(() => void open.delete(one));
      open.add(one);
    }
    const cancelLimit = clock.after(DRAIN_LIMIT_MS, () => limit.abort());
    await Promise.all(open);
    cancelLimit();
  } finally {
    stopProgress();
  }
  return result;
}

class DisposableAgent extends Agent implements Disposable {
  [Symbol.dispose](): void {
    this.destroy();
  }
}

interface Sent {
  readonly firstByteMs: number;
  readonly lastByteMs: number;
  readonly error: string | undefined;
}

function send(options: {
  readonly agent: Agent;
  readonly gateway: string;
  readonly body: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<Sent> {
  const { agent, clock, signal } = options;
  return new Promise((resolve) => {
    let firstByteMs = Number.NaN;
    const finish = (error: string | undefined) => resolve({ firstByteMs, lastByteMs: clock.nowMs(), error });
    const request = httpRequest(`http://${options.gateway}/v1/chat/completions`, {
      agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(options.body) },
      signal,
    });
    request.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    request.on('response', (response) => {
      let tail = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        if (Number.isNaN(firstByteMs)) firstByteMs = clock.nowMs();
        tail = (tail + chunk).slice(-32);
      });
      response.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
      response.on('end', () => {
        if (response.statusCode !== 200) finish(`HTTP ${response.statusCode}`);
        else finish(tail.endsWith('data: [DONE]\n\n') ? undefined : 'answer broke off');
      });
    });
    request.end(options.body);
  });
}
