/** What the model servers say about a run. */
export interface ServerCounters {
  /** Prompt tokens looked up in the prefix cache, and those found there. */
  readonly queriedTokens: number;
  readonly hitTokens: number;
  readonly generatedTokens: number;
  /** Requests finished by each server, in order. */
  readonly finished: readonly number[];
}

const READ_LIMIT_MS = 5000;

/** Reads the servers' metrics pages. Rejects when one does not answer. */
export async function readCounters(servers: readonly string[]): Promise<ServerCounters> {
  const pages = await Promise.all(
    servers.map(async (server) => {
      const response = await fetch(`http://${server}/metrics`, {
        signal: AbortSignal.timeout(READ_LIMIT_MS),
      });
      return response.text();
    }),
  );
  const total = (name: string) => pages.reduce((sum, page) => sum + sumOf(page, name), 0);
  return {
    queriedTokens: total('vllm:prefix_cache_queries_total'),
    hitTokens: total('vllm:prefix_cache_hits_total'),
    generatedTokens: total('vllm:generation_tokens_total'),
    finished: pages.map((page) => sumOf(page, 'vllm:request_success_total')),
  };
}

/** Empties caches and counters of all servers. Rejects when one does not answer. */
export async function resetServers(servers: readonly string[]): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      const response = await fetch(`http://${server}/sim/reset`, {
        method: 'POST',
        signal: AbortSignal.timeout(READ_LIMIT_MS),
      });
      await response.text();
    }),
  );
}

/** Sum over the series of a family. */
function sumOf(page: string, name: string): number {
  let sum = 0;
  for (const line of page.split('\n')) {
    if (line.startsWith(`${name}{`)) sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}
