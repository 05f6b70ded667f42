import type { Http2Server, ServerOptions } from 'node:http2';
import type { Socket } from 'node:net';
import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type {
  ByteStream,
  ByteStreamHandler,
  OpenByteStream,
  Transport,
  TransportOptions,
} from './transport.ts';

/** Envoy multiplexes all exchanges of a worker on one connection: in effect no limit. */
const MAX_CONCURRENT_STREAMS = 1_000_000;

/** A 450 kB prompt arrives without waiting for window updates. */
const STREAM_WINDOW_BYTES = 1 << 20;
const CONNECTION_WINDOW_BYTES = 16 << 20;

/**
 * A data plane resets the stream of every client that leaves, and older Envoys that of every exchange.
 * node:http2 gives a connection up, with all that runs on it, above 33 resets a second; these limits are far beyond
 * what one Envoy worker can send and still end a flood.
 */
const RESETS_PER_SECOND = 50_000;
const RESET_BURST = 500_000;

/** A peer that is gone without a word is noticed within two minutes. */
const KEEPALIVE_TIME_MS = 100_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

type Call = ServerDuplexStream<Buffer, Uint8Array>;

/** gRPC by `@grpc/grpc-js`. Accepts gzip and deflate, never compresses; takes client pings at any rate. */
export class GrpcJsTransport implements Transport {
  readonly #server: Server;
  readonly #injector: ConnectionInjector;
  readonly #sockets = new Set<Socket>();

  constructor(options: TransportOptions) {
    this.#server = new Server({
      'grpc.max_receive_message_length': options.maxReceiveBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': MAX_CONCURRENT_STREAMS,
      'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.enable_channelz': 0,
    });
    const { commonServerOptions } = internals(this.#server);
    commonServerOptions.settings = {
      maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
      initialWindowSize: STREAM_WINDOW_BYTES,
    };
    commonServerOptions.streamResetRate = RESETS_PER_SECOND;
    commonServerOptions.streamResetBurst = RESET_BURST;
    this.#server.addService(definition(options.methods), implementation(options.methods));
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    for (const http2Server of internals(this.#server).http2Servers.keys()) {
      http2Server.on('session', (session) => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    }
  }

  accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#injector.injectConnection(socket);
  }

  drain(): Promise<void> {
    return new Promise((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  close(): void {
    this.#server.forceShutdown();
    // Without channelz a forced shutdown leaves connections open.
    for (const socket of this.#sockets) socket.destroy();
  }
}

/**
 * Window sizes and the limit of resets are no options of grpc-js servers; these two fields of the exact version in use
 * reach them.
 */
interface ServerInternals {
  readonly commonServerOptions: ServerOptions;
  readonly http2Servers: ReadonlyMap<Http2Server, unknown>;
}

function internals(server: Server): ServerInternals {
  return server as unknown as ServerInternals; // proven by the tests of windows and resets in test/integration
}

function definition(methods: ReadonlyMap<string, OpenByteStream>): ServiceDefinition {
  const service: Record<string, ServiceDefinition[string]> = {};
  for (const path of methods.keys()) {
    service[path] = {
      path,
      // On the wire a unary call is a stream of one message, so one kind serves all methods.
      requestStream: true,
      responseStream: true,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    };
  }
  return service;
}

function implementation(methods: ReadonlyMap<string, OpenByteStream>): UntypedServiceImplementation {
  const handlers: UntypedServiceImplementation = {};
  for (const [path, open] of methods) handlers[path] = (call: Call) => serve(call, open);
  return handlers;
}

function identity(bytes: Buffer): Buffer {
  return bytes;
}

function serve(call: Call, open: OpenByteStream): void {
  const stream = new GrpcJsStream(call);
  stream.handler = open(stream);
  call.on('data', (bytes: Buffer) => stream.handler?.message(bytes, 0, bytes.length));
  call.on('end', () => {
    stream.isReadOut = true;
    // A reset also ends the readable side; that it was one is told within the same turn.
    if (stream.handler?.isComplete === true) stream.handler.halfClosed();
    else setImmediate(() => stream.handler?.halfClosed());
  });
  call.on('drain', () => stream.handler?.drained());
  // Emitted after every end, ours included.
  call.on('cancelled', () => stream.cancel());
  call.on('error', () => stream.cancel());
}

class GrpcJsStream implements ByteStream {
  readonly #call: Call;
  /**
   * Undefined once the stream has ended: grpc-js and the collector hold on to a call for a while, and what an exchange
   * has gathered should not wait with it.
   */
  handler: ByteStreamHandler | undefined = undefined;
  /** Nothing is left to read. */
  isReadOut = false;
  #hasEnded = false;

  constructor(call: Call) {
    this.#call = call;
  }

  write(message: Uint8Array): boolean {
    return this.#hasEnded || this.#call.write(message);
  }

  writeAround(before: Uint8Array, beforeBytes: number, body: Uint8Array, after: Uint8Array): boolean {
    if (this.#hasEnded) return true;
    const message = Buffer.allocUnsafe(beforeBytes + body.length + after.length);
    message.set(before.subarray(0, beforeBytes));
    message.set(body, beforeBytes);
    message.set(after, beforeBytes + body.length);
    return this.#call.write(message);
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.handler = undefined;
    this.#call.end();
    // what the peer still sends must be read for the call to close
    if (!this.isReadOut) this.#call.resume();
  }

  /** The peer is gone. */
  cancel(): void {
    const { handler } = this;
    this.#hasEnded = true;
    this.handler = undefined;
    handler?.cancelled();
  }
}
