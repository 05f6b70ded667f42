import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { selfSignedCertificate } from '../../src/extproc/certificate.ts';
import type { ProcessingRequest, ProcessingResponse } from '../../src/extproc/codec.ts';
import { systemClock } from '../../src/util/clock.ts';
import { describeOptions, parseOptions } from '../../src/util/command-options.ts';
import { endWithParent, report } from './report.ts';

/**
 * What every gRPC server of this runtime has to pay: answers as a picker does and decides nothing. Plain grpc-js and
 * proto-loader, nothing tuned.
 */
const OPTIONS = {
  port: { type: 'integer', default: 0, min: 0, max: 65_535, doc: 'Port to listen on; 0 takes a free one.' },
  tls: {
    type: 'boolean',
    default: false,
    doc: 'TLS with a self-signed certificate, as the picker makes one.',
  },
  help: { type: 'boolean', default: false, doc: 'Show this text.' },
} as const;

const DESTINATION = '10.0.0.1:8000';
/** Largest piece of a body that the reference sends back. */
const PIECE_BYTES = 62_000;
const MAX_MESSAGE_BYTES = 64 << 20;

type Call = ServerDuplexStream<ProcessingRequest, ProcessingResponse>;

const HEADERS_ANSWER: ProcessingResponse = {
  requestHeaders: {
    response: {
      headerMutation: {
        setHeaders: [
          {
            header: { key: 'x-gateway-destination-endpoint', rawValue: Buffer.from(DESTINATION) },
            appendAction: 2,
          },
        ],
      },
      clearRouteCache: true,
    },
  },
  dynamicMetadata: {
    fields: {
      'envoy.lb': {
        structValue: { fields: { 'x-gateway-destination-endpoint': { stringValue: DESTINATION } } },
      },
    },
  },
};

function serve(call: Call): void {
  const body: Buffer[] = [];
  call.on('data', (message: ProcessingRequest) => {
    if (message.requestBody !== undefined) {
      body.push(message.requestBody.body ?? Buffer.alloc(0));
      if (message.requestBody.endOfStream === true) answer(call, Buffer.concat(body));
    } else if (message.responseHeaders !== undefined) {
      call.write({ responseHeaders: {} });
    } else if (message.responseBody !== undefined) {
      call.write({
        responseBody: { response: { bodyMutation: { streamedResponse: { ...message.responseBody } } } },
      });
    }
  });
  call.on('end', () => call.end());
  call.on('error', () => {});
}

function answer(call: Call, body: Buffer): void {
  call.write(HEADERS_ANSWER);
  for (let at = 0; at < body.length; at += PIECE_BYTES) {
    const streamedResponse = {
      body: body.subarray(at, at + PIECE_BYTES),
      endOfStream: at + PIECE_BYTES >= body.length,
    };
    call.write({ requestBody: { response: { bodyMutation: { streamedResponse } } } });
  }
}

async function credentials(isTls: boolean): Promise<ServerCredentials> {
  if (!isTls) return ServerCredentials.createInsecure();
  const { cert, key } = await selfSignedCertificate([], systemClock);
  return ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) },
  ]);
}

function start(port: number, security: ServerCredentials): void {
  const file = fileURLToPath(new URL('../../proto/ext_proc.proto', import.meta.url));
  const loaded = loadPackageDefinition(loadSync(file, { longs: Number })) as unknown as {
    // the file declares this service
    envoy: {
      service: { ext_proc: { v3: { ExternalProcessor: { service: Parameters<Server['addService']>[0] } } } };
    };
  };
  const server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE_BYTES });
  server.addService(loaded.envoy.service.ext_proc.v3.ExternalProcessor.service, { Process: serve });
  server.bindAsync(`127.0.0.1:${port}`, security, (error, bound) => {
    if (error !== null) throw error;
    report({ event: 'listening', port: bound });
  });
}

const options = parseOptions(OPTIONS, process.argv.slice(2));
if (options.help) {
  process.stdout.write(`node bench/load/echo-server.ts: an ext-proc server that decides nothing\n\n`);
  process.stdout.write(describeOptions(OPTIONS));
} else {
  endWithParent();
  start(options.port, await credentials(options.tls));
}
