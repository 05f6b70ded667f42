import { fileURLToPath } from 'node:url';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import type { Log } from '../framework/log.ts';
import type { CancelTimer, Clock } from '../util/clock.ts';
import { EXT_PROC_SERVICE } from './codec.ts';
import type { ByteStream, ByteStreamHandler, OpenByteStream } from './transport/transport.ts';

/** What readiness is made of; read at each question, so it is always current. */
export interface HealthInputs {
  /** The pool was received; always true without Kubernetes. */
  readonly isLive: boolean;
  /** Parsers understand the pool's protocol. */
  readonly isProtocolSupported: boolean;
  /** Every plugin that can say so says it is ready. */
  readonly arePluginsReady: boolean;
  /** `off` without leader election. */
  readonly leadership: 'off' | 'leader' | 'follower';
}

/** Values of `ServingStatus` on the wire. */
export const SERVING_STATUS = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;
export type ServingStatus = (typeof SERVING_STATUS)[keyof typeof SERVING_STATUS];

/** Paths of `grpc.health.v1.Health`. */
export const HEALTH_PATHS = {
  check: '/grpc.health.v1.Health/Check',
  list: '/grpc.health.v1.Health/List',
  watch: '/grpc.health.v1.Health/Watch',
} as const;

/** Names whose status is readiness. `inference-extension` is what charts and conformance suites probe. */
const READINESS_NAMES: ReadonlySet<string> = new Set([
  '',
  'readiness',
  EXT_PROC_SERVICE,
  'inference-extension',
]);

/** How often a watcher's status is looked at again; a drain is told at once. */
const WATCH_INTERVAL_MS = 1000;

interface HealthMessages {
  readonly checkRequest: MessageTypeDefinition<object, { readonly service?: string }>;
  readonly checkResponse: MessageTypeDefinition<{ readonly status: number }, object>;
  readonly listResponse: MessageTypeDefinition<
    { readonly statuses: Readonly<Record<string, { readonly status: number }>> },
    object
  >;
}

/**
 * gRPC health service on byte streams, so that every transport can serve it. `liveness` is always SERVING while the
 * process answers, so that no kubelet restarts a picker that waits for its pool or drains. Other names that are no
 * readiness say whether pool and parsers are there, and are unknown under leader election, as in llm-d-router:
 * pkg/epp/server, health (ext-proc specification, 8.4).
 */
export class HealthService {
  readonly #inputs: () => HealthInputs;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #messages = loadMessages();
  readonly #watchers = new Set<Watcher>();
  #stopTimer: CancelTimer | undefined = undefined;
  #isDraining = false;
  /** Why it was not ready when last looked at; '' when it was, undefined before the first look. */
  #reason: string | undefined = undefined;

  constructor(inputs: () => HealthInputs, clock: Clock, log: Log) {
    this.#inputs = inputs;
    this.#clock = clock;
    this.#log = log;
  }

  /** For a transport. */
  get methods(): ReadonlyMap<string, OpenByteStream> {
    return new Map<string, OpenByteStream>([
      [HEALTH_PATHS.check, (stream) => new Unary(stream, (bytes) => this.#check(bytes))],
      [HEALTH_PATHS.list, (stream) => new Unary(stream, () => this.#list())],
      [HEALTH_PATHS.watch, (stream) => new Watcher(stream, this)],
    ]);
  }

  /** From here on every readiness is NOT_SERVING. */
  drain(): void {
    this.#isDraining = true;
    this.#refresh();
  }

  /** Status of one service name. */
  status(service: string): ServingStatus {
    if (service === 'liveness') return SERVING_STATUS.SERVING;
    const inputs = this.#inputs();
    const reason = this.#whyNotReady(inputs);
    this.#note(reason);
    if (READINESS_NAMES.has(service))
      return reason === '' ? SERVING_STATUS.SERVING : SERVING_STATUS.NOT_SERVING;
    if (inputs.leadership !== 'off') return SERVING_STATUS.SERVICE_UNKNOWN;
    const isServing = !this.#isDraining && inputs.isLive && inputs.isProtocolSupported;
    return isServing ? SERVING_STATUS.SERVING : SERVING_STATUS.NOT_SERVING;
  }

  /** The first reason against readiness; '' when there is none. */
  #whyNotReady(inputs: HealthInputs): string {
    if (this.#isDraining) return 'draining';
    if (!inputs.isLive) return 'the pool is not known';
    if (inputs.leadership === 'follower') return 'not the leader';
    if (!inputs.isProtocolSupported) return 'no parser for the protocol of the pool';
    return inputs.arePluginsReady ? '' : 'plugins are not ready';
  }

  /** One line per change, however often it is asked for. */
  #note(reason: string): void {
    if (reason === this.#reason) return;
    this.#reason = reason;
    if (reason === '') this.#log.info({}, 'ready');
    else this.#log.info({ reason }, 'not ready');
  }

  /** Starts telling `watcher` of changes. */
  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
    this.#stopTimer ??= this.#clock.every(WATCH_INTERVAL_MS, () => this.#refresh());
  }

  /** Stops telling it. */
  unwatch(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  /** Name in a `HealthCheckRequest`; '' when the bytes are not one. */
  serviceName(bytes: Buffer): string {
    try {
      return this.#messages.checkRequest.deserialize(bytes).service ?? '';
    } catch {
      return '';
    }
  }

  /** A `HealthCheckResponse`. */
  encode(status: ServingStatus): Buffer {
    return this.#messages.checkResponse.serialize({ status });
  }

  #refresh(): void {
    for (const watcher of this.#watchers) watcher.refresh();
  }

  #check(bytes: Buffer): Buffer {
    return this.encode(this.status(this.serviceName(bytes)));
  }

  #list(): Buffer {
    const names = [EXT_PROC_SERVICE];
    if (this.#inputs().leadership !== 'off') names.push('liveness', 'readiness');
    const entries = names.map((name) => [name, { status: this.status(name) }] as const);
    return this.#messages.listResponse.serialize({ statuses: Object.fromEntries(entries) });
  }
}

function loadMessages(): HealthMessages {
  const file = fileURLToPath(new URL('../../proto/health.proto', import.meta.url));
  const messages = loadSync(file, {});
  const find = (name: string) => {
    const found = messages[`grpc.health.v1.${name}`];
    if (found === undefined) throw new Error(`${file}: no message ${name}`);
    return found;
  };
  // The types above spell out the file; the integration tests prove it with a client of their own.
  return {
    checkRequest: find('HealthCheckRequest') as HealthMessages['checkRequest'],
    checkResponse: find('HealthCheckResponse') as HealthMessages['checkResponse'],
    listResponse: find('HealthListResponse') as HealthMessages['listResponse'],
  };
}

/** One question, one answer. */
class Unary implements ByteStreamHandler {
  readonly isComplete = false;
  readonly #stream: ByteStream;
  readonly #answer: (bytes: Buffer) => Buffer;

  constructor(stream: ByteStream, answer: (bytes: Buffer) => Buffer) {
    this.#stream = stream;
    this.#answer = answer;
  }

  message(bytes: Buffer, start: number, end: number): void {
    this.#stream.write(this.#answer(bytes.subarray(start, end)));
    this.#stream.end();
  }

  halfClosed(): void {
    this.#stream.end();
  }

  cancelled(): void {}

  drained(): void {}
}

/** One `Watch` stream: the status at once, then every change. */
class Watcher implements ByteStreamHandler {
  readonly isComplete = false;
  readonly #stream: ByteStream;
  readonly #health: HealthService;
  #service = '';
  #sent: ServingStatus | 0 = 0;

  constructor(stream: ByteStream, health: HealthService) {
    this.#stream = stream;
    this.#health = health;
  }

  message(bytes: Buffer, start: number, end: number): void {
    this.#service = this.#health.serviceName(bytes.subarray(start, end));
    this.#health.watch(this);
    this.refresh();
  }

  /** Sends the status if it is another than the last one sent. */
  refresh(): void {
    const status = this.#health.status(this.#service);
    if (status === this.#sent) return;
    this.#sent = status;
    this.#stream.write(this.#health.encode(status));
  }

  /** The question is over, the watching is not. */
  halfClosed(): void {}

  cancelled(): void {
    this.#health.unwatch(this);
  }

  drained(): void {}
}
