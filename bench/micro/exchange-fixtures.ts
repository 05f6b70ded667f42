import { parseFlags } from '../../src/cli/flags.ts';
import { exchangeOptions } from '../../src/cli/serve-options.ts';
import { buildPipeline } from '../../src/config/build.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { staticEndpoints } from '../../src/data/static-endpoints.ts';
import { EndpointStore } from '../../src/data/store.ts';
import type { ExchangeServices } from '../../src/extproc/exchange-services.ts';
import { ExchangeStream } from '../../src/extproc/stream.ts';
import type { ByteStream } from '../../src/extproc/transport/transport.ts';
import { SaturationGate } from '../../src/flow/saturation-gate.ts';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';
import { ConditionalDecode } from '../../src/request/conditional-decode.ts';
import { Director } from '../../src/request/director.ts';
import { RequestHooks } from '../../src/request/hooks.ts';
import { InFlight } from '../../src/request/in-flight.ts';
import { ModelRewriter } from '../../src/request/model-rewrite.ts';
import { ParserRegistry } from '../../src/request/path.ts';
import { ResponseHandler } from '../../src/response/handler.ts';
import { refreshLoadViews } from '../../src/scheduling/load-view.ts';
import { Scheduler } from '../../src/scheduling/scheduler.ts';
import { createLog } from '../../src/telemetry/logger.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { RequestMetrics } from '../../src/telemetry/request-metrics.ts';
import { systemClock } from '../../src/util/clock.ts';
import { SeededRng } from '../../src/util/rng.ts';
import { ID_BYTES, type PreparedExchange, prepare, type WorkloadShape } from '../load/messages.ts';

const PREFIX_BYTES = 5;

/** The transport's place: takes everything at once and counts it. */
export class CountingStream implements ByteStream {
  bytes = 0;
  messages = 0;
  hasEnded = false;

  write(message: Uint8Array): boolean {
    this.bytes += message.length;
    this.messages += 1;
    return true;
  }

  writeAround(_before: Uint8Array, beforeBytes: number, body: Uint8Array, after: Uint8Array): boolean {
    this.bytes += beforeBytes + body.length + after.length;
    this.messages += 1;
    return true;
  }

  pause(): void {}

  resume(): void {}

  end(): void {
    this.hasEnded = true;
  }
}

/**
 * What `epp serve --endpoints` with four endpoints and the default configuration wires behind its transport, with fresh
 * metrics and without scraping; see `cli/run.ts`.
 */
export function pickerServices(): ExchangeServices {
  const { options } = parseFlags(
    ['--endpoints', '10.0.0.1:8000,10.0.0.2:8000,10.0.0.3:8000,10.0.0.4:8000'],
    {},
  );
  const clock = systemClock;
  const root = createLog({ verbosity: options.verbosity, isTerminal: false }, clock);
  const registry = new MetricRegistry({ deprecatedTwins: options.deprecatedMetrics });
  const store = new EndpointStore(root.component('pool'));
  const { document } = loadConfiguration('', { catalogue: CATALOGUE, allowExperimental: false });
  if (document === undefined) throw new Error('the default configuration does not load');
  const { pipeline } = buildPipeline(document, (name, type) => ({
    name,
    type,
    clock,
    rng: new SeededRng(1),
    log: root.component(name),
    instruments: registry,
    endpoints: () => store.endpoints,
    pools: 1,
    signal: new AbortController().signal,
    environment: {},
  }));
  if (pipeline === undefined) throw new Error('the default configuration does not build');
  for (const { plugin } of pipeline.endpointObservers) store.observe(plugin);
  store.replaceAll(staticEndpoints(options.endpoints));
  for (const endpoint of store.endpoints) endpoint.scraped.updatedAtMs = Number.POSITIVE_INFINITY;

  const inFlight = new InFlight();
  const observer = new RequestMetrics(registry, clock);
  const services = { clock, instruments: registry, log: root.component('bench') };
  const rewriter = new ModelRewriter({ rng: new SeededRng(1), instruments: registry, pinModel: () => {} });
  const gate = new SaturationGate(pipeline.saturationDetector.plugin, clock);
  const scheduler = new Scheduler({ ...services, ...pipeline });
  return {
    ...services,
    options: exchangeOptions(options, 1),
    requestStage: new Director(
      {
        ...services,
        parsers: new ParserRegistry(pipeline.parsers, services.log),
        hooks: new RequestHooks(pipeline, services),
        inFlight,
        endpoints: () => store.endpoints,
        priorityOf: (objective) => store.objective(objective),
        rewriteOf: (model) => rewriter.rewriteOf(model),
        admit: (request, candidates) => gate.admit(request, candidates),
        schedule: (request) => {
          refreshLoadViews(request.candidates, clock.nowMs(), options.metricsStalenessThresholdMs);
          return scheduler.schedule(request);
        },
        conditionalDecode: new ConditionalDecode({ cachedShare: () => 0, minShare: 0 }),
        noteActivity: () => {},
        observer,
      },
      {
        emitScores: options.emitEndpointScores,
        ignoreSubset: options.ignoresSubset,
        trustControlHeaders: options.trustClientControlHeaders,
      },
    ),
    responseStage: new ResponseHandler({
      ...services,
      observer,
      headerHooks: pipeline.responseHeaderHooks,
      bodyHooks: pipeline.responseBodyHooks,
      served: (hostPort) => store.byHostPort(hostPort),
      moved: (request, endpoint) => {
        if (request.heldEndpoint !== undefined) inFlight.hold(request, endpoint);
      },
      refused: () => {},
      release: (request) => inFlight.release(request),
    }),
  };
}

/** Messages one after the other in the buffer in which a transport would find them. */
class Messages {
  readonly #bytes: Buffer;
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    for (let at = 0; at < bytes.length; ) {
      const start = at + PREFIX_BYTES;
      at = start + bytes.readUInt32BE(at + 1);
      this.#starts.push(start);
      this.#ends.push(at);
    }
  }

  deliver(stream: ExchangeStream): void {
    for (let i = 0; i < this.#starts.length; i += 1) {
      stream.message(this.#bytes, this.#starts[i] ?? 0, this.#ends[i] ?? 0);
    }
  }
}

interface Turn {
  readonly prepared: PreparedExchange;
  readonly request: Messages;
  readonly response: Messages;
}

/** Sends exchanges of one shape, each with a prompt of its own, turn after turn where they are conversations. */
export class ExchangeLoad {
  readonly #services: ExchangeServices;
  readonly #turns: readonly Turn[];
  #turn = 0;
  #conversation = 0;

  constructor(services: ExchangeServices, shape: WorkloadShape) {
    this.#services = services;
    this.#turns = prepare(shape).map((prepared) => ({
      prepared,
      request: new Messages(prepared.request),
      response: new Messages(Buffer.concat([prepared.responseHead, ...prepared.responseChunks])),
    }));
  }

  /** One exchange from its first message to its end. Throws when it was not answered in full. */
  run(): CountingStream {
    const turn = this.#turns[this.#turn];
    if (turn === undefined) throw new Error('a load has at least one turn');
    if (this.#turn === 0) this.#conversation += 1;
    const { request, idAt } = turn.prepared;
    request.write(String(this.#conversation).padStart(ID_BYTES, '0'), idAt, 'latin1');
    this.#turn = (this.#turn + 1) % this.#turns.length;

    const wire = new CountingStream();
    const stream = new ExchangeStream(this.#services, wire, ignore);
    turn.request.deliver(stream);
    turn.response.deliver(stream);
    stream.halfClosed();
    const { requestBodyBytes, responseBodyBytes } = turn.prepared;
    if (!wire.hasEnded || wire.bytes < requestBodyBytes + responseBodyBytes)
      throw new Error('not answered in full');
    return wire;
  }
}

function ignore(): void {}
