import { NO_BODY, type ParsedBody } from '../framework/body.ts';
import { Endpoint, type EndpointMetrics, hostPort } from '../framework/endpoint.ts';
import { ConfigurationError } from '../framework/errors.ts';
import { Headers } from '../framework/headers.ts';
import { endpointId } from '../framework/ids.ts';
import type { Instruments } from '../framework/instruments.ts';
import type { Log } from '../framework/log.ts';
import type { PluginContext } from '../framework/plugin.ts';
import { InferenceRequest } from '../framework/request.ts';
import { InferenceResponse } from '../framework/response.ts';
import type { Clock } from '../util/clock.ts';
import { SeededRng } from '../util/rng.ts';

/** What is said about an endpoint; everything else has a plain default. */
export interface EndpointOptions extends Partial<EndpointMetrics> {
  readonly name?: string;
  readonly namespace?: string;
  readonly address?: string;
  readonly port?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly rankIndex?: number;
  /** Distinct for each endpoint of one pool; 0 and up. */
  readonly slot?: number;
  readonly inFlightRequests?: number;
}

let nextSlot = 0;

/** An endpoint with fresh metrics as given; slots are handed out in turn. */
export function endpoint(options: EndpointOptions = {}): Endpoint {
  const { slot = nextSlot++ % 1024, inFlightRequests = 0, labels = {}, rankIndex = 0, ...rest } = options;
  const { name = `e${slot}`, namespace = 'default', port = 8000, ...others } = rest;
  const { address = `10.0.${slot >> 8}.${slot & 255}`, updatedAtMs = 1_000_000, ...metrics } = others;
  const built = new Endpoint(
    {
      id: endpointId(namespace, name),
      namespace,
      name,
      address,
      port,
      nodeAddress: '',
      metricsHost: hostPort(address, port),
      labels: new Map(Object.entries(labels)),
      rankIndex,
    },
    slot,
  );
  Object.assign(built.scraped, metrics, { updatedAtMs });
  built.isFresh = true;
  built.inFlightRequests = inFlightRequests;
  return built;
}

/** What is said about a request. */
export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly model?: string;
  /** After rewriting; `model` when not given. */
  readonly targetModel?: string;
  readonly priority?: number;
  readonly body?: Partial<ParsedBody>;
}

/** A parsed request. */
export function request(options: RequestOptions = {}): InferenceRequest {
  const headers = new Headers();
  for (const [name, value] of Object.entries(options.headers ?? {})) headers.receive(name, value);
  const built = new InferenceRequest(headers, 1_000_000);
  built.requestId = `request-${built.streamId}`;
  built.method = 'POST';
  built.path = 'v1/chat/completions';
  built.body = { ...NO_BODY, api: 'chat', model: options.model ?? 'model', ...options.body };
  built.targetModel = options.targetModel ?? built.body.model;
  built.priority = options.priority ?? 0;
  return built;
}

/** The answer to a request as it is when its headers are in. */
export function response(status = 200): InferenceResponse {
  const built = new InferenceResponse();
  built.status = status;
  built.headers = new Headers();
  return built;
}

const nothing = (): void => {};

/** Time stands still: a plugin that is only constructed must not begin to work. */
const STOPPED_CLOCK: Clock = {
  nowMs: () => 1_000_000,
  wallMs: () => 0,
  after: () => nothing,
  every: () => nothing,
};

const SILENT_LOG: Log = {
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  trace: nothing,
  isLevelEnabled: () => false,
};

const UNREAD_INSTRUMENTS: Instruments = {
  counter: () => ({ value: 0 }),
  histogram: () => ({ observe: nothing }),
  gauge: () => nothing,
};

/** Enough to construct a plugin: a clock that stands still, a fixed seed, nothing logged; `given` replaces parts. */
export function context(given: Partial<PluginContext> = {}): PluginContext {
  const name = given.name ?? 'plugin';
  return {
    name,
    type: name,
    clock: STOPPED_CLOCK,
    rng: new SeededRng(1),
    log: SILENT_LOG,
    instruments: UNREAD_INSTRUMENTS,
    endpoints: () => [],
    pools: 1,
    signal: AbortSignal.abort(),
    environment: {},
    plugin: (other) => {
      throw new ConfigurationError(`it does not declare that it refers to '${other}'`);
    },
    ...given,
  };
}
