import { fileURLToPath } from 'node:url';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
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
 * process answers; the other names follow llm-d-router: pkg/epp/server, health (ext-proc specification, 8.4).
 */
export class HealthService {
  readonly #inputs: () => HealthInputs;
  readonly #clock: Clock;
  readonly #messages = loadMessages();
  readonly #watchers = new Set<Watcher>();
  #stopTimer: CancelTimer | undefined = undefined;
  #isDraining = false;

  constructor(inputs: () => HealthInputs, clock: Clock) {
    this.#inputs = inputs;
    this.#clock = clock;
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
    const isReadiness = service === '' || service === 'readiness' || service === EXT_PROC_SERVICE;
    if (!isReadiness && inputs.leadership !== 'off') return SERVING_STATUS.SERVICE_UNKNOWN;
    const isServing =
      !this.#isDraining &&
      inputs.isLive &&
      inputs.isProtocolSupported &&
      (!isReadiness || (inputs.arePluginsReady && inputs.leadership !== 'follower'));
    return isServing ? SERVING_STATUS.SERVING : SERVING_STATUS.NOT_SERVING;
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
