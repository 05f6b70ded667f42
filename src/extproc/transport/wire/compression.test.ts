import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ACCEPTED_ENCODINGS, decompressor } from './compression.ts';

test('every encoding that is accepted is known, and no other', () => {
  const known = ['gzip', 'deflate', 'br', 'snappy', 'identity', '', 'constructor'].filter(decompressor);
  expect(ACCEPTED_ENCODINGS.split(',').toSorted()).toEqual(['identity', ...known].toSorted());
});

test.each([
  { encoding: 'gzip', compress: gzipSync },
  { encoding: 'deflate', compress: deflateSync },
])('$encoding gives back what was compressed, up to the limit', ({ encoding, compress }) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 2000 }), (bytes) => {
      const decompress = decompressor(encoding);
      const compressed = compress(bytes);
      expect(decompress?.(compressed, bytes.length)).toEqual(Buffer.from(bytes));
      if (bytes.length > 1) expect(() => decompress?.(compressed, bytes.length - 1)).toThrow(RangeError);
    }),
  );
});

test('a bomb takes no more memory than the limit', () => {
  const bomb = gzipSync(Buffer.alloc(64 << 20));
  const before = process.memoryUsage().arrayBuffers;
  expect(() => decompressor('gzip')?.(bomb, 1 << 20)).toThrow(RangeError);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 << 20);
});

test.each([
  { encoding: 'gzip', bytes: Buffer.alloc(0) },
  { encoding: 'gzip', bytes: Buffer.from('plain') },
  { encoding: 'deflate', bytes: deflateRawSync('raw') },
  { encoding: 'deflate', bytes: gzipSync('other') },
  { encoding: 'deflate', bytes: deflateSync('cut').subarray(0, -2) },
])('$encoding: other bytes are an error, and none of size', ({ encoding, bytes }) => {
  const attempt = () => decompressor(encoding)?.(bytes, 1000);
  expect(attempt).toThrow(Error);
  expect(attempt).not.toThrow(RangeError);
});
