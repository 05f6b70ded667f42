import { readFile } from 'node:fs/promises';
import { Client, type ClientDuplexStream, credentials, type ServiceError } from '@grpc/grpc-js';
import {
  decodeResponse,
  encodeRequest,
  PROCESS_PATH,
  type ProcessingRequest,
  type ProcessingResponse,
} from '../extproc/codec.ts';
import type { GatewayOptions } from './options.ts';

/** What a stream to the picker tells. After `onEnd` or `onFailure`, of which exactly one comes, nothing follows. */
export interface ProcessorListener {
  onMessage(message: ProcessingResponse): void;
  /** The picker ended the stream with OK. */
  onEnd(): void;
  onFailure(code: number, details: string): void;
}

/** The stream of one exchange. */
export interface ProcessorStream {
  /** False when the caller should wait for `whenDrained`. */
  send(message: ProcessingRequest): boolean;
  /** Calls back once, when more can be sent. */
  whenDrained(callback: () => void): void;
  /** Holds messages back until `resume`; the picker's transport feels it. */
  pause(): void;
  resume(): void;
  /** No more messages from this side. */
  halfClose(): void;
  /** Drops the stream; the listener hears nothing any more. */
  cancel(): void;
}

/** One HTTP/2 connection to the picker, shared by all exchanges. */
export class Processor implements Disposable {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  /** Rejects when the CA file cannot be read. Connects with the first stream. */
  static async create(options: GatewayOptions): Promise<Processor> {
    const security = options.eppTls ? await tls(options.eppCa) : credentials.createInsecure();
    const client = new Client(options.epp, security, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // A picker that comes back is used at once, as Envoy does.
      'grpc.max_reconnect_backoff_ms': 1000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.use_local_subchannel_pool': 1,
    });
    return new Processor(client);
  }

  open(listener: ProcessorListener): ProcessorStream {
    const call: ClientDuplexStream<ProcessingRequest, ProcessingResponse> =
      this.#client.makeBidiStreamRequest(PROCESS_PATH, encodeRequest, decodeResponse);
    let isOver = false;
    const over = (tell: () => void) => {
      if (isOver) return;
      isOver = true;
      tell();
    };
    call.on('data', (message: ProcessingResponse) => {
      if (!isOver) listener.onMessage(message);
    });
    call.on('end', () => over(() => listener.onEnd()));
    call.on('error', (error: ServiceError) => over(() => listener.onFailure(error.code, error.details)));
    return {
      send: (message) => isOver || call.write(message),
      whenDrained: (callback) => void call.once('drain', callback),
      pause: () => void call.pause(),
      resume: () => void call.resume(),
      halfClose: () => call.end(),
      cancel: () => over(() => call.cancel()),
    };
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** Without a CA the certificate is not verified, as in the Envoy configurations: pickers make their own at start. */
async function tls(caFile: string) {
  if (caFile !== '') return credentials.createSsl(await readFile(caFile));
  return credentials.createSsl(null, null, null, {
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
}
