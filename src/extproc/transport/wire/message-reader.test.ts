import { deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyCuts, singleBytes, splitAt } from '../../../../test/support/chunks.ts';
import { grpcMessage } from '../../../../test/support/http2-frames.ts';
import { STATUS } from './grpc.ts';
import { MessageReader, type MessageSink } from './message-reader.ts';

const MAX_BYTES = 10_000;

/** Takes messages; wants no more after each for which `stops` says so. */
class Recorder implements MessageSink {
  readonly messages: string[] = [];
  stops: (count: number) => boolean = () => false;

  take(bytes: Buffer, start: number, end: number): boolean {
    this.messages.push(bytes.toString('hex', start, end));
    return !this.stops(this.messages.length);
  }
}

/** Reads all pieces, each of them again from where the sink stopped. */
function read(pieces: readonly Buffer[], stops: (count: number) => boolean = () => false, encoding = '') {
  const sink = new Recorder();
  sink.stops = stops;
  const reader = new MessageReader(MAX_BYTES, encoding);
  for (const piece of pieces) {
    let at = 0;
    do {
      const stop = reader.read(piece, at, piece.length, sink);
      expect(stop).toBeGreaterThanOrEqual(at);
      at = stop;
    } while (at < piece.length);
  }
  return { messages: sink.messages, isAtBorder: reader.isAtBorder };
}

function failure(encoding: string, ...pieces: readonly Buffer[]): unknown {
  try {
    read(pieces, undefined, encoding);
  } catch (error) {
    return error;
  }
  return undefined;
}

const messages = fc.array(
  fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 4000, maxLength: 10_000 })),
  { maxLength: 8 },
);

describe('any fragmentation', () => {
  test('gives the same messages, also when the sink stops after some of them', () => {
    fc.assert(
      fc.property(messages, anyCuts, fc.integer({ min: 1, max: 5 }), (samples, cuts, every) => {
        const bytes = Buffer.concat(samples.map((sample) => grpcMessage(sample)));
        const want = samples.map((sample) => Buffer.from(sample).toString('hex'));
        expect(read([bytes])).toEqual({ messages: want, isAtBorder: true });
        expect(read(splitAt(bytes, cuts), (count) => count % every === 0).messages).toEqual(want);
      }),
    );
  });

  test('byte by byte', () => {
    const parts = ['', 'a', 'bc', '', 'def'].map((text) => Buffer.from(text));
    const bytes = Buffer.concat(parts.map((part) => grpcMessage(part)));
    expect(read(singleBytes(bytes)).messages).toEqual(parts.map((part) => part.toString('hex')));
  });

  test('of compressed ones, between others', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.boolean()), { maxLength: 5 }),
        anyCuts,
        fc.constantFrom('gzip' as const, 'deflate' as const),
        (samples, cuts, encoding) => {
          const compress = encoding === 'gzip' ? gzipSync : deflateSync;
          const bytes = Buffer.concat(
            samples.map(([sample, isCompressed]) =>
              grpcMessage(isCompressed ? compress(sample) : sample, isCompressed),
            ),
          );
          const want = samples.map(([sample]) => Buffer.from(sample).toString('hex'));
          expect(read(splitAt(bytes, cuts), undefined, encoding).messages).toEqual(want);
        },
      ),
    );
  });
});

test('stops behind the message after which the sink wants no more', () => {
  const bytes = Buffer.concat(['a', '', 'bcd', 'e'].map((text) => grpcMessage(Buffer.from(text))));
  const sink = new Recorder();
  sink.stops = () => true;
  const reader = new MessageReader(MAX_BYTES, '');
  expect(reader.read(bytes, 0, bytes.length, sink)).toBe(6);
  expect(reader.read(bytes, 6, bytes.length, sink)).toBe(11);
  expect(reader.read(bytes, 11, bytes.length, sink)).toBe(19);
  expect(sink.messages).toEqual(['61', '', '626364']);
});

test('a message that lies whole in what was read is passed on where it is', () => {
  const bytes = Buffer.concat([grpcMessage(Buffer.from('abc')), grpcMessage(Buffer.alloc(100))]);
  const seen: unknown[] = [];
  new MessageReader(MAX_BYTES, '').read(bytes, 0, 60, {
    take: (...where) => {
      seen.push(where);
      return true;
    },
  });
  expect(seen).toEqual([[bytes, 5, 8]]);
});

test('a message put together is never written to again', () => {
  const seen: Buffer[] = [];
  const sink = {
    take: (bytes: Buffer, start: number, end: number) => seen.push(bytes.subarray(start, end)) > 0,
  };
  const reader = new MessageReader(MAX_BYTES, '');
  for (const fill of [1, 2, 3]) {
    for (const piece of singleBytes(grpcMessage(Buffer.alloc(50, fill)))) reader.read(piece, 0, 1, sink);
  }
  expect(seen.map((message) => [...new Set(message)])).toEqual([[1], [2], [3]]);
});

test.each([
  { name: 'nothing', bytes: Buffer.alloc(0), isAtBorder: true },
  { name: 'part of a prefix', bytes: Buffer.of(0, 0), isAtBorder: false },
  { name: 'a prefix alone', bytes: Buffer.of(0, 0, 0, 0, 1), isAtBorder: false },
  { name: 'an empty message', bytes: Buffer.of(0, 0, 0, 0, 0), isAtBorder: true },
  { name: 'part of a message', bytes: Buffer.of(0, 0, 0, 0, 2, 7), isAtBorder: false },
])('after $name: between messages is $isAtBorder', ({ bytes, isAtBorder }) => {
  expect(read([bytes]).isAtBorder).toBe(isAtBorder);
});

describe('refused', () => {
  const tooLong = Buffer.alloc(MAX_BYTES + 1);

  test.each<{ name: string; encoding?: string; bytes: Buffer; code: number; message: string }>([
    {
      name: 'a flag that is neither 0 nor 1',
      bytes: Buffer.of(2),
      code: STATUS.INTERNAL,
      message: 'message flag 2, want 0 or 1',
    },
    {
      name: 'a message above the limit, before it comes',
      bytes: grpcMessage(tooLong).subarray(0, 5),
      code: STATUS.RESOURCE_EXHAUSTED,
      message: `message of ${MAX_BYTES + 1} bytes, want at most ${MAX_BYTES}`,
    },
    {
      name: 'a claim of 4 GB',
      bytes: Buffer.of(0, 255, 255, 255, 255),
      code: STATUS.RESOURCE_EXHAUSTED,
      message: `message of 4294967295 bytes, want at most ${MAX_BYTES}`,
    },
    {
      name: 'a compressed message that grows above the limit',
      encoding: 'gzip',
      bytes: grpcMessage(gzipSync(tooLong), true),
      code: STATUS.RESOURCE_EXHAUSTED,
      message: `message of ${MAX_BYTES + 1} bytes, want at most ${MAX_BYTES}`,
    },
    {
      name: 'a compressed message without grpc-encoding',
      bytes: grpcMessage(gzipSync('abc'), true),
      code: STATUS.INTERNAL,
      message: 'compressed message without grpc-encoding',
    },
    {
      name: 'what is not compressed and says so',
      encoding: 'gzip',
      bytes: grpcMessage(Buffer.from('plain'), true),
      code: STATUS.INTERNAL,
      message: 'cannot decompress a message of 5 bytes',
    },
    {
      name: 'what is compressed in part',
      encoding: 'deflate',
      bytes: grpcMessage(deflateSync('abc').subarray(0, 6), true),
      code: STATUS.INTERNAL,
      message: 'cannot decompress a message of 6 bytes',
    },
  ])('$name', ({ encoding = '', bytes, code, message }) => {
    for (const pieces of [[bytes], singleBytes(bytes)]) {
      expect(failure(encoding, ...pieces)).toMatchObject({ name: 'MessageError', code, message });
    }
  });

  test.each([MAX_BYTES - 1, MAX_BYTES])('not: a message of %i bytes, plain and compressed', (size) => {
    const message = Buffer.alloc(size, 1);
    const bytes = Buffer.concat([grpcMessage(message), grpcMessage(gzipSync(message), true)]);
    expect(read([bytes], undefined, 'gzip').messages).toEqual([
      message.toString('hex'),
      message.toString('hex'),
    ]);
  });
});

test('memory is taken for bytes that came, not for those that were claimed', () => {
  const streams = 500;
  const claim = 4 << 20;
  const sink = new Recorder();
  const bytes = grpcMessage(Buffer.alloc(claim)).subarray(0, 6);
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: streams }, () => new MessageReader(claim, ''));
  for (const reader of readers) reader.read(bytes, 0, bytes.length, sink);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(streams * 6000);
  expect(readers.every((reader) => !reader.isAtBorder)).toBe(true);
});
