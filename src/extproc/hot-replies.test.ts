import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Headers } from '../framework/headers.ts';
import { decodeResponse, encodeResponse, type ProcessingResponse } from './codec.ts';
import { pieceTail, ReplyWriter, unchangedHeadersBytes } from './hot-replies.ts';
import { decisionHead, headerChanges, headersReply, plainHead, streamedBodyReply } from './messages.ts';

const direction = fc.constantFrom('request' as const, 'response' as const);
const writer = new ReplyWriter();

/** A reply as the data plane reads it; members left out have their zero values. */
function read(bytes: Uint8Array): unknown {
  const { requestHeaders, responseHeaders, requestBody, responseBody, ...rest } = decodeResponse(
    Buffer.from(bytes),
  );
  return {
    ...rest,
    requestHeaders: requestHeaders && plain(requestHeaders),
    responseHeaders: responseHeaders && plain(responseHeaders),
    requestBody: requestBody && plain(requestBody),
    responseBody: responseBody && plain(responseBody),
  };
}

function plain({ response }: NonNullable<ProcessingResponse['requestHeaders']>): unknown {
  const mutation = response?.headerMutation;
  const piece = response?.bodyMutation?.streamedResponse;
  return {
    clearRouteCache: response?.clearRouteCache === true,
    set: (mutation?.setHeaders ?? []).map(({ header, appendAction, keepEmptyValue }) => ({
      key: header.key,
      value: Buffer.from(header.rawValue ?? []).toString(),
      appendAction,
      keepEmptyValue: keepEmptyValue === true,
    })),
    removed: mutation?.removeHeaders ?? [],
    piece: piece && {
      body: Buffer.from(piece.body ?? []).toString('hex'),
      endOfStream: piece.endOfStream === true,
    },
  };
}

function written(length: number): Buffer {
  return writer.bytes.subarray(0, length);
}

test('body pieces say what those of the codec say', () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .constantFrom(0, 111, 119, 120, 127, 128, 16_369, 16_383, 16_384, 62_000)
      .map((length) => new Uint8Array(length)),
  );
  fc.assert(
    fc.property(direction, body, fc.boolean(), (way, bytes, endOfStream) => {
      const oracle = encodeResponse(streamedBodyReply(way, { body: bytes, endOfStream }, undefined));
      const head = written(writer.pieceHead(way, bytes.length, endOfStream));
      const message = Buffer.concat([head, bytes, pieceTail(endOfStream)]);
      expect(read(message)).toEqual(read(oracle));
      expect(message.length).toBeLessThanOrEqual(oracle.length);
    }),
  );
});

test.each(['request', 'response'] as const)(
  'unchanged %s headers are the bytes that the codec writes',
  (way) => {
    expect(Buffer.from(unchangedHeadersBytes(way))).toEqual(
      Buffer.from(encodeResponse(headersReply(way, undefined))),
    );
  },
);

const NAMES = ['content-length', 'x-gateway-destination-endpoint', ':path', ':status', 'x-a', 'x-b'] as const;
const value = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.stringMatching(/^[ -~]{0,300}$/),
  fc.string({ unit: 'binary', maxLength: 4 }).map((text) => text.replaceAll(/\p{Cc}/gu, '')),
);
/** Headers of which some were set and some removed. */
const changed = fc
  .array(
    fc.record({ name: fc.constantFrom(...NAMES), value: fc.option(value, { nil: undefined, freq: 3 }) }),
    { maxLength: 8 },
  )
  .map((steps) => {
    const headers = new Headers();
    for (const name of NAMES) headers.receive(name, 'received');
    for (const step of steps) {
      if (step.value === undefined) headers.remove(step.name);
      else headers.set(step.name, step.value);
    }
    return headers;
  });

test('changed response headers say what the codec writes', () => {
  fc.assert(
    fc.property(changed, (headers) => {
      fc.pre(headers.changedNames.length + headers.removedNames.length > 0);
      const oracle = encodeResponse(headersReply('response', plainHead(headerChanges(headers, []))));
      const length = writer.changedHeaders(headers);
      if (length >= 0) expect(read(written(length))).toEqual(read(oracle));
      else expect(hasOtherThanAscii(headers)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('decisions say what the codec writes', () => {
  const destination = fc.constantFrom(
    '10.0.0.1:8000',
    '[fd00::1]:8000',
    '10.0.0.1:1,10.0.0.2:2',
    'a'.repeat(300),
  );
  const contentLength = fc.option(fc.nat(), { nil: Number.NaN });
  fc.assert(
    fc.property(changed, destination, contentLength, (headers, to, length) => {
      const decision = { destination: to, scores: undefined, body: undefined, skipsResponse: false };
      const oracle = encodeResponse(headersReply('request', decisionHead(decision, headers, length)));
      const bytes = writer.decision(headers, to, length >= 0 ? String(length) : '');
      if (bytes >= 0) expect(read(written(bytes))).toEqual(read(oracle));
      else expect(hasOtherThanAscii(headers)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('headers that take too much room are left to the codec', () => {
  const headers = new Headers();
  headers.set('x-long', 'a'.repeat(5000));
  expect(writer.changedHeaders(headers)).toBe(-1);
  expect(writer.decision(headers, '10.0.0.1:8000', '')).toBe(-1);
  expect(writer.decision(new Headers(), 'a'.repeat(5000), '')).toBe(-1);
});

function hasOtherThanAscii(headers: Headers): boolean {
  return headers.changedNames.some((name) => /[^\0-\x7f]/.test(headers.get(name) ?? ''));
}
