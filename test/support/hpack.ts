import type { HpackDecoder } from '../../src/extproc/transport/wire/hpack/decoder.ts';
import { HUFFMAN_CODE_BITS } from '../../src/extproc/transport/wire/hpack/huffman.ts';

/** A name and its value. */
export type Field = readonly [string, string];

/** What one block decoded to. */
export interface Decoded {
  /** False when the list limit was exceeded. */
  readonly isWhole: boolean;
  readonly fields: readonly Field[];
}

/** Decodes one whole block and gathers its fields. */
export function decodeBlock(decoder: HpackDecoder, block: Uint8Array): Decoded {
  const fields: Field[] = [];
  const isWhole = decoder.decode(block, 0, block.length, {
    header(name, value) {
      fields.push([name, value]);
    },
  });
  return { isWhole, fields };
}

/** Codes by symbol, as digits: canonical, from the lengths alone (RFC 7541 Appendix B). */
const CODES: readonly string[] = (() => {
  const symbols = HUFFMAN_CODE_BITS.map((bits, symbol) => ({ bits, symbol }));
  symbols.sort((a, b) => a.bits - b.bits || a.symbol - b.symbol);
  const codes: string[] = [];
  let next = 0n;
  let before = 0;
  for (const { bits, symbol } of symbols) {
    next <<= BigInt(bits - before);
    codes[symbol] = next.toString(2).padStart(bits, '0');
    next += 1n;
    before = bits;
  }
  return codes;
})();

/** The bits of EOS, which no string may contain. */
export const EOS_BITS = CODES[256] ?? '';

/** Code of each symbol in turn, as digits; no padding. */
export function huffmanBits(symbols: Iterable<number>): string {
  let bits = '';
  for (const symbol of symbols) bits += CODES[symbol] ?? '';
  return bits;
}

/** Digits as bytes, filled up to a whole byte with `padding`. */
export function packBits(bits: string, padding: '0' | '1' = '1'): Buffer {
  const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, padding);
  return Buffer.from(padded.match(/.{8}/g)?.map((octet) => Number.parseInt(octet, 2)) ?? []);
}

/** Latin1 text as a Huffman string without its length. */
export function huffmanEncode(text: string): Buffer {
  return packBits(huffmanBits(Buffer.from(text, 'latin1')));
}

/** Latin1 text as a string literal (RFC 7541 §5.2). */
export function stringLiteral(text: string, coding: 'raw' | 'huffman'): Buffer {
  const bytes = coding === 'raw' ? Buffer.from(text, 'latin1') : huffmanEncode(text);
  const flag = coding === 'raw' ? 0 : 0x80;
  if (bytes.length < 0x7f) return Buffer.concat([Buffer.of(flag | bytes.length), bytes]);
  const length = [flag | 0x7f];
  let rest = bytes.length - 0x7f;
  for (; rest >= 0x80; rest >>= 7) length.push((rest & 0x7f) | 0x80);
  length.push(rest);
  return Buffer.concat([Buffer.from(length), bytes]);
}
