import type { Policy } from './policies.ts';
import { promptTokens, simulatedPool } from './simulated-pool.ts';
import { VirtualClock } from './virtual-clock.ts';
import type { Workload } from './workloads.ts';

/** What a workload did under a policy; requests of the warm-up are left out of everything. */
export interface RunResult {
  readonly workload: string;
  readonly policy: string;
  /** Times to first token in milliseconds, ascending. */
  readonly ttftMs: readonly number[];
  /** Prompt tokens that were found in a cache, 0 to 1. */
  readonly hitRate: number;
  /** Requests by server. */
  readonly requests: readonly number[];
  /** Requests answered to the end; all of them unless something is broken. */
  readonly answered: number;
}

/** What a run needs besides workload and policy. */
export interface RunOptions {
  readonly seed: number;
  /** Requests at the start that fill caches and queues and are not counted. */
  readonly warmUp: number;
  readonly signal: AbortSignal;
  /** Told of answers, of all requests. */
  onProgress(answered: number): void;
  onLog(line: string): void;
}

/**
 * Sends a workload through a policy to fresh servers, in virtual time: equal inputs give equal results, on any machine.
 * Resolves when every request is answered or `signal` aborts.
 */
export async function runWorkload(
  workload: Workload,
  policy: Policy,
  options: RunOptions,
): Promise<RunResult> {
  const { seed, warmUp, signal, onProgress, onLog } = options;
  const clock = new VirtualClock();
  const servers = simulatedPool(clock, seed);
  const starting = policy.start({ servers, clock, seed, onLog });
  const total = workload.arrivals.length;
  const ttftMs: number[] = [];
  const requests = servers.map(() => 0);
  let answered = 0;
  let measured = 0;
  let hits = 0;
  let asked = 0;
  let failure: unknown;
  const started = { routing: undefined as Awaited<typeof starting> | undefined };
  void starting.then(
    (routing) => {
      started.routing = routing;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  while (started.routing === undefined && failure === undefined) {
    await turn();
    if (started.routing === undefined) clock.step();
  }
  if (started.routing === undefined) throw failure;
  await using routing = started.routing;
  const send = async (index: number): Promise<void> => {
    const arrival = workload.arrivals[index];
    if (arrival === undefined) return;
    const sentMs = clock.nowMs();
    const { server, onToken } = await routing.route(arrival.body);
    const counts = index >= warmUp;
    if (counts) requests[server] = (requests[server] ?? 0) + 1;
    servers[server]?.submit(arrival.body, {
      onToken: (count, isLast, cachedTokens) => {
        onToken(count, isLast);
        if (count === 1 && counts) {
          ttftMs.push(clock.nowMs() - sentMs);
          hits += cachedTokens;
          asked += promptTokens(arrival.body);
        }
        if (!isLast) return;
        answered += 1;
        if (counts) measured += 1;
        onProgress(answered);
      },
    });
  };
  workload.arrivals.forEach(({ atMs }, index) => {
    clock.after(atMs, () => {
      send(index).catch((error: unknown) => {
        failure = error;
      });
    });
  });
  while (answered < total && failure === undefined && !signal.aborted) {
    if (!clock.step()) throw new Error(`${total - answered} requests are left and nothing goes on`);
    await turn();
  }
  if (failure !== undefined) throw failure;
  return {
    workload: workload.name,
    policy: policy.name,
    ttftMs: ttftMs.sort((a, b) => a - b),
    hitRate: asked === 0 ? 0 : hits / asked,
    requests,
    answered: measured,
  };
}

/** Lets everything that waits for promises go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
