import { status as grpcStatus, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  decodeRequest,
  encodeResponse,
  PROCESS_PATH,
  type ProcessingRequest,
  type ProcessingResponse,
} from '../../src/extproc/codec.ts';

/** A stream as a scripted processor sees it. */
export interface ScriptedStream {
  send(message: ProcessingResponse): void;
  end(): void;
  /** Ends the stream with gRPC status INTERNAL. */
  fail(): void;
}

/** Answers one message; `history`: everything received on the stream, this message last. */
export type Script = (
  message: ProcessingRequest,
  stream: ScriptedStream,
  history: readonly ProcessingRequest[],
) => void;

/** What a processor has seen of one stream. */
export interface SeenStream {
  readonly messages: ProcessingRequest[];
  /** How the data plane ended it. */
  outcome: 'open' | 'half-closed' | 'cancelled';
}

/** An ext-proc server that does what a test says. */
export interface ScriptedProcessor extends AsyncDisposable {
  readonly address: string;
  /** One per exchange, in order of arrival. */
  readonly streams: readonly SeenStream[];
}

/** Starts it on a free port, without TLS. */
export async function startProcessor(script: Script): Promise<ScriptedProcessor> {
  const streams: SeenStream[] = [];
  const server = new Server();
  const implementation = {
    process: (call: ServerDuplexStream<ProcessingRequest, ProcessingResponse>) => {
      const seen: SeenStream = { messages: [], outcome: 'open' };
      streams.push(seen);
      const stream: ScriptedStream = {
        send: (message) => void call.write(message),
        end: () => call.end(),
        fail: () => void call.emit('error', { code: grpcStatus.INTERNAL, details: 'scripted' }),
      };
      call.on('data', (message: ProcessingRequest) => {
        seen.messages.push(message);
        script(message, stream, seen.messages);
      });
      call.on('end', () => {
        // grpc-js shows a reset as the end of the input first and tells of the cancellation a moment later.
        setTimeout(() => {
          if (seen.outcome === 'open') seen.outcome = 'half-closed';
          call.end();
        }, 25);
      });
      call.on('cancelled', () => {
        if (seen.outcome === 'open') seen.outcome = 'cancelled';
      });
    },
  };
  server.addService(
    {
      process: {
        path: PROCESS_PATH,
        requestStream: true,
        responseStream: true,
        requestSerialize: () => Buffer.alloc(0),
        requestDeserialize: decodeRequest,
        responseSerialize: encodeResponse,
        responseDeserialize: (bytes) => bytes,
      },
    },
    implementation,
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    address: `127.0.0.1:${port}`,
    streams,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
      await Promise.resolve();
    },
  };
}

/** A script that sends every request to `destination` and changes nothing else. */
export function routeTo(destination: () => string): Script {
  return (message, stream) => {
    if (message.requestHeaders !== undefined) stream.send(routed(destination()));
    else if (message.requestBody !== undefined) {
      const { body, endOfStream } = message.requestBody;
      stream.send({
        requestBody: {
          response: { bodyMutation: { streamedResponse: { ...part(body), ...flag(endOfStream) } } },
        },
      });
    } else if (message.requestTrailers !== undefined) stream.send({ requestTrailers: {} });
    else if (message.responseHeaders !== undefined) stream.send({ responseHeaders: {} });
    else if (message.responseBody !== undefined) {
      const { body, endOfStream } = message.responseBody;
      stream.send({
        responseBody: {
          response: { bodyMutation: { streamedResponse: { ...part(body), ...flag(endOfStream) } } },
        },
      });
    } else if (message.responseTrailers !== undefined) stream.send({ responseTrailers: {} });
  };
}

/** The answer to request headers that names a destination. */
export function routed(destination: string): ProcessingResponse {
  const key = 'x-gateway-destination-endpoint';
  return {
    requestHeaders: {
      response: {
        headerMutation: {
          setHeaders: [{ header: { key, rawValue: Buffer.from(destination) }, appendAction: 2 }],
        },
        clearRouteCache: true,
      },
    },
    dynamicMetadata: {
      fields: { 'envoy.lb': { structValue: { fields: { [key]: { stringValue: destination } } } } },
    },
  };
}

function part(body: Buffer | undefined): { body?: Buffer } {
  return body === undefined ? {} : { body };
}

function flag(endOfStream: boolean | undefined): { endOfStream?: boolean } {
  return endOfStream === undefined ? {} : { endOfStream };
}
