import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBlock, type Field } from '../../../../../test/support/hpack.ts';
import { HpackDecoder } from './decoder.ts';
import { encodeHeaders } from './encoder.ts';
import { STATIC_NAMES, STATIC_VALUES } from './static-table.ts';

const decoder = () => new HpackDecoder({ maxTableBytes: 0, maxListBytes: 1 << 20 });

test.each<{ name: string; fields: Field[]; hex: string }>([
  { name: 'no field', fields: [], hex: '20' },
  { name: 'static name and value', fields: [[':status', '200']], hex: '2088' },
  { name: 'static name without value', fields: [['accept', '']], hex: '2093' },
  { name: 'static name, other value', fields: [[':status', '503']], hex: '200803353033' },
  { name: 'static name beyond the prefix', fields: [['content-type', 'a']], hex: '200f100161' },
  {
    name: 'another name',
    fields: [['grpc-status', '0']],
    hex: `20000b${Buffer.from('grpc-status').toString('hex')}0130`,
  },
  { name: 'empty strings', fields: [['', '']], hex: '20000000' },
])('encoder: $name', ({ fields, hex }) => {
  expect(encodeHeaders(fields).toString('hex')).toBe(hex);
});

test('encoder: every entry of the static table by its index', () => {
  for (let i = 1; i < STATIC_NAMES.length; i += 1) {
    const block = encodeHeaders([[STATIC_NAMES[i] ?? '', STATIC_VALUES[i] ?? '']]);
    expect([...block]).toEqual([0x20, 0x80 | i]);
  }
});

test.each([126, 127, 128, 254, 255, 16_510, 16_511, 300_000])('encoder: a value of %i bytes', (bytes) => {
  const fields: Field[] = [['grpc-message', 'm'.repeat(bytes)]];
  expect(decodeBlock(decoder(), encodeHeaders(fields))).toEqual({ isWhole: true, fields });
});

test('encoder: refuses text that latin1 cannot hold', () => {
  expect(() => encodeHeaders([['a', '\u0100']])).toThrow(RangeError);
  expect(() => encodeHeaders([['\u{1f600}', 'a']])).toThrow(RangeError);
});

test('encoder: any fields come back', () => {
  const text = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
  const name = fc.oneof(fc.constantFrom(...STATIC_NAMES), text);
  const value = fc.oneof(fc.constantFrom(...STATIC_VALUES), text);
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (fields) => {
      const one = decoder();
      expect(decodeBlock(one, encodeHeaders(fields))).toEqual({ isWhole: true, fields });
      expect(one.tableBytes).toBe(0);
    }),
  );
});
