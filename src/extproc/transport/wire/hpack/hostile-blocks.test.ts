import { expect, test } from 'vitest';
import { decodeBlock, stringLiteral } from '../../../../../test/support/hpack.ts';
import { nextInt, SeededRng } from '../../../../util/rng.ts';
import { HpackDecoder, HpackError } from './decoder.ts';

const create = (maxListBytes: number) => new HpackDecoder({ maxTableBytes: 4096, maxListBytes });

/** Decodes and says whether the block was valid; anything but HpackError is thrown on. */
function isValid(decoder: HpackDecoder, block: Uint8Array): boolean {
  try {
    decodeBlock(decoder, block);
    return true;
  } catch (thrown) {
    if (thrown instanceof HpackError) return false;
    throw thrown;
  }
}

test('hostile-blocks: random bytes are refused or taken, and the table stays within its bound', () => {
  const rng = new SeededRng(7541);
  let decoder = create(2000);
  let valid = 0;
  for (let run = 0; run < 100_000; run += 1) {
    const block = Uint8Array.from({ length: nextInt(rng, 24) }, () => nextInt(rng, 256));
    if (isValid(decoder, block)) valid += 1;
    else decoder = create(2000);
    if (decoder.tableBytes > 4096) expect.fail(`table of ${decoder.tableBytes} bytes`);
  }
  expect(valid).toBeGreaterThan(5_000);
  expect(valid).toBeLessThan(95_000);
});

test('hostile-blocks: changed blocks are refused or taken alike by two decoders with the same past', () => {
  const rng = new SeededRng(9113);
  const seeds = [
    '3fe11f828684418cf1e3c2e5f23a6ba0ab90f4ff',
    '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
    '400a637573746f6d2d6b65790d637573746f6d2d6865616465720f0f036162637e0161bf',
  ].map((hex) => Buffer.from(hex, 'hex'));
  let one = create(500);
  let other = create(500);
  let refused = 0;
  for (let run = 0; run < 50_000; run += 1) {
    const block = Buffer.from(seeds[nextInt(rng, seeds.length)] ?? []);
    for (let i = nextInt(rng, 4); i > 0; i -= 1) block[nextInt(rng, block.length)] = nextInt(rng, 256);
    const cut = block.subarray(0, rng.next() < 0.8 ? block.length : nextInt(rng, block.length));
    if (isValid(one, cut)) {
      // The same bytes elsewhere in memory: nothing may depend on what lies around a block.
      const around = Buffer.concat([Buffer.of(0xff, 0x41), cut, Buffer.of(0x82, 0x05)]);
      expect(other.decode(around, 2, 2 + cut.length, { header() {} })).toBeTypeOf('boolean');
      if (one.tableBytes !== other.tableBytes || one.tableBytes > 4096) expect.fail('tables differ');
    } else {
      refused += 1;
      one = create(500);
      other = create(500);
    }
  }
  expect(refused).toBeGreaterThan(5_000);
  expect(refused).toBeLessThan(45_000);
});

test('hostile-blocks: 64 KiB of indices to an entry of 4 KiB give no more than the list limit', () => {
  const decoder = create(16_384);
  decodeBlock(decoder, Buffer.concat([Buffer.from('400161', 'hex'), stringLiteral('v'.repeat(4063), 'raw')]));
  const { isWhole, fields } = decodeBlock(decoder, Buffer.alloc(65_536, 0xbe));
  expect(isWhole).toBe(false);
  expect(fields.length).toBe(4);
});

test('hostile-blocks: fields of an index each are bounded by what each counts', () => {
  const { isWhole, fields } = decodeBlock(create(16_384), Buffer.alloc(65_536, 0x82));
  expect(isWhole).toBe(false);
  expect(fields.length).toBe(Math.floor(16_384 / 42));
});

test('hostile-blocks: entries that each evict the one before leave one', () => {
  const decoder = create(16_384);
  decodeBlock(
    decoder,
    Buffer.concat([Buffer.of(0x40), stringLiteral('n'.repeat(4000), 'raw'), Buffer.of(0)]),
  );
  const block = Buffer.concat(Array.from({ length: 30_000 }, () => Buffer.of(0x7e, 0)));
  expect(decodeBlock(decoder, block).fields.length).toBe(4);
  expect(decoder.tableBytes).toBe(4032);
});

test('hostile-blocks: a literal above the bound is refused even if it is there', () => {
  const value = '0'.repeat(110_000);
  const block = Buffer.concat([Buffer.of(0x41), stringLiteral(value, 'huffman')]);
  expect(block.length).toBeGreaterThan(65_536);
  expect(() => decodeBlock(create(16_384), block)).toThrow(HpackError);
  expect(decodeBlock(create(200_000), block).fields).toEqual([[':authority', value]]);
});

test('hostile-blocks: a claimed length takes no memory', () => {
  const block = Buffer.from('40ffe1d30300', 'hex'); // a Huffman name of 60,000 bytes, of which one is there
  const decoder = create(16_384);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 1000; i += 1) expect(() => decodeBlock(decoder, block)).toThrow('truncated string');
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50_000);
});

test('hostile-blocks: past the list limit a literal that enters no table costs no decoding', () => {
  const decoder = create(100);
  // Invalid Huffman, which only decoding would find out.
  const invalid = Buffer.from('0082ffff82ffff', 'hex');
  const long = Buffer.concat([Buffer.of(0x41), stringLiteral('v'.repeat(200), 'raw')]);
  expect(() => decodeBlock(decoder, invalid)).toThrow(HpackError);
  expect(decodeBlock(decoder, Buffer.concat([long, invalid]))).toEqual({ isWhole: false, fields: [] });
});
