// How long an index of ten million blocks takes to fill, and a lookup of 6,250 blocks in it.
import { bench, do_not_optimize, run } from 'mitata';
import { BlockIndex } from '../../src/kvcache/block-index.ts';
import { SeededRng } from '../../src/util/rng.ts';

const BLOCKS = 10_000_000;
const ENDPOINTS = 100;
const PROMPT = 6250;
const rng = new SeededRng(3);
const added = new Uint32Array(Math.ceil(PROMPT / 32));
const out = new Int32Array(ENDPOINTS);

function prompt(): Uint32Array {
  return Uint32Array.from({ length: 2 * PROMPT }, () => rng.next() * 2 ** 32);
}

const residentBefore = process.memoryUsage().rss;
const index = new BlockIndex(
  { blocks: BLOCKS, entries: 2 * BLOCKS, sharedBlocks: 100_000, endpoints: 1024 },
  new SeededRng(1),
);
const kept: Uint32Array[] = [];
let insertMs = 0;
for (let slot = 0; slot < ENDPOINTS; slot += 1) index.addEndpoint(slot, (2 * BLOCKS) / ENDPOINTS);
for (let blocks = 0, turn = 0; blocks < BLOCKS; blocks += PROMPT, turn += 1) {
  const hashes = prompt();
  if (turn % 16 === 0) kept.push(hashes);
  const startMs = performance.now();
  index.insert(turn % ENDPOINTS, hashes, { from: 0, to: PROMPT }, added);
  insertMs += performance.now() - startMs;
}
const resident = process.memoryUsage().rss - residentBefore;
console.log(
  `filled: ${index.blockCount} blocks in ${(insertMs / 1000).toFixed(2)} s, ` +
    `${((1e6 * insertMs) / BLOCKS).toFixed(0)} ns a block; ${(index.sizeBytes / 1e6).toFixed(0)} MB set aside, ` +
    `${(resident / 1e6).toFixed(0)} MB more resident`,
);

let turn = 0;
bench(`lookup: ${PROMPT} blocks of ${BLOCKS}, another prompt each time`, () => {
  turn = (turn + 1) % kept.length;
  index.match(kept[turn] ?? new Uint32Array(0), 0, PROMPT, out);
  return do_not_optimize(out);
});
const shared = prompt();
const range = { from: 0, to: PROMPT };
for (let slot = 0; slot < ENDPOINTS; slot += 1) index.insert(slot, shared, range, added);
bench(`lookup: ${PROMPT} blocks of ${BLOCKS} that all ${ENDPOINTS} endpoints hold`, () => {
  index.match(shared, 0, PROMPT, out);
  return do_not_optimize(out);
});
bench(`insert: ${PROMPT} blocks of ${BLOCKS} that the endpoint holds`, () => {
  index.insert(0, shared, range, added);
  return do_not_optimize(added);
});

await run({ throw: true });
