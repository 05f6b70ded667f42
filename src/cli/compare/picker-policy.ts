import type { EndpointPickerConfig } from '../../config/load.ts';
import { PollGroup } from '../../data/poll-group.ts';
import { staticEndpoints } from '../../data/static-endpoints.ts';
import { DecisionContext } from '../../extproc/decision-context.ts';
import { parseHostPort } from '../../framework/endpoint.ts';
import { Headers } from '../../framework/headers.ts';
import { InferenceRequest } from '../../framework/request.ts';
import { InferenceResponse } from '../../framework/response.ts';
import { createLog } from '../../telemetry/logger.ts';
import { MetricRegistry } from '../../telemetry/registry.ts';
import { RequestMetrics } from '../../telemetry/request-metrics.ts';
import type { Clock } from '../../util/clock.ts';
import { parseFlags } from '../flags.ts';
import { PoolRuntime } from '../pool-runtime.ts';
import type { Route, RoutingPolicy } from './policies.ts';
import type { SimulatedServer } from './simulated-pool.ts';

/** What a picker of the comparison is made with. */
export interface PickerInputs {
  readonly config: EndpointPickerConfig;
  readonly servers: readonly SimulatedServer[];
  readonly clock: Clock;
  readonly seed: number;
  /** Errors that the picker logs. */
  onLog(line: string): void;
}

const OK_HEADERS = [
  [':status', '200'],
  ['content-type', 'text/event-stream'],
] as const;
const CHUNK = Buffer.from('data: {"choices":[{"delta":{"content":"word"}}]}\n\n');
const LAST_CHUNK = Buffer.from('data: [DONE]\n\n');

/**
 * The picker as `epp serve` wires it, with its default flags, called as the ext-proc exchange calls it: request in,
 * destination out, headers and body of the answer past it. Only sockets are missing: what a scrape returns comes from the
 * simulated server itself, by a source put in place of `metrics-data-source` before the configuration was loaded.
 */
export class PickerPolicy implements RoutingPolicy {
  readonly #runtime: PoolRuntime;
  readonly #clock: Clock;
  readonly #indexOf: ReadonlyMap<string, number>;

  private constructor(runtime: PoolRuntime, { clock, servers }: PickerInputs) {
    this.#runtime = runtime;
    this.#clock = clock;
    this.#indexOf = new Map(servers.map((server, i) => [server.hostPort, i]));
  }

  /** Resolves when every server has been scraped once. */
  static async start(inputs: PickerInputs): Promise<PickerPolicy> {
    const { config, clock, servers, onLog } = inputs;
    const log = createLog({ verbosity: 0, level: 'error', isTerminal: false }, clock, { write: onLog });
    const registry = new MetricRegistry({ deprecatedTwins: false });
    let seeds = inputs.seed;
    const runtime = PoolRuntime.create({
      options: parseFlags([], {}).options,
      config,
      configSource: 'configuration',
      log,
      clock,
      instruments: registry,
      environment: {},
      poolName: 'compared',
      pools: 1,
      shared: {
        polls: new PollGroup(clock),
        metrics: new RequestMetrics(registry, clock),
        pinModel: (model) => registry.pinModel(model),
      },
      nextSeed: () => (seeds += 1),
    });
    if (runtime === undefined)
      throw new Error('a plugin of the compared configuration cannot be constructed');
    const addresses = servers.flatMap(({ hostPort }) => parseHostPort(hostPort) ?? []);
    await runtime.start(async () => runtime.store.replaceAll(staticEndpoints(addresses)));
    return new PickerPolicy(runtime, inputs);
  }

  async route(body: Buffer): Promise<Route> {
    const headers = new Headers();
    headers.receive(':method', 'POST');
    headers.receive(':path', '/v1/chat/completions');
    headers.receive('content-type', 'application/json');
    const request = new InferenceRequest(headers, this.#clock.nowMs());
    const { requestStage, responseStage } = this.#runtime;
    requestStage.accept(request);
    const { destination } = await requestStage.decide(request, body, new DecisionContext('whole', undefined));
    const server = this.#indexOf.get(destination.split(',', 1)[0] ?? '');
    if (server === undefined) throw new Error(`the picker chose "${destination}", which is no server`);
    const response = new InferenceResponse();
    return {
      server,
      onToken: (count, isLast) => {
        if (count === 1) {
          response.status = 200;
          response.headers = answerHeaders();
          responseStage.headers(request, response);
        }
        if (count === 1 || isLast)
          responseStage.chunk(request, response, isLast ? LAST_CHUNK : CHUNK, isLast);
        if (!isLast) return;
        response.cause = 'natural';
        responseStage.end(request, response);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runtime[Symbol.asyncDispose]();
  }
}

function answerHeaders(): Headers {
  const headers = new Headers();
  for (const [name, value] of OK_HEADERS) headers.receive(name, value);
  return headers;
}
