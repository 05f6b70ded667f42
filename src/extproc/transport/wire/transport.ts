import type { Socket } from 'node:net';
import type { Log } from '../../../framework/log.ts';
import type { CancelTimer, Clock } from '../../../util/clock.ts';
import type { Transport, TransportOptions } from '../transport.ts';
import { type ConnectionServices, WireConnection } from './connection.ts';

/** How often connections look for what has waited too long. */
const TICK_MS = 1000;

/**
 * gRPC over HTTP/2 by the files beside this one: the server side, whatever a gRPC client may need of it, and nothing
 * else. Accepts gzip and deflate, never compresses.
 */
export class WireTransport implements Transport {
  readonly #services: ConnectionServices;
  readonly #clock: Clock;
  readonly #connections = new Set<WireConnection>();
  #cancelTick: CancelTimer | undefined = undefined;
  readonly #drained = Promise.withResolvers<void>();
  #isDraining = false;

  /** `log` hears of connections that are given up and why. */
  constructor(options: TransportOptions, clock: Clock, log: Log | undefined = undefined) {
    this.#clock = clock;
    this.#services = { ...options, clock, log, closed: (connection) => this.#closed(connection) };
  }

  accept(socket: Socket): void {
    if (this.#isDraining) socket.destroy();
    if (socket.destroyed) return;
    this.#connections.add(new WireConnection(socket, this.#services));
    this.#cancelTick ??= this.#clock.every(TICK_MS, () => this.#tick());
  }

  drain(): Promise<void> {
    this.#isDraining = true;
    if (this.#connections.size === 0) this.#drained.resolve();
    for (const connection of this.#connections) connection.drain();
    return this.#drained.promise;
  }

  close(): void {
    this.#isDraining = true;
    for (const connection of [...this.#connections]) connection.close();
  }

  #tick(): void {
    const nowMs = this.#clock.nowMs();
    for (const connection of [...this.#connections]) connection.tick(nowMs);
  }

  #closed(connection: WireConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    if (this.#isDraining) this.#drained.resolve();
  }
}
