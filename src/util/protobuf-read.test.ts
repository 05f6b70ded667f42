import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FieldReader, ProtobufError, Uint32List, WIRE_TYPE } from './protobuf-read.ts';

/** Fields as `[number, wire type, value of a varint or content]`. */
function fieldsOf(bytes: Uint8Array): (readonly [number, number, number | string])[] {
  const found: (readonly [number, number, number | string])[] = [];
  const reader = new FieldReader(bytes);
  while (reader.next()) {
    const content = Buffer.from(bytes.subarray(reader.start, reader.end)).toString('latin1');
    const isVarint = reader.wireType === WIRE_TYPE.varint;
    found.push([reader.field, reader.wireType, isVarint ? reader.value : content]);
  }
  return found;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return bytes;
}

test.each([
  { name: 'nothing', bytes: [], want: [] },
  { name: 'a small varint', bytes: [0x08, 0x05], want: [[1, 0, 5]] },
  { name: 'the largest uint32', bytes: [0x10, 0xff, 0xff, 0xff, 0xff, 0x0f], want: [[2, 0, 4294967295]] },
  {
    name: 'a negative int64 by its low half',
    bytes: [0x08, ...Array.from({ length: 9 }, () => 0xff), 0x01],
    want: [[1, 0, 4294967295]],
  },
  { name: 'a text', bytes: [0x1a, 0x02, 0x61, 0x62], want: [[3, 2, 'ab']] },
  { name: 'an empty text', bytes: [0x1a, 0x00], want: [[3, 2, '']] },
  {
    name: 'fixed widths',
    bytes: [0x0d, 1, 2, 3, 4, 0x11, 1, 2, 3, 4, 5, 6, 7, 8],
    want: [
      [1, 5, '\x01\x02\x03\x04'],
      [2, 1, '\x01\x02\x03\x04\x05\x06\x07\x08'],
    ],
  },
  { name: 'a large field number', bytes: [...varint(1000 * 8), 0x01], want: [[1000, 0, 1]] },
])('fields: $name', ({ bytes, want }) => {
  expect(fieldsOf(Uint8Array.from(bytes))).toEqual(want);
});

test.each([
  { name: 'a tag without end', bytes: [0x80], want: 'varint without end' },
  {
    name: 'a varint of eleven bytes',
    bytes: [0x08, ...Array.from({ length: 11 }, () => 0x80)],
    want: 'varint without end',
  },
  { name: 'a text that is cut off', bytes: [0x1a, 0x03, 0x61], want: 'field 3 is cut off' },
  { name: 'a length of 4 GiB', bytes: [0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f], want: 'field 3 is cut off' },
  { name: 'half a fixed64', bytes: [0x09, 1, 2], want: 'field 1 is cut off' },
  { name: 'field number 0', bytes: [0x00, 0x01], want: 'field number 0' },
  { name: 'a group', bytes: [0x0b, 0x0c], want: 'wire type 3 of field 1' },
])('refused: $name', ({ bytes, want }) => {
  expect(() => fieldsOf(Uint8Array.from(bytes))).toThrow(new ProtobufError(want));
});

/** Values of field 2 of a message. */
function listOf(bytes: Uint8Array): number[] {
  const list = new Uint32List();
  const reader = new FieldReader(bytes);
  while (reader.next()) if (reader.field === 2) list.add(reader, bytes);
  expect(list.length).toBe(list.toArray().length);
  return [...list.toArray()];
}

test('repeated numbers are read packed, one by one, and mixed', () => {
  const uint32 = fc.nat({ max: 0xffffffff });
  const part = fc.record({ values: fc.array(uint32, { maxLength: 20 }), isPacked: fc.boolean() });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const bytes: number[] = [];
      for (const { values, isPacked } of parts) {
        const content = values.flatMap(varint);
        if (isPacked) bytes.push(0x12, ...varint(content.length), ...content);
        else for (const value of values) bytes.push(0x10, ...varint(value));
        bytes.push(0x08, 0x01);
      }
      expect(listOf(Uint8Array.from(bytes))).toEqual(parts.flatMap(({ values }) => values));
    }),
  );
});

test('packed numbers whose last one has no end are refused; other wire types hold none', () => {
  expect(() => listOf(Uint8Array.from([0x12, 0x02, 0x01, 0x80]))).toThrow(ProtobufError);
  expect(listOf(Uint8Array.from([0x15, 1, 2, 3, 4]))).toEqual([]);
});

test('any bytes are read to their end, or refused with the own error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const read of [fieldsOf, listOf]) {
        try {
          read(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtobufError);
        }
      }
    }),
    { numRuns: 1000 },
  );
});
