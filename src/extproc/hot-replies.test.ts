import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeResponse, encodeResponse } from './codec.ts';
import { streamedBodyBytes, unchangedHeadersBytes } from './hot-replies.ts';
import { type Direction, headersReply, streamedBodyReply } from './messages.ts';

const direction = fc.constantFrom('request' as const, 'response' as const);

/** A piece as the data plane reads it; fields left out have their zero values. */
function read(bytes: Uint8Array, way: Direction): { body: Buffer; endOfStream: boolean } {
  const reply = decodeResponse(Buffer.from(bytes));
  const part = way === 'request' ? reply.requestBody : reply.responseBody;
  const piece = part?.response?.bodyMutation?.streamedResponse;
  if (piece === undefined) throw new Error('no piece of a body');
  return { body: Buffer.from(piece.body ?? []), endOfStream: piece.endOfStream === true };
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
      const written = streamedBodyBytes(way, bytes, endOfStream);
      expect(read(written, way)).toEqual(read(oracle, way));
      expect(written.length).toBeLessThanOrEqual(oracle.length);
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
