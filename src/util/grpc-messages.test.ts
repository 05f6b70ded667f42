import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frame } from '../../test/support/grpc-bodies.ts';
import { firstGrpcMessage, GrpcFrameAssembler, GrpcMessageError } from './grpc-messages.ts';

const HELLO = Buffer.from('hello');

describe('the first message of a body', () => {
  test('is a view of it; what follows is not looked at', () => {
    const body = Buffer.concat([frame(HELLO), Buffer.from('rest')]);
    const message = firstGrpcMessage(body, '', 100);
    expect(message).toEqual(HELLO);
    expect(message.buffer).toBe(body.buffer);
    expect(firstGrpcMessage(frame(Buffer.alloc(0)), '', 100)).toHaveLength(0);
  });

  test.each([
    { encoding: 'gzip', body: frame(HELLO, (bytes) => gzipSync(bytes)) },
    { encoding: 'deflate', body: frame(HELLO, (bytes) => deflateSync(bytes)) },
  ])('is decompressed: $encoding', ({ encoding, body }) => {
    expect(firstGrpcMessage(body, encoding, 100)).toEqual(HELLO);
    expect(() => firstGrpcMessage(body, encoding, 4)).toThrow(
      expect.objectContaining({ isTooLong: true, message: 'message of more than 4 bytes' }),
    );
  });

  test.each([
    { name: 'no body', body: Buffer.alloc(0), encoding: '', want: 'frame of 0 bytes' },
    { name: 'half a head', body: Buffer.alloc(4), encoding: '', want: 'frame of 4 bytes' },
    {
      name: 'a cut message',
      body: frame(HELLO).subarray(0, 8),
      encoding: '',
      want: 'of 5 bytes, of which 3 are there',
    },
    { name: 'another flag', body: Buffer.from([2, 0, 0, 0, 0]), encoding: '', want: 'frame with flag 2' },
    { name: 'no encoding', body: frame(HELLO, (b) => gzipSync(b)), encoding: '', want: "encoding ''" },
    {
      name: 'an unknown encoding',
      body: frame(HELLO, (b) => gzipSync(b)),
      encoding: 'snappy',
      want: "'snappy'",
    },
    {
      name: 'what is not gzip',
      body: Buffer.from([1, 0, 0, 0, 2, 1, 2]),
      encoding: 'gzip',
      want: 'is not gzip',
    },
  ])('is refused: $name', ({ body, encoding, want }) => {
    expect(() => firstGrpcMessage(body, encoding, 100)).toThrow(GrpcMessageError);
    expect(() => firstGrpcMessage(body, encoding, 100)).toThrow(want);
  });

  test('any bytes are a message or refused with the own error', () => {
    const encodings = fc.constantFrom('', 'gzip', 'deflate', 'identity');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), encodings, fc.boolean(), (bytes, encoding, isFramed) => {
        const body = isFramed ? frame(bytes, (content) => Buffer.from(content)) : Buffer.from(bytes);
        try {
          firstGrpcMessage(body, encoding, 1000);
        } catch (error) {
          expect(error).toBeInstanceOf(GrpcMessageError);
        }
      }),
    );
  });
});

/** Messages found when `body` comes cut at `cuts`. */
function assembled(body: Buffer, cuts: readonly number[], maxBytes = 1000): string[] {
  const found: string[] = [];
  const frames = new GrpcFrameAssembler(maxBytes, (message, isCompressed) =>
    found.push(`${message.toString('latin1')}${isCompressed ? ' compressed' : ''}`),
  );
  let from = 0;
  for (const cut of [...cuts.map((at) => at % (body.length + 1)).sort((a, b) => a - b), body.length]) {
    // a chunk's memory is the sender's again after the call
    const chunk = Buffer.from(body.subarray(from, cut));
    frames.push(chunk);
    chunk.fill(0xff);
    from = cut;
  }
  return found;
}

test('messages are the same however the body is cut', () => {
  const texts = fc.array(fc.string({ unit: 'binary-ascii', maxLength: 30 }), { maxLength: 8 });
  fc.assert(
    fc.property(texts, fc.array(fc.nat()), (messages, cuts) => {
      const body = Buffer.concat(messages.map((text) => frame(Buffer.from(text))));
      expect(assembled(body, cuts)).toEqual(messages);
    }),
  );
});

test('messages beyond the limit are passed over, compressed ones are marked', () => {
  const body = Buffer.concat([
    frame(Buffer.from('a')),
    frame(Buffer.alloc(50)),
    frame(Buffer.from('b'), (bytes) => Buffer.from(bytes)),
  ]);
  for (const cuts of [[], [3], [8, 20, 40], Array.from({ length: body.length }, (_, i) => i)]) {
    expect(assembled(body, cuts, 10)).toEqual(['a', 'b compressed']);
  }
});

test('what is no frame ends what is read', () => {
  const body = Buffer.concat([frame(HELLO), Buffer.from([9, 0, 0, 0, 1, 1]), frame(HELLO)]);
  for (const cuts of [[], [11], [2, 9, 14]]) expect(assembled(body, cuts)).toEqual(['hello']);
});

test('any bytes are taken', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.array(fc.nat()), (bytes, cuts) => {
      assembled(Buffer.from(bytes), cuts);
    }),
  );
});
