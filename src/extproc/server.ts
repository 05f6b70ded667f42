import type { TlsOptions } from 'node:tls';
import { RejectionError } from '../framework/errors.ts';
import type { Instruments } from '../framework/instruments.ts';
import { sleep } from '../util/clock.ts';
import { IdTable } from '../util/id-table.ts';
import {
  type Certificate,
  CertificateWatcher,
  readCertificate,
  selfSignedCertificate,
} from './certificate.ts';
import { PROCESS_PATH } from './codec.ts';
import type { ExchangeServices } from './exchange-services.ts';
import { type HealthInputs, HealthService } from './health.ts';
import { type ListenAddress, Listener } from './listener.ts';
import { ExchangeStream } from './stream.ts';
import { StreamMetrics } from './stream-metrics.ts';
import { cipherList, tlsVersion } from './tls-names.ts';
import type { Transport, TransportOptions } from './transport/transport.ts';

/** How the serving port proves who it is. */
export interface TlsSettings {
  /** Directory with `tls.crt` and `tls.key`; '' for a certificate of its own. */
  readonly certificateDirectory: string;
  /** Use changed files for connections to come. */
  readonly reloads: boolean;
  /** Go's name, '' for TLS 1.2. */
  readonly minVersion: string;
  /** Go's names for TLS 1.2 and older; empty for the runtime's choice. */
  readonly cipherSuites: readonly string[];
  /** Names and addresses in a certificate of its own, besides those of this machine. */
  readonly subjectNames: readonly string[];
}

/** What the server is told by flags. */
export interface ExtProcServerOptions {
  readonly address: ListenAddress;
  /** Always plaintext. */
  readonly healthAddress: ListenAddress;
  /** Undefined for plaintext. */
  readonly tls: TlsSettings | undefined;
  /** Largest message taken, in bytes. */
  readonly maxReceiveBytes: number;
  readonly countsStreams: boolean;
}

/** What the server needs of the parts around it. */
export interface ExtProcServerServices extends ExchangeServices {
  readonly instruments: Instruments;
  readonly createTransport: (options: TransportOptions) => Transport;
  /** Read at each health check. */
  readonly health: () => HealthInputs;
}

/** Room for messages beside the body they carry. */
const MESSAGE_SLACK_BYTES = 1 << 20;

/** A health check is a few bytes. */
const HEALTH_MAX_RECEIVE_BYTES = 64 << 10;

/** How often a drain looks whether it can end early. */
const DRAIN_POLL_MS = 100;

/** Without a stream for this long nobody sends here any more: gateways learn of a change within a second or two. */
const DRAIN_QUIET_MS = 3000;

/** What open exchanges may take after the drain window before they are taken back. */
const DRAIN_GRACE_MS = 90_000;

/** Default of `maxReceiveBytes`: a buffered body is one message, and it is the body limit that should speak. */
export function defaultMaxReceiveBytes(maxRequestBodyBytes: number): number {
  return Math.max(maxRequestBodyBytes, 64 << 20) + MESSAGE_SLACK_BYTES;
}

/** The ext-proc service on its port, and health on both ports. */
export class ExtProcServer {
  readonly #options: ExtProcServerOptions;
  readonly #services: ExtProcServerServices;
  readonly #health: HealthService;
  readonly #transport: Transport;
  readonly #healthTransport: Transport;
  readonly #stopping = new AbortController();
  readonly #streams = new IdTable<ExchangeStream>();
  #lastRegistration = 0;
  readonly #metrics: StreamMetrics | undefined;
  #listener: Listener | undefined = undefined;
  #healthListener: Listener | undefined = undefined;
  #watcher: CertificateWatcher | undefined = undefined;
  #port = 0;
  #healthPort = 0;

  constructor(options: ExtProcServerOptions, services: ExtProcServerServices) {
    this.#options = options;
    this.#services = services;
    this.#health = new HealthService(services.health, services.clock, services.log);
    this.#metrics = options.countsStreams
      ? new StreamMetrics(services.instruments, () => this.#streams.size)
      : undefined;
    const health = this.#health.methods;
    const closed = (stream: ExchangeStream, isCancelled: boolean) => this.#closed(stream, isCancelled);
    this.#transport = services.createTransport({
      methods: new Map(health).set(PROCESS_PATH, (wire) => {
        const stream = new ExchangeStream(services, wire, closed);
        this.#lastRegistration += 1;
        stream.registration = this.#lastRegistration;
        this.#streams.set(stream.registration, stream);
        return stream;
      }),
      maxReceiveBytes: options.maxReceiveBytes,
    });
    this.#healthTransport = services.createTransport({
      methods: health,
      maxReceiveBytes: HEALTH_MAX_RECEIVE_BYTES,
    });
  }

  /** Bound port of the service; 0 before `start`. */
  get port(): number {
    return this.#port;
  }

  /** Bound port of health; 0 before `start`. */
  get healthPort(): number {
    return this.#healthPort;
  }

  /** Exchanges that are open. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Resolves when both ports listen. Rejects with `ConfigurationError` for TLS settings that make no sense. */
  async start(): Promise<void> {
    const tls = this.#options.tls === undefined ? undefined : await this.#secure(this.#options.tls);
    const listener = new Listener((socket) => this.#transport.accept(socket), tls);
    const health = new Listener((socket) => this.#healthTransport.accept(socket), undefined);
    this.#listener = listener;
    this.#healthListener = health;
    this.#healthPort = await health.listen(this.#options.healthAddress);
    this.#port = await listener.listen(this.#options.address);
    if (tls !== undefined) this.#follow(listener, tls);
    this.#services.log.info({ port: this.#port, healthPort: this.#healthPort }, 'serving');
  }

  /**
   * Health says NOT_SERVING from here on. Streams old and new are served for `timeoutMs`, less when nobody sends any
   * more; then no new ones are taken and the open ones get 90 s, after which their clients are told that the picker
   * shuts down. Resolves when no stream is open.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#health.drain();
    const { clock } = this.#services;
    const quietMs = Math.min(DRAIN_QUIET_MS, timeoutMs);
    const endMs = clock.nowMs() + timeoutMs;
    let quietSinceMs = clock.nowMs();
    while (clock.nowMs() < endMs && !this.#stopping.signal.aborted) {
      if (this.#streams.size > 0) quietSinceMs = Number.POSITIVE_INFINITY;
      else quietSinceMs = Math.min(quietSinceMs, clock.nowMs());
      if (clock.nowMs() - quietSinceMs >= quietMs) break;
      await this.#pause(Math.min(DRAIN_POLL_MS, endMs - clock.nowMs()));
    }
    this.#listener?.close();
    const drained = this.#transport.drain();
    const graceEndMs = clock.nowMs() + DRAIN_GRACE_MS;
    while (this.#streams.size > 0 && clock.nowMs() < graceEndMs && !this.#stopping.signal.aborted) {
      await this.#pause(DRAIN_POLL_MS);
    }
    const isLate = this.#streams.size > 0;
    for (const stream of this.#streams.values()) {
      stream.evict(new RejectionError('unavailable', 'shutting down', { reason: 'rejected-shutting-down' }));
    }
    if (isLate) await this.#pause(DRAIN_POLL_MS);
    this.#transport.close();
    await drained;
  }

  /** Stops at once: both ports, every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#watcher?.close();
    this.#listener?.close();
    this.#healthListener?.close();
    this.#transport.close();
    this.#healthTransport.close();
  }

  async #secure(settings: TlsSettings): Promise<TlsOptions> {
    const minVersion = tlsVersion(settings.minVersion);
    const ciphers = cipherList(settings.cipherSuites);
    const certificate = await this.#certificate(settings);
    return { ...certificate, minVersion, ...(ciphers !== undefined && { ciphers }) };
  }

  #certificate(settings: TlsSettings): Promise<Certificate> {
    return settings.certificateDirectory === ''
      ? selfSignedCertificate(settings.subjectNames, this.#services.clock)
      : readCertificate(settings.certificateDirectory);
  }

  #follow(listener: Listener, tls: TlsOptions): void {
    const settings = this.#options.tls;
    if (settings === undefined || !settings.reloads || settings.certificateDirectory === '') return;
    this.#watcher = new CertificateWatcher({
      directory: settings.certificateDirectory,
      apply: (certificate) => listener.setCertificate({ ...tls, ...certificate }),
      clock: this.#services.clock,
      log: this.#services.log,
    });
  }

  #closed(stream: ExchangeStream, isCancelled: boolean): void {
    if (this.#streams.delete(stream.registration) === undefined) return;
    this.#metrics?.closed(this.#services.clock.nowMs() - stream.openedAtMs, isCancelled);
  }

  #pause(delayMs: number): Promise<void> {
    return sleep(this.#services.clock, delayMs, this.#stopping.signal);
  }
}
