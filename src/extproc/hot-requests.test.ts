import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Headers } from '../framework/headers.ts';
import { decodeRequest, encodeRequest, type ProcessingRequest } from './codec.ts';
import { HotReader, PART } from './hot-requests.ts';
import { receiveHeaders } from './messages.ts';

const header = fc.oneof(
  fc.record({ key: fc.string(), value: fc.string({ unit: 'binary' }) }),
  fc.record({ value: fc.string() }),
  fc.record({
    key: fc.constantFrom(':path', 'X-A', 'x-request-id'),
    rawValue: fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  }),
  fc.record({
    key: fc.stringMatching(/^[a-z-]{1,70}$/),
    value: fc.string(),
    rawValue: fc.uint8Array({ maxLength: 300 }).map((raw) => Buffer.from(raw)),
  }),
);
const headers = fc.record(
  { headers: fc.record({ headers: fc.array(header) }), endOfStream: fc.boolean() },
  { requiredKeys: [] },
);
const body = fc.record(
  { body: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)), endOfStream: fc.boolean() },
  { requiredKeys: [] },
);
const hotPart: fc.Arbitrary<ProcessingRequest> = fc.oneof(
  fc.record({ requestHeaders: headers }),
  fc.record({ responseHeaders: headers }),
  fc.record({ requestBody: body }),
  fc.record({ responseBody: body }),
);
const part = fc.oneof(
  { weight: 9, arbitrary: hotPart },
  { weight: 1, arbitrary: fc.record({ requestTrailers: fc.constant({}) }) },
);
const rest = fc.record(
  {
    observabilityMode: fc.boolean(),
    protocolConfig: fc.record({ requestBodyMode: fc.integer({ min: 0, max: 5 }) }),
    metadataContext: fc.constantFrom('b', 'c').map((stringValue) => ({
      filterMetadata: { 'envoy.lb': { fields: { a: { stringValue } } } },
    })),
  },
  { requiredKeys: [] },
);

/** Fields that no version knows yet: tag, then what the wire type wants. */
const unknownField = fc.constantFrom(
  [0x78, 0x05],
  [0x78, 0x80],
  [0x7a, 0x02, 0x61, 0x62],
  [0x7a, 0x50],
  [0x79, 1, 2, 3, 4, 5, 6, 7, 8],
  [0x7d, 1, 2, 3, 4],
  [0x7b, 0x7c],
  [0x7e],
  [0x80, 0x01, 0x00],
  [0x08, 0x01],
  [0x20, 0x01],
);

interface Meaning {
  readonly part: number | 'other';
  readonly entries: readonly string[];
  readonly chunk: string;
  readonly isLast: boolean;
  readonly beside: object;
}

function list(received: Headers): string[] {
  const entries: string[] = [];
  received.forEach((name, value) => void entries.push(`${name}: ${value}`));
  return entries;
}

/** What the picker makes of a message that the codec has read. */
function meaning(message: ProcessingRequest): Meaning {
  const { requestHeaders, responseHeaders, requestBody, responseBody, ...beside } = message;
  const head = requestHeaders ?? responseHeaders;
  const chunk = requestBody ?? responseBody;
  let found: Meaning['part'] = 'other';
  if (requestHeaders !== undefined) found = PART.requestHeaders;
  else if (responseHeaders !== undefined) found = PART.responseHeaders;
  else if (requestBody !== undefined) found = PART.requestBody;
  else if (responseBody !== undefined) found = PART.responseBody;
  return {
    part: found,
    entries: list(receiveHeaders(head?.headers)),
    chunk: Buffer.from(chunk?.body ?? []).toString('hex'),
    isLast: (head ?? chunk)?.endOfStream === true,
    beside,
  };
}

const reader = new HotReader();

/** What it makes of a message of which `bytes` is a part; the reader may leave it to the codec. */
function hotMeaning(bytes: Buffer): Meaning | 'left to the codec' {
  const around = Buffer.concat([Buffer.from([0x12, 0x7f]), bytes, Buffer.from([0x12, 0x02, 0x0a])]);
  if (!reader.read(around, 2, 2 + bytes.length)) return 'left to the codec';
  const hasHeaders = reader.part === PART.requestHeaders || reader.part === PART.responseHeaders;
  return {
    part: reader.part,
    entries: hasHeaders ? list(reader.headers) : [],
    chunk: hasHeaders ? '' : around.toString('hex', reader.chunkStart, reader.chunkEnd),
    isLast: reader.endOfStream,
    beside: reader.beside,
  };
}

/** Whatever the reader takes, the codec takes too and understands alike; what the codec refuses, the reader does not take. */
function expectSame(bytes: Buffer): void {
  let want: Meaning;
  try {
    want = meaning(decodeRequest(bytes));
  } catch (error) {
    const read = () => expect(hotMeaning(bytes)).toBe('left to the codec');
    if (error instanceof Error && error.name === 'CodecError') expectCodecErrorOr(read);
    return;
  }
  const got = hotMeaning(bytes);
  if (got !== 'left to the codec') expect(got).toEqual(want);
}

/** What follows the part is read by the codec at once, which throws. */
function expectCodecErrorOr(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'CodecError') throw error;
  }
}

test('messages mean what they mean to the codec', () => {
  fc.assert(
    fc.property(part, rest, (one, others) => expectSame(encodeRequest({ ...one, ...others }))),
    { numRuns: 500 },
  );
});

test.each([
  {
    name: 'request headers',
    message: { requestHeaders: { headers: { headers: [{ key: ':path', rawValue: Buffer.from('/') }] } } },
  },
  { name: 'no headers', message: { responseHeaders: { endOfStream: true } } },
  {
    name: 'values in the older member',
    message: { responseHeaders: { headers: { headers: [{ key: 'a', value: 'b' }] } } },
  },
  { name: 'a chunk', message: { requestBody: { body: Buffer.from('abc'), endOfStream: true } } },
  { name: 'an empty chunk', message: { responseBody: { endOfStream: true } } },
  { name: 'a chunk that says nothing', message: { responseBody: {} } },
  {
    name: 'a chunk with metadata',
    message: { responseBody: {}, metadataContext: { filterMetadata: { a: { fields: {} } } } },
  },
  {
    name: 'configuration beside headers',
    message: { requestHeaders: {}, protocolConfig: { requestBodyMode: 4, responseBodyMode: 4 } },
  },
])('$name: read here', ({ message }) => {
  const bytes = encodeRequest(message);
  expect(hotMeaning(bytes)).toEqual(meaning(decodeRequest(bytes)));
});

test('what comes beside a part is that of its own message', () => {
  const message = (requestBodyMode: number) =>
    encodeRequest({ requestHeaders: {}, protocolConfig: { requestBodyMode } });
  for (const mode of [4, 4, 2, 4, 1]) {
    expect(reader.read(message(mode), 0, message(mode).length)).toBe(true);
    expect(reader.beside.protocolConfig?.requestBodyMode).toBe(mode);
  }
  const plain = encodeRequest({ requestHeaders: {} });
  expect(reader.read(plain, 0, plain.length)).toBe(true);
  expect(reader.beside).toEqual({});
});

test('damaged messages, too: cut, changed, doubled', () => {
  fc.assert(
    fc.property(part, part, fc.nat(), fc.nat(255), (one, other, at, byte) => {
      const bytes = Buffer.concat([encodeRequest(one), encodeRequest(other)]);
      const damaged = Buffer.from(bytes);
      if (damaged.length > 0) damaged[at % damaged.length] = byte;
      for (const variant of [bytes, damaged, damaged.subarray(0, at % (damaged.length + 1))]) {
        expectSame(variant);
      }
    }),
    { numRuns: 1000 },
  );
});

test('fields that are unknown or of another wire type, on every level', () => {
  const nested = fc.tuple(hotPart, unknownField, fc.nat(3)).map(([one, field, depth]) => {
    const bytes = encodeRequest(one);
    return depth === 0 ? Buffer.concat([bytes, Buffer.from(field)]) : inside(bytes, field, depth);
  });
  fc.assert(fc.property(nested, expectSame), { numRuns: 1000 });
});

test('any bytes are read or refused as the codec refuses them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => expectSame(Buffer.from(bytes))),
    { numRuns: 1000 },
  );
});

/** `bytes`, a message of one field, with `field` at the end of the message `depth` levels down its last fields. */
function inside(bytes: Buffer, field: readonly number[], depth: number): Buffer {
  const tag = bytes[0] ?? 0;
  if (depth === 0 || (tag & 7) !== 2) return Buffer.concat([bytes, Buffer.from(field)]);
  const start = (bytes[1] ?? 0) < 0x80 ? 2 : 3;
  const content = inside(bytes.subarray(start), field, depth - 1);
  return Buffer.concat([Buffer.from([tag, (content.length & 0x7f) | 0x80, content.length >> 7]), content]);
}

test.each([3, 3000])('what %i pools send beside a part is that of each, again and again', (pools) => {
  const reader = new HotReader();
  const messages = Array.from({ length: pools }, (_, i) => {
    const fields = { 'xds.cluster_name': { stringValue: `pool-${i}` } };
    return encodeRequest({ requestBody: { body: Buffer.from('x') }, attributes: { f: { fields } } });
  });
  for (let round = 0; round < 3; round += 1) {
    for (const [i, bytes] of messages.entries()) {
      expect(reader.read(bytes, 0, bytes.length)).toBe(true);
      const field = reader.beside.attributes?.['f']?.fields?.['xds.cluster_name'];
      if (field?.stringValue !== `pool-${i}`) expect.unreachable(`got ${field?.stringValue} for pool-${i}`);
    }
  }
});
