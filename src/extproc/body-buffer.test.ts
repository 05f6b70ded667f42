import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BodyBuffer, CHUNK_BYTES, Chunker } from './body-buffer.ts';

test('a body of one chunk is that chunk', () => {
  const chunk = Buffer.from('abc');
  const body = new BodyBuffer();
  body.append(Buffer.alloc(0));
  body.append(chunk);
  expect(body.whole()).toBe(chunk);
  expect(body.sizeBytes).toBe(3);
});

test('several chunks are joined once', () => {
  const body = new BodyBuffer();
  for (const text of ['a', 'b', 'c']) body.append(Buffer.from(text));
  expect(body.whole().toString()).toBe('abc');
  expect(body.whole()).toBe(body.whole());
});

test('no body is empty, also after its bytes were let go', () => {
  const body = new BodyBuffer();
  expect(body.whole()).toHaveLength(0);
  body.append(Buffer.from('a'));
  body.release();
  expect(body.whole()).toHaveLength(0);
  expect(body.sizeBytes).toBe(1);
});

test.each([
  { pieces: [], want: [0] },
  { pieces: [1], want: [1] },
  { pieces: [CHUNK_BYTES], want: [CHUNK_BYTES] },
  { pieces: [CHUNK_BYTES + 1], want: [CHUNK_BYTES, 1] },
  { pieces: [CHUNK_BYTES - 1, 0, 2], want: [CHUNK_BYTES, 1] },
])('chunks of $pieces are $want', ({ pieces, want }) => {
  const chunker = new Chunker(pieces.map((length) => Buffer.alloc(length)));
  const lengths = [chunker.next().length];
  while (chunker.remainingBytes > 0) lengths.push(chunker.next().length);
  expect(lengths).toEqual(want);
});

test('a chunk within one piece is not copied', () => {
  const piece = Buffer.alloc(CHUNK_BYTES * 2);
  const chunker = new Chunker([piece]);
  chunker.next();
  expect(chunker.next().buffer).toBe(piece.buffer);
});

test('bytes in are bytes out, in order, in full chunks', () => {
  const piece = fc.integer({ min: 0, max: 150_000 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (lengths) => {
      const pieces = lengths.map((length, i) => Buffer.alloc(length, i + 1));
      const chunker = new Chunker(pieces);
      const chunks: Uint8Array[] = [];
      while (chunker.remainingBytes > 0) chunks.push(chunker.next());
      expect(Buffer.concat(chunks).equals(Buffer.concat(pieces))).toBe(true);
      expect(chunks.slice(0, -1).every((chunk) => chunk.length === CHUNK_BYTES)).toBe(true);
    }),
    { numRuns: 50 },
  );
});
