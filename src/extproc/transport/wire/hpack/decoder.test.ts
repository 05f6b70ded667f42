import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  decodeBlock,
  EOS_BITS,
  type Field,
  packBits,
  stringLiteral,
} from '../../../../../test/support/hpack.ts';
import { HpackDecoder, HpackError } from './decoder.ts';

interface Vectors {
  readonly sequences: readonly {
    readonly section: string;
    readonly maxTableBytes: number;
    readonly blocks: readonly {
      readonly hex: string;
      readonly fields: readonly Field[];
      readonly tableBytes: number;
    }[];
  }[];
}

// Holds by the file itself, which is part of the tree.
const { sequences } = JSON.parse(readFileSync('test/conformance/vectors/hpack.json', 'utf8')) as Vectors;

function create(options: { maxTableBytes?: number; maxListBytes?: number } = {}): HpackDecoder {
  return new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 16_384, ...options });
}

const fromHex = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe.each(sequences)('decoder: RFC 7541 $section', ({ maxTableBytes, blocks }) => {
  test('decodes, and keeps the table', () => {
    const decoder = create();
    if (maxTableBytes === 256) expect(decodeBlock(decoder, fromHex('3fe101')).fields).toEqual([]);
    for (const { hex, fields, tableBytes } of blocks) {
      expect(decodeBlock(decoder, fromHex(hex))).toEqual({ isWhole: true, fields });
      expect(decoder.tableBytes).toBe(tableBytes);
    }
  });
});

// RFC 7541 C.1: 10 and 1337 in a prefix of five bits are sizes here; an entry of 1,337 bytes fits the latter only.
test.each([
  { hex: '2a', limitBytes: 10 },
  { hex: '3f9a0a', limitBytes: 1337 },
])('decoder: reads the integer $hex as $limitBytes', ({ hex, limitBytes }) => {
  for (const over of [0, 1]) {
    const decoder = create();
    decodeBlock(decoder, fromHex(hex));
    const value = 'v'.repeat(Math.max(limitBytes - 33, 0) + over);
    const entryBytes = 33 + value.length;
    decodeBlock(decoder, Buffer.concat([fromHex('40 01 61'), stringLiteral(value, 'raw')]));
    expect(decoder.tableBytes).toBe(entryBytes <= limitBytes ? entryBytes : 0);
  }
});

test.each([
  { name: 'index 0', hex: '80' },
  { name: 'an index beyond an empty table', hex: 'be' },
  { name: 'an index beyond the table', hex: '40 01 61 01 62 bf' },
  { name: 'an index far beyond', hex: 'ff ff ff ff 7f' },
  { name: 'a name index beyond the table', hex: '7e 01 61' },
  { name: 'a name index beyond the table, not indexed', hex: '0f 2f 01 61' },
  { name: 'an integer that never ends', hex: 'ff ff ff ff ff ff ff ff 01' },
  { name: 'an integer of zeros that never ends', hex: 'ff 80 80 80 80 80 00' },
  { name: 'a truncated index', hex: 'ff' },
  { name: 'a truncated index, further on', hex: 'ff 80' },
  { name: 'a literal without anything', hex: '40' },
  { name: 'a literal without value', hex: '41' },
  { name: 'a name cut short', hex: '40 05 61 62' },
  { name: 'a value cut short', hex: '41 05 61 62' },
  { name: 'a length cut short', hex: '41 7f' },
  { name: 'a name without value', hex: '40 01 61' },
  { name: 'a claimed length of 256 MiB', hex: '41 7f ff ff ff 7f 61' },
  { name: 'a size update after a field', hex: '82 20' },
  { name: 'a third size update', hex: '20 20 20 82' },
  { name: 'a size above the setting', hex: '3f e2 1f' },
  { name: 'a truncated size update', hex: '3f' },
  { name: 'Huffman padding of a byte', hex: '41 81 ff' },
  { name: 'Huffman padding of zeros', hex: '41 81 00' },
  { name: 'EOS', hex: `41 84 ${packBits(EOS_BITS).toString('hex')}` },
])('decoder: refuses $name', ({ hex }) => {
  expect(() => decodeBlock(create(), fromHex(hex))).toThrow(HpackError);
});

test.each<{ name: string; hex: string; fields: Field[] }>([
  { name: 'an empty block', hex: '', fields: [] },
  { name: 'two size updates', hex: '20 3f e1 1f 82', fields: [[':method', 'GET']] },
  {
    name: 'an integer of more bytes than it needs',
    hex: `00 00 7f 80 80 00 ${'61'.repeat(127)}`,
    fields: [['', 'a'.repeat(127)]],
  },
  { name: 'empty name and value', hex: '00 00 00', fields: [['', '']] },
  { name: 'empty Huffman strings', hex: '00 80 80', fields: [['', '']] },
  { name: 'bytes above ASCII', hex: '00 01 e9 02 ff 80', fields: [['é', 'ÿ\u0080']] },
  { name: 'a field never to be indexed', hex: '1f 08 01 61', fields: [['authorization', 'a']] },
])('decoder: takes $name', ({ hex, fields }) => {
  expect(decodeBlock(create(), fromHex(hex))).toEqual({ isWhole: true, fields });
});

test('decoder: reads only its range of the bytes', () => {
  const fields: Field[] = [];
  const sink = { header: (name: string, value: string) => void fields.push([name, value]) };
  expect(create().decode(fromHex('ff 82 84 ff'), 1, 3, sink)).toBe(true);
  expect(fields).toEqual([
    [':method', 'GET'],
    [':path', '/'],
  ]);
  expect(() => create().decode(fromHex('82 41 05 61 61 61 61 61'), 0, 7, sink)).toThrow(HpackError);
});

test('decoder: the table begins with 4,096 bytes, whatever was announced', () => {
  const small = create({ maxTableBytes: 0 });
  const long = Buffer.concat([fromHex('40 01 61'), stringLiteral('v'.repeat(4063), 'raw')]);
  decodeBlock(small, long);
  expect(small.tableBytes).toBe(4096);
  expect(decodeBlock(small, fromHex('20')).isWhole).toBe(true);
  expect(small.tableBytes).toBe(0);
  expect(() => decodeBlock(small, fromHex('21'))).toThrow(HpackError);

  const large = create({ maxTableBytes: 65_536 });
  const longer = Buffer.concat([fromHex('40 02 61 61'), stringLiteral('v'.repeat(4063), 'raw')]);
  decodeBlock(large, longer);
  expect(large.tableBytes).toBe(0);
  decodeBlock(large, Buffer.concat([fromHex('3f e1 ff 03'), longer]));
  expect(large.tableBytes).toBe(4097);
});

test('decoder: an entry may take the name of the one it evicts', () => {
  const decoder = create();
  const name = 'n'.repeat(4000);
  decodeBlock(decoder, Buffer.concat([fromHex('40'), stringLiteral(name, 'huffman'), fromHex('01 61')]));
  const value = 'v'.repeat(64);
  const block = Buffer.concat([fromHex('7e'), stringLiteral(value, 'raw'), fromHex('be')]);
  expect(decodeBlock(decoder, block).fields).toEqual([
    [name, value],
    [name, value],
  ]);
  expect(decoder.tableBytes).toBe(4096);
});

test.each([-1, 0.5, Number.NaN, 2 ** 20 + 1])('decoder: refuses a table of %d bytes', (maxTableBytes) => {
  expect(() => create({ maxTableBytes })).toThrow(RangeError);
});

test('decoder: a list exactly at the limit is whole, one byte more is not', () => {
  const block = Buffer.concat([fromHex('82 00 01 61'), stringLiteral('v'.repeat(20), 'huffman')]);
  const bytes = ':method'.length + 'GET'.length + 32 + 1 + 20 + 32;
  expect(decodeBlock(create({ maxListBytes: bytes }), block)).toMatchObject({ isWhole: true });
  expect(decodeBlock(create({ maxListBytes: bytes - 1 }), block)).toEqual({
    isWhole: false,
    fields: [[':method', 'GET']],
  });
});

test('decoder: past the list limit nothing is given and the table is kept', () => {
  const decoder = create({ maxListBytes: 100 });
  const long = stringLiteral('v'.repeat(90), 'huffman');
  const block = Buffer.concat([
    ...[fromHex('82'), fromHex('00 01 61'), long],
    ...[fromHex('84'), fromHex('00'), long, long, fromHex('0f 00'), long],
    ...[fromHex('40 01 62'), stringLiteral('kept', 'huffman'), fromHex('be')],
  ]);
  expect(decodeBlock(decoder, block)).toEqual({ isWhole: false, fields: [[':method', 'GET']] });
  expect(decodeBlock(decoder, fromHex('be'))).toEqual({ isWhole: true, fields: [['b', 'kept']] });
});
