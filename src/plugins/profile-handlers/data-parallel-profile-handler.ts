import { z } from 'zod';
import type { PreRequestHook } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { ProfileHandler, ProfileResults, SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { destinationAt, writeRankHeader } from './data-parallel/primary-port.ts';
import { onlyResult } from './one-profile/result.ts';

const NONE: readonly string[] = [];

const params = z.strictObject({
  primaryPort: z
    .int()
    .min(0)
    .max(65_535)
    .default(8000)
    .describe('Port to which every request of a pod goes; 0: the port of the chosen rank, and no header.'),
});

/**
 * Runs the only profile, sends the request to `primaryPort` of the chosen address, and names the chosen rank in
 * `x-data-parallel-host-port`. The result keeps the ranks: load and cache are counted where the request is served.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/profilehandler/dataparallel
 */
class DataParallelProfileHandler implements ProfileHandler, PreRequestHook {
  readonly #primaryPort: number;

  constructor(primaryPort: number) {
    this.#primaryPort = primaryPort;
  }

  pick(_request: InferenceRequest, names: readonly string[], results: ProfileResults): readonly string[] {
    return names.length === 1 && results.size === 0 ? names : NONE;
  }

  process(_request: InferenceRequest, results: ProfileResults): SchedulingResult {
    const own = onlyResult(results, `data parallel profile handler runs one profile, got ${results.size}`);
    return { ...own, destination: destinationAt(this.#primaryPort, own) };
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    writeRankHeader(request.headers, result);
  }
}

/** `data-parallel-profile-handler`. */
export const dataParallelProfileHandler = definePlugin({
  type: 'data-parallel-profile-handler',
  kinds: ['profile-handler', 'pre-request'],
  stability: 'beta',
  summary: 'Sends every request to one port of the chosen pod and names the chosen rank in a header.',
  replacedBy: 'single-profile-handler',
  params,
  create: ({ primaryPort }, { log, name }) => {
    if (primaryPort === 0) {
      log.warn({ plugin: name }, 'primaryPort is 0: destinations are not rewritten and no rank is named');
    }
    return new DataParallelProfileHandler(primaryPort);
  },
});
