import { type AddressInfo, createServer } from 'node:net';
import process from 'node:process';
import { PROCESS_PATH } from '../../src/extproc/codec.ts';
import { pieceTail, ReplyWriter, unchangedHeadersBytes } from '../../src/extproc/hot-replies.ts';
import { HotReader, PART } from '../../src/extproc/hot-requests.ts';
import type { ByteStream, ByteStreamHandler } from '../../src/extproc/transport/transport.ts';
import { WireTransport } from '../../src/extproc/transport/wire/transport.ts';
import { Headers } from '../../src/framework/headers.ts';
import { systemClock } from '../../src/util/clock.ts';
import { describeOptions, parseOptions } from '../../src/util/command-options.ts';
import { endWithParent, report } from './report.ts';

/**
 * What the picker's own transport and message formats cost by themselves: answers as a picker does and decides nothing.
 * Not part of a benchmark row; put `client.ts` on it to see what the stages behind the transport add.
 */
const OPTIONS = {
  port: { type: 'integer', default: 0, min: 0, max: 65_535, doc: 'Port to listen on; 0 takes a free one.' },
  help: { type: 'boolean', default: false, doc: 'Show this text.' },
} as const;

const DESTINATION = '10.0.0.1:8000';
const MAX_MESSAGE_BYTES = 64 << 20;
const NO_HEADERS = new Headers();
const READER = new HotReader();
const WRITER = new ReplyWriter();

/** One exchange. */
class Echo implements ByteStreamHandler {
  readonly #stream: ByteStream;
  readonly #body: Buffer[] = [];
  isComplete = false;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  message(bytes: Buffer, start: number, end: number): void {
    if (!READER.read(bytes, start, end)) throw new Error('not a message of the load client');
    const { part, chunkStart, chunkEnd, endOfStream } = READER;
    if (part === PART.responseBody) {
      this.#piece('response', bytes.subarray(chunkStart, chunkEnd), endOfStream);
      this.isComplete = endOfStream;
    } else if (part === PART.requestBody) {
      this.#body.push(bytes.subarray(chunkStart, chunkEnd));
      if (endOfStream) this.#answer();
    } else if (part === PART.responseHeaders) {
      this.#stream.write(unchangedHeadersBytes('response'));
    }
  }

  halfClosed(): void {
    this.#stream.end();
  }

  cancelled(): void {}

  drained(): void {}

  #answer(): void {
    const bytes = WRITER.decision(NO_HEADERS, DESTINATION, '');
    this.#stream.write(WRITER.bytes.subarray(0, bytes));
    const last = this.#body.length - 1;
    this.#body.forEach((piece, i) => {
      this.#piece('request', piece, i === last);
    });
  }

  #piece(direction: 'request' | 'response', body: Buffer, isLast: boolean): void {
    const bytes = WRITER.pieceHead(direction, body.length, isLast);
    this.#stream.writeAround(WRITER.bytes, bytes, body, pieceTail(isLast));
  }
}

function start(port: number): void {
  const transport = new WireTransport(
    {
      methods: new Map([[PROCESS_PATH, (stream: ByteStream) => new Echo(stream)]]),
      maxReceiveBytes: MAX_MESSAGE_BYTES,
    },
    systemClock,
  );
  const server = createServer({ noDelay: true }, (socket) => transport.accept(socket));
  server.listen(port, '127.0.0.1', () => {
    report({ event: 'listening', port: (server.address() as AddressInfo).port });
  });
}

const options = parseOptions(OPTIONS, process.argv.slice(2));
if (options.help) {
  process.stdout.write(
    'node bench/load/wire-echo-server.ts: the transport of the picker, deciding nothing\n\n',
  );
  process.stdout.write(describeOptions(OPTIONS));
} else {
  endWithParent();
  start(options.port);
}
