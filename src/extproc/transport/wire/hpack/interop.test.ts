import { once } from 'node:events';
import http2 from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBlock, type Field } from '../../../../../test/support/hpack.ts';
import { nextInt, SeededRng } from '../../../../util/rng.ts';
import { HpackDecoder } from './decoder.ts';
import { encodeHeaders } from './encoder.ts';
import { STATIC_NAMES, STATIC_VALUES } from './static-table.ts';

const PREFACE_BYTES = 24;
const FRAME_HEAD_BYTES = 9;
const HEADERS = 1;
const SETTINGS = 4;
const CONTINUATION = 9;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const PADDED = 8;
const PRIORITY = 0x20;

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Answers every request with `answer`; hands each header block, its frames joined, to `onBlock` in their order. */
function serve(
  socket: Socket,
  answer: Uint8Array,
  settings: Uint8Array,
  onBlock: (block: Buffer) => void,
): void {
  let pending: Buffer = Buffer.alloc(0);
  let skip = PREFACE_BYTES;
  let fragments: Buffer[] = [];
  socket.write(frame(SETTINGS, 0, 0, settings));
  socket.on('error', () => {});
  socket.on('data', (read: Buffer) => {
    pending = Buffer.concat([pending, read]);
    if (pending.length < skip) return;
    pending = pending.subarray(skip);
    skip = 0;
    while (pending.length >= FRAME_HEAD_BYTES) {
      const length = pending.readUIntBE(0, 3);
      if (pending.length < FRAME_HEAD_BYTES + length) break;
      const [type = 0, flags = 0] = pending.subarray(3);
      const stream = pending.readUInt32BE(5);
      let payload = pending.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + length);
      pending = pending.subarray(FRAME_HEAD_BYTES + length);
      if (type === SETTINGS && (flags & ACK) === 0) socket.write(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
      if (type !== HEADERS && type !== CONTINUATION) continue;
      if (type === HEADERS) {
        const padding = (flags & PADDED) === 0 ? undefined : payload[0];
        if (padding !== undefined) payload = payload.subarray(1, payload.length - padding);
        if ((flags & PRIORITY) !== 0) payload = payload.subarray(5);
      }
      fragments.push(payload);
      if ((flags & END_HEADERS) === 0) continue;
      onBlock(Buffer.concat(fragments));
      fragments = [];
      socket.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, answer));
    }
  });
}

interface Exchange {
  /** SETTINGS_HEADER_TABLE_SIZE that the server announces; none when undefined. */
  readonly serverTableBytes?: number;
  /** SETTINGS_HEADER_TABLE_SIZE that the client announces. */
  readonly clientTableBytes?: number;
  readonly answer: readonly Field[];
  readonly requests: readonly (readonly Field[])[];
}

interface Outcome {
  /** Fields decoded by request. */
  readonly decoded: Field[][];
  readonly tableBytes: number[];
  /** Answers as the client understood them. */
  readonly answers: http2.IncomingHttpHeaders[];
}

/** Sends the requests one after another over one connection of the client of Node.js to our codec. */
async function exchange({
  serverTableBytes,
  clientTableBytes,
  answer,
  requests,
}: Exchange): Promise<Outcome> {
  const decoded: Field[][] = [];
  const tableBytes: number[] = [];
  const failures: unknown[] = [];
  const settings = Buffer.alloc(serverTableBytes === undefined ? 0 : 6);
  if (serverTableBytes !== undefined) {
    settings.writeUInt16BE(1, 0);
    settings.writeUInt32BE(serverTableBytes, 2);
  }
  const server = createServer((socket) => {
    const decoder = new HpackDecoder({ maxTableBytes: serverTableBytes ?? 4096, maxListBytes: 1 << 20 });
    serve(socket, encodeHeaders(answer), settings, (block) => {
      try {
        decoded.push([...decodeBlock(decoder, block).fields]);
        tableBytes.push(decoder.tableBytes);
      } catch (thrown) {
        failures.push(thrown);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Holds for a server that listens on a port.
  const { port } = server.address() as AddressInfo;
  const session = http2.connect(`http://127.0.0.1:${port}`, {
    settings: clientTableBytes === undefined ? {} : { headerTableSize: clientTableBytes },
    maxSendHeaderBlockLength: 1 << 20,
  });
  try {
    const answers: http2.IncomingHttpHeaders[] = [];
    for (const fields of requests) {
      const request = session.request(listed(fields), { endStream: true });
      const [headers] = (await once(request, 'response')) as [http2.IncomingHttpHeaders];
      answers.push(headers);
      request.resume();
      await once(request, 'close');
    }
    expect(failures).toEqual([]);
    return { decoded, tableBytes, answers };
  } finally {
    session.destroy();
    server.close();
  }
}

/** The form in which the client takes a list with repeated names in order: name, value, name, value. */
function listed(fields: readonly Field[]): string[] {
  return fields.flat();
}

const PSEUDO: readonly Field[] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/envoy.service.ext_proc.v3.ExternalProcessor/Process'],
  [':authority', 'epp:9002'],
];
const OK: readonly Field[] = [[':status', '200']];

/** Names that the client sends as they are, any number of times: no pseudo header, none about the connection. */
const staticNames = STATIC_NAMES.filter((name) =>
  /^(accept|cache|cookie|link|user|x|vary|via|from|e)/.test(name),
);
const name = fc.oneof(
  fc.constantFrom(
    'x-request-id',
    'traceparent',
    'grpc-timeout',
    'x-a',
    'x-b',
    ...staticNames.filter(canRepeat),
  ),
  fc.stringMatching(/^x-[a-z0-9_-]{1,40}$/),
);
// Visible ASCII, spaces within, and bytes above: what a field value may hold (RFC 9110 §5.5).
const value = fc.oneof(
  fc.constantFrom(
    '',
    'gzip, deflate',
    'application/grpc',
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  ),
  fc.uuid(),
  fc.stringMatching(/^[!-~\u0080-\u00ff]([ -~\u0080-\u00ff]{0,60}[!-~\u0080-\u00ff])?$/),
  fc.integer({ min: 1, max: 20_000 }).map((bytes) => 'w'.repeat(bytes)),
);
const requestFields = fc.array(fc.tuple(name, value), { maxLength: 12 });

/** Whether the client takes this name more than once. */
function canRepeat(one: string): boolean {
  return !['etag', 'user-agent', 'expect', 'expires', 'from'].includes(one);
}

test('interop: what the client of Node.js sends is what is decoded, with evictions, at any table size', async () => {
  const sizes = fc.constantFrom(undefined, 0, 1, 64, 256, 1000, 4096, 65_536);
  await fc.assert(
    fc.asyncProperty(
      fc.array(requestFields, { minLength: 1, maxLength: 20 }),
      sizes,
      async (lists, bytes) => {
        const requests = lists.map((fields) => [...PSEUDO, ...fields]);
        const size = bytes === undefined ? {} : { serverTableBytes: bytes };
        const { decoded, tableBytes } = await exchange({ answer: OK, requests, ...size });
        expect(decoded).toEqual(requests);
        // The first block may leave before the client has seen the setting.
        expect(Math.max(0, ...tableBytes.slice(1))).toBeLessThanOrEqual(bytes ?? 4096);
      },
    ),
    { numRuns: 60 },
  );
});

test('interop: hundreds of requests on one connection, in which each value returns after a while', async () => {
  const rng = new SeededRng(1);
  const values = Array.from({ length: 60 }, (_, i) => `value-${i}-${'v'.repeat(nextInt(rng, 200))}`);
  const requests = Array.from({ length: 400 }, () => {
    const count = nextInt(rng, 8);
    const fields = Array.from({ length: count }, (): Field => {
      return [`x-name-${nextInt(rng, 10)}`, values[nextInt(rng, values.length)] ?? ''];
    });
    return [...PSEUDO, ...fields];
  });
  const { decoded, tableBytes } = await exchange({ answer: OK, requests });
  expect(decoded).toEqual(requests);
  expect(Math.max(...tableBytes)).toBeGreaterThan(3000);
});

test('interop: every entry of the static table that a request may carry', async () => {
  const regular = STATIC_NAMES.map((one, i): Field => [one, STATIC_VALUES[i] ?? '']).slice(15);
  const allowed = regular.filter(([one]) => one !== 'transfer-encoding' && one !== 'host');
  const requests = allowed.map((field) => [...PSEUDO, field]);
  expect((await exchange({ answer: OK, requests })).decoded).toEqual(requests);
});

test.each([undefined, 0, 100, 4096, 65_536])(
  'interop: the client takes our blocks when its table has %s bytes',
  async (clientTableBytes) => {
    const answer: Field[] = [
      [':status', '200'],
      ['content-type', 'application/grpc'],
      ['grpc-status', '13'],
      ['grpc-message', 'upstream said %25 and é'],
      ['x-long', 'l'.repeat(300)],
      ['x-empty', ''],
    ];
    const size = clientTableBytes === undefined ? {} : { clientTableBytes };
    const { answers } = await exchange({ answer, requests: [PSEUDO, PSEUDO, PSEUDO], ...size });
    const wanted = { ...Object.fromEntries(answer), ':status': 200 };
    expect(answers.map((headers) => Object.fromEntries(Object.entries(headers)))).toEqual([
      wanted,
      wanted,
      wanted,
    ]);
  },
);
