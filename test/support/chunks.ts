import fc from 'fast-check';

/** `bytes` cut at `cuts` (any numbers; taken modulo the length), in order; the parts join to `bytes`. */
export function splitAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let from = 0;
  return at.map((to) => {
    const part = bytes.subarray(from, to);
    from = to;
    return part;
  });
}

/** One chunk a byte. */
export function singleBytes(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.from([byte]));
}

/** Where to cut, for `splitAt`. */
export const anyCuts: fc.Arbitrary<number[]> = fc.array(fc.nat(), { maxLength: 12 });
