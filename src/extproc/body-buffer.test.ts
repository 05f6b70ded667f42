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

test('what was received outlives the joined body', () => {
  const texts = ['{"model":"', 'a"', ',"prompt":"', 'b'.repeat(100_000), '"}'];
  const body = new BodyBuffer();
  for (const text of texts) body.append(Buffer.from(text));
  const whole = body.whole();
  const added = Buffer.from('other');
  const lasting = body.lasting([whole.subarray(0, 10), added, whole.subarray(11)]);
  const chunks = body.chunks();
  body.release();
  whole.fill(0);
  const text = texts.join('');
  expect(Buffer.concat(chunks).toString()).toBe(text);
  expect(Buffer.concat(lasting).toString()).toBe(`${text.slice(0, 10)}other${text.slice(11)}`);
});

test('slices of the joined body are found in the chunks, wherever they are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { minLength: 2 }), fc.array(fc.nat(2500)), (lengths, cuts) => {
      const body = new BodyBuffer();
      lengths.forEach((length, i) => void body.append(Buffer.alloc(length, i + 1)));
      const whole = body.whole();
      const borders = [
        0,
        ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b),
        whole.length,
      ];
      const slices = borders.slice(1).map((end, i) => whole.subarray(borders[i], end));
      expect(Buffer.concat(body.lasting(slices)).equals(whole)).toBe(true);
    }),
  );
});

test.each([
  { pieces: [], want: [0] },
  { pieces: [1], want: [1] },
  { pieces: [CHUNK_BYTES], want: [CHUNK_BYTES] },
  { pieces: [CHUNK_BYTES + 1], want: [CHUNK_BYTES, 1] },
  { pieces: [2 * CHUNK_BYTES + 1], want: [CHUNK_BYTES, CHUNK_BYTES, 1] },
  { pieces: [CHUNK_BYTES - 1, 0, 2], want: [CHUNK_BYTES - 1, 2] },
  { pieces: [65_536, 65_536], want: [32_768, 32_768, 32_768, 32_768] },
  { pieces: [1, 0, 2, 3], want: [6] },
  { pieces: [1, 100_000, 1], want: [62_000, 38_001, 1] },
  { pieces: [40_000, 10_000, 10_000, 50_000], want: [40_000, 62_000, 8000] },
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

test('long pieces are not copied, short ones are together', () => {
  const pieces = [Buffer.alloc(20_000), Buffer.alloc(10), Buffer.alloc(20)];
  const chunker = new Chunker(pieces);
  expect(chunker.next()).toBe(pieces[0]);
  expect(chunker.next()).toHaveLength(30);
});

test('bytes in are bytes out, in order, in no more chunks than need be', () => {
  const piece = fc.integer({ min: 0, max: 150_000 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (lengths) => {
      const pieces = lengths.map((length, i) => Buffer.alloc(length, i + 1));
      const chunker = new Chunker(pieces);
      const chunks: Uint8Array[] = [];
      while (chunker.remainingBytes > 0) chunks.push(chunker.next());
      expect(Buffer.concat(chunks).equals(Buffer.concat(pieces))).toBe(true);
      expect(chunks.every((chunk) => chunk.length <= CHUNK_BYTES)).toBe(true);
      // all but the last are long, or all that there is
      expect(chunks.slice(0, -1).every((chunk) => chunk.length >= 16_384)).toBe(true);
    }),
    { numRuns: 50 },
  );
});
