// How much the block hashes of a prompt cost (100,000 tokens are 400 kB), against a hash call with BigInt per block.
import { bench, do_not_optimize, run } from 'mitata';
import loadXxhash from 'xxhash-wasm';
import { BlockHasher } from '../../src/kvcache/hashing.ts';

const { h64Raw } = await loadXxhash();
const hasher = new BlockHasher();
const seed = hasher.seed('meta-llama/Llama-3.1-8B-Instruct', '');

for (const [tokens, blockSize] of [
  [1000, 64],
  [100_000, 64],
  [100_000, 16],
] as const) {
  const bytes = Uint8Array.from({ length: 4 * tokens }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
  const to = Math.floor(tokens / blockSize);
  const whole = bytes.subarray(0, 4 * blockSize * to);
  const hashes = new Uint32Array(2 * to);

  bench(`kernel: ${tokens} tokens in blocks of ${blockSize}`, () => {
    hasher.contents(whole, blockSize, hashes, 0);
    hasher.chain(hashes, { from: 0, to }, seed);
    return do_not_optimize(hashes);
  });

  const link = new BigUint64Array(2);
  const linkBytes = new Uint8Array(link.buffer);
  bench(`xxhash-wasm: ${tokens} tokens in blocks of ${blockSize}`, () => {
    let before = 0n;
    for (let at = 0; at < whole.length; at += 4 * blockSize) {
      link[0] = h64Raw(whole.subarray(at, at + 4 * blockSize));
      link[1] = before;
      before = h64Raw(linkBytes);
    }
    return do_not_optimize(before);
  });
}

await run({ throw: true });
