// How much a lookup and an insert cost in an index of a million blocks at 100 endpoints. 1,563 blocks of 64 tokens are
// 100,000 tokens, 6,250 are 400,000, or 100,000 in blocks of 16.
import { bench, do_not_optimize, run } from 'mitata';
import { BlockIndex } from '../../src/kvcache/block-index.ts';
import { SeededRng } from '../../src/util/rng.ts';

const ENDPOINTS = 100;
const CAPACITY = 31_250;
const rng = new SeededRng(3);
const added = new Uint32Array(1024);

function randomHashes(blocks: number): Uint32Array {
  return Uint32Array.from({ length: 2 * blocks }, () => rng.next() * 2 ** 32);
}

const index = new BlockIndex(
  { blocks: 1_572_864, entries: 4_194_304, sharedBlocks: 262_144, endpoints: 1024 },
  new SeededRng(1),
);
for (let slot = 0; slot < ENDPOINTS; slot += 1) {
  index.addEndpoint(slot, CAPACITY);
  index.insert(slot, randomHashes(10_000), { from: 0, to: 10_000 }, added);
}
const out = new Int32Array(ENDPOINTS);

for (const blocks of [16, 1563, 6250]) {
  const range = { from: 0, to: blocks };
  for (const holders of [1, 4, ENDPOINTS]) {
    const hashes = randomHashes(blocks);
    for (let slot = 0; slot < holders; slot += 1) index.insert(slot, hashes, range, added);
    bench(`lookup: ${blocks} blocks that ${holders} of ${ENDPOINTS} endpoints hold`, () => {
      index.match(hashes, 0, blocks, out);
      return do_not_optimize(out);
    });
    bench(`insert: ${blocks} blocks that the endpoint holds, as ${holders - 1} others`, () => {
      index.insert(0, hashes, range, added);
      return do_not_optimize(added);
    });
  }
  const cold = randomHashes(blocks);
  bench(`lookup: ${blocks} blocks that nobody holds`, () => {
    index.match(cold, 0, blocks, out);
    return do_not_optimize(out);
  });
  const fresh = Array.from({ length: 200 }, () => randomHashes(blocks));
  let next = 0;
  bench(`insert: ${blocks} blocks that nobody holds, once full for as many that go`, () => {
    next = (next + 1) % fresh.length;
    index.insert(1, fresh[next] ?? cold, range, added);
    return do_not_optimize(added);
  });
}

await run({ throw: true });
console.log(`index: ${index.blockCount} blocks, ${index.entryCount} entries, ${index.sizeBytes / 1e6} MB`);

for (const holders of [1, 4, 5, 64, ENDPOINTS]) {
  const blocks = 3 * 2 ** 12; // three quarters of a power of two
  const sharedBlocks = holders > 4 ? blocks / 8 : 0;
  const full = new BlockIndex(
    { blocks, entries: holders * blocks, sharedBlocks, endpoints: 1024 },
    new SeededRng(1),
  );
  const hashes = randomHashes(blocks);
  for (let slot = 0; slot < holders; slot += 1) {
    full.addEndpoint(slot, blocks);
    full.insert(slot, hashes, { from: 0, to: blocks }, added);
  }
  const bytes = full.sizeBytes / full.entryCount;
  console.log(`memory: ${bytes.toFixed(1)} bytes an entry where ${holders} endpoints share every block`);
}
