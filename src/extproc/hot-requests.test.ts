import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Headers } from '../framework/headers.ts';
import { decodeRequest, encodeRequest, type HeaderMap, type ProcessingRequest } from './codec.ts';
import { readRequest } from './hot-requests.ts';
import { receiveHeaders } from './messages.ts';

const header = fc.oneof(
  fc.record({ key: fc.string(), value: fc.string({ unit: 'binary' }) }),
  fc.record({
    key: fc.constantFrom(':path', 'X-A'),
    rawValue: fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  }),
  fc.record({
    key: fc.constant('both'),
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
const part: fc.Arbitrary<ProcessingRequest> = fc.oneof(
  fc.record({ requestHeaders: headers }),
  fc.record({ responseHeaders: headers }),
  fc.record({ requestBody: body }),
  fc.record({ responseBody: body }),
  fc.record({ requestTrailers: fc.constant({}) }),
);
const rest = fc.record(
  {
    observabilityMode: fc.boolean(),
    protocolConfig: fc.record({ requestBodyMode: fc.integer({ min: 0, max: 5 }) }),
    metadataContext: fc.constant({
      filterMetadata: { 'envoy.lb': { fields: { a: { stringValue: 'b' } } } },
    }),
  },
  { requiredKeys: [] },
);

/** What the picker makes of a message. */
function meaning(message: ProcessingRequest): unknown {
  const list = (map: HeaderMap | undefined) => {
    const received = new Headers();
    receiveHeaders(map, received);
    const entries: string[] = [];
    received.forEach((name, value) => void entries.push(`${name}: ${value}`));
    return entries;
  };
  const head = (one: ProcessingRequest['requestHeaders']) =>
    one && { entries: list(one.headers), isLast: one.endOfStream === true };
  const chunk = (one: ProcessingRequest['requestBody']) =>
    one && { bytes: Buffer.from(one.body ?? []).toString('hex'), isLast: one.endOfStream === true };
  const { requestHeaders, responseHeaders, requestBody, responseBody, ...others } = message;
  return {
    ...others,
    requestHeaders: head(requestHeaders),
    responseHeaders: head(responseHeaders),
    requestBody: chunk(requestBody),
    responseBody: chunk(responseBody),
  };
}

/** The outcome of reading, errors by name. */
function outcome(read: (bytes: Buffer) => ProcessingRequest, bytes: Buffer): unknown {
  try {
    return meaning(read(bytes));
  } catch (error) {
    return error instanceof Error ? error.name : 'not an error';
  }
}

test('messages mean what they mean to the codec', () => {
  fc.assert(
    fc.property(part, rest, (one, others) => {
      const bytes = encodeRequest({ ...one, ...others });
      expect(outcome(readRequest, bytes)).toEqual(outcome(decodeRequest, bytes));
    }),
    { numRuns: 500 },
  );
});

test('damaged messages, too: cut, changed, doubled', () => {
  fc.assert(
    fc.property(part, part, fc.nat(), fc.nat(255), (one, other, at, byte) => {
      const bytes = Buffer.concat([encodeRequest(one), encodeRequest(other)]);
      const damaged = Buffer.from(bytes);
      if (damaged.length > 0) damaged[at % damaged.length] = byte;
      for (const variant of [bytes, damaged, damaged.subarray(0, at % (damaged.length + 1))]) {
        const want = outcome(decodeRequest, variant);
        // the codec stops at some malformed texts that decode as well as any other here
        if (typeof want === 'object') expect(outcome(readRequest, variant)).toEqual(want);
      }
    }),
    { numRuns: 500 },
  );
});

test('any bytes are read or refused as the codec refuses them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const want = outcome(decodeRequest, Buffer.from(bytes));
      if (typeof want === 'object') expect(outcome(readRequest, Buffer.from(bytes))).toEqual(want);
      else expect(() => readRequest(Buffer.from(bytes))).not.toThrow(TypeError);
    }),
    { numRuns: 1000 },
  );
});
