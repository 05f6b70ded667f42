import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import loadReference, { type XXHashAPI } from 'xxhash-wasm';
import { Xxh64 } from './xxh64.ts';

let reference: XXHashAPI;
const ours = new Xxh64();

beforeAll(async () => {
  reference = await loadReference();
});

function pair(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

function pairs(hashes: Uint32Array): bigint[] {
  return Array.from({ length: hashes.length / 2 }, (_, i) =>
    pair(hashes[2 * i] ?? 0, hashes[2 * i + 1] ?? 0),
  );
}

function bytesOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 131 + (i >> 8)) & 0xff);
}

test('xxh64: the empty input has the published hash', () => {
  ours.digest(new Uint8Array(0));
  expect(pair(ours.low, ours.high)).toBe(0xef46db3751d8e999n);
  ours.digestText('');
  expect(pair(ours.low, ours.high)).toBe(0xef46db3751d8e999n);
});

test('xxh64: every length up to two stripes and more, and lengths around the input area', () => {
  const lengths = [...Array(100).keys(), 65_535, 65_536, 65_537, 65_568, 131_072, 200_001];
  for (const length of lengths) {
    const bytes = bytesOf(length);
    ours.digest(bytes);
    expect(pair(ours.low, ours.high), `${length} bytes`).toBe(reference.h64Raw(bytes));
  }
});

test('xxh64: text of any length and script equals the hash of its UTF-8', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.integer({ min: 1, max: 600 }),
      (unit, times) => {
        const text = unit.repeat(times);
        ours.digestText(text);
        expect(pair(ours.low, ours.high)).toBe(reference.h64Raw(Buffer.from(text)));
      },
    ),
  );
});

test('xxh64: a surrogate pair at the border of two portions stays whole', () => {
  for (const lead of [21_832, 21_833, 21_834]) {
    const text = `${'a'.repeat(lead)}😀${'b'.repeat(30_000)}`;
    ours.digestText(text);
    expect(pair(ours.low, ours.high)).toBe(reference.h64Raw(Buffer.from(text)));
  }
});

test.each([
  { length: 0, blockBytes: 8 },
  { length: 7, blockBytes: 8 },
  { length: 1000, blockBytes: 4 },
  { length: 200_000, blockBytes: 4 },
  { length: 200_000, blockBytes: 256 },
  { length: 200_004, blockBytes: 4096 },
  { length: 300_000, blockBytes: 100_000 },
])('xxh64: contents of $length bytes in blocks of $blockBytes', ({ length, blockBytes }) => {
  const bytes = bytesOf(length);
  const blocks = Math.ceil(length / blockBytes);
  const out = new Uint32Array(2 * blocks + 2);
  expect(ours.contents(bytes, blockBytes, out, 1)).toBe(blocks);
  const want = Array.from({ length: blocks }, (_, i) =>
    reference.h64Raw(bytes.slice(i * blockBytes, (i + 1) * blockBytes)),
  );
  expect(pairs(out)).toEqual([0n, ...want]);
});

test('xxh64: a chain links each content to the hash before it, across portions', () => {
  const hashes = Uint32Array.from({ length: 40_000 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 0);
  const contents = pairs(hashes);
  ours.chain(hashes, { from: 1, to: 20_000 }, { low: 5, high: 0xffff_fff0 });
  const got = pairs(hashes);
  expect(got[0]).toBe(contents[0]);
  let before = pair(5, 0xffff_fff0);
  for (let i = 1; i < contents.length; i += 1) {
    const link = Buffer.alloc(16);
    link.writeBigUInt64LE(contents[i] ?? 0n, 0);
    link.writeBigUInt64LE(before, 8);
    before = reference.h64Raw(link);
    if (got[i] !== before) expect(got[i], `link ${i}`).toBe(before);
  }
  expect(got.at(-1)).toBe(before);
});
