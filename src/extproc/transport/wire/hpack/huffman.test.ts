import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EOS_BITS, huffmanBits, huffmanEncode, packBits } from '../../../../../test/support/hpack.ts';
import { HuffmanDecoder } from './huffman.ts';

const decoder = new HuffmanDecoder();

/** The bytes that `encoded` stands for, undefined when it is not valid. */
function decode(encoded: Buffer): Buffer | undefined {
  const length = decoder.decode(encoded, 0, encoded.length);
  return length < 0 ? undefined : Buffer.from(decoder.scratch.subarray(0, length));
}

const bits = (text: string) => huffmanBits(Buffer.from(text, 'latin1'));

test.each([
  { hex: '', text: '' },
  { hex: 'f1e3c2e5f23a6ba0ab90f4ff', text: 'www.example.com' },
  { hex: 'a8eb10649cbf', text: 'no-cache' },
  { hex: '6402', text: '302' },
  { hex: '640eff', text: '307' },
  { hex: '9bd9ab', text: 'gzip' },
  { hex: 'd07abe941054d444a8200595040b8166e082a62d1bff', text: 'Mon, 21 Oct 2013 20:13:21 GMT' },
])('huffman: $text as in RFC 7541 Appendix C', ({ hex, text }) => {
  expect(decode(Buffer.from(hex, 'hex'))?.toString('latin1')).toBe(text);
  expect(huffmanEncode(text).toString('hex')).toBe(hex);
});

test('huffman: every byte value alone, and all of them together', () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  for (const byte of all) expect(decode(packBits(huffmanBits([byte])))).toEqual(Buffer.of(byte));
  expect(decode(packBits(huffmanBits(all)))).toEqual(all);
});

test.each([
  { name: 'seven ones at the end', encoded: packBits(`${bits('a0?X')}`), isValid: true },
  { name: 'no padding', encoded: packBits(bits('00000000')), isValid: true },
  { name: 'eight ones', encoded: Buffer.of(0xff), isValid: false },
  {
    name: 'a byte of ones after whole symbols',
    encoded: packBits(`${bits('00000000')}11111111`),
    isValid: false,
  },
  { name: 'eight ones of padding', encoded: packBits(`${bits('&')}11111111`), isValid: false },
  { name: 'padding of zeros', encoded: packBits(bits('X0'), '0'), isValid: false },
  { name: 'padding with a zero within', encoded: packBits(`${bits('A')}10`, '1'), isValid: false },
  { name: 'EOS alone', encoded: packBits(EOS_BITS), isValid: false },
  { name: 'EOS before symbols', encoded: packBits(`${EOS_BITS}${bits('abc')}`), isValid: false },
  { name: 'EOS after symbols', encoded: packBits(`${bits('abc')}${EOS_BITS}`), isValid: false },
  { name: 'a code cut short', encoded: packBits(bits('\u0001')).subarray(0, 2), isValid: false },
])('huffman: $name', ({ encoded, isValid }) => {
  expect(decode(encoded) !== undefined).toBe(isValid);
});

test('huffman: any bytes come back, from any place', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(9), (plain, offset) => {
      const encoded = packBits(huffmanBits(plain));
      const placed = Buffer.concat([Buffer.alloc(offset, 0xff), encoded, Buffer.alloc(3)]);
      const length = decoder.decode(placed, offset, offset + encoded.length);
      expect(Buffer.compare(decoder.scratch.subarray(0, length), plain)).toBe(0);
    }),
  );
});

test('huffman: what is valid is what its bytes encode to', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      const decoded = decode(Buffer.from(bytes));
      if (decoded === undefined) return;
      expect(packBits(huffmanBits(decoded))).toEqual(Buffer.from(bytes));
    }),
    { numRuns: 2000 },
  );
});
