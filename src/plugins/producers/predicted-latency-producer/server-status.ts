import type { Log } from '../../../framework/log.ts';
import { type JsonClient, member } from './json-client.ts';
import type { PredictionServer } from './prediction-servers.ts';

/** What a prediction server says of itself. */
export interface ServerStatus {
  /** False: it has no models; undefined: it did not say, or did not answer. */
  readonly isReady: boolean | undefined;
  /** '' when it did not say. */
  readonly modelType: string;
  /** `mean` or `quantile`; '' when it did not say. */
  readonly objectiveType: string;
}

const UNKNOWN: ServerStatus = { isReady: undefined, modelType: '', objectiveType: '' };

/** Asks the servers how they are, all at the same time, and marks those that have no models. Never rejects. */
export async function refreshStatus(
  servers: readonly PredictionServer[],
  http: JsonClient,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly log: Log },
): Promise<readonly ServerStatus[]> {
  return Promise.all(
    servers.map(async (server) => {
      const { timeoutMs, signal, log } = options;
      let answer: unknown;
      try {
        answer = await http.call({
          method: 'GET',
          url: `${server.url}/status`,
          body: '',
          wantStatus: 200,
          timeoutMs,
          signal,
        });
      } catch (error) {
        log.debug({ url: server.url, err: error }, 'a latency predictor does not say how it is');
        return UNKNOWN;
      }
      const isReady = member(answer, 'is_ready');
      if (server.isUntrained !== (isReady === false)) {
        server.isUntrained = isReady === false;
        log.info({ url: server.url, isReady: !server.isUntrained }, 'state of a latency predictor');
      }
      return {
        isReady: typeof isReady === 'boolean' ? isReady : undefined,
        modelType: textOf(member(answer, 'model_type')),
        objectiveType: textOf(member(answer, 'objective_type')),
      };
    }),
  );
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
