import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SeededRng } from '../util/rng.ts';
import { BlockIndex, type BlockIndexSize } from './block-index.ts';

const ROOMY: BlockIndexSize = { blocks: 4096, entries: 65_536, sharedBlocks: 4096, endpoints: 64 };

function index(size: Partial<BlockIndexSize> = {}): BlockIndex {
  return new BlockIndex({ ...ROOMY, ...size }, new SeededRng(7));
}

/** Block `depth` of conversation `who`; the first `shared` blocks are common to all. */
function chain(who: number, length: number, shared = 0): Uint32Array {
  const hashes = new Uint32Array(2 * length);
  for (let i = 0; i < length; i += 1) {
    hashes[2 * i] = i;
    hashes[2 * i + 1] = i < shared ? 0xffff_ffff : who;
  }
  return hashes;
}

function insert(target: BlockIndex, slot: number, hashes: Uint32Array): Uint32Array {
  const added = new Uint32Array(Math.ceil(hashes.length / 64));
  target.insert(slot, hashes, { from: 0, to: hashes.length / 2 }, added);
  return added;
}

function matches(target: BlockIndex, hashes: Uint32Array, slots: number): number[] {
  const out = new Int32Array(slots);
  target.match(hashes, 0, hashes.length / 2, out);
  return [...out];
}

function withEndpoints(target: BlockIndex, count: number, capacity = 1000): BlockIndex {
  for (let slot = 0; slot < count; slot += 1) target.addEndpoint(slot, capacity);
  return target;
}

test('block index: counts blocks without a gap, per endpoint', () => {
  const target = withEndpoints(index(), 4);
  insert(target, 0, chain(1, 10));
  insert(target, 1, chain(1, 4));
  insert(target, 2, chain(2, 10));
  expect(matches(target, chain(1, 12), 4)).toEqual([10, 4, 0, 0]);
  expect(target.blockCount).toBe(20);
  expect(target.entryCount).toBe(24);
  expect([0, 1, 2, 3].map((slot) => target.heldBy(slot))).toEqual([10, 4, 10, 0]);
});

test('block index: an endpoint that lost the first block matches nothing', () => {
  const target = withEndpoints(index(), 2);
  insert(target, 0, chain(1, 6));
  const tail = chain(1, 6).subarray(2);
  insert(target, 1, tail);
  expect(matches(target, chain(1, 6), 2)).toEqual([6, 0]);
});

function matchesWithGaps(target: BlockIndex, hashes: Uint32Array, slots: number): number[] {
  const out = new Int32Array(slots);
  target.matchWithGaps(hashes, 0, hashes.length / 2, out);
  return [...out];
}

test('block index: with gaps, an endpoint that lost the first block counts the others while someone holds each', () => {
  const target = withEndpoints(index(), 3);
  insert(target, 0, chain(1, 6));
  insert(target, 1, chain(1, 9).subarray(4));
  insert(target, 2, chain(1, 12).subarray(16));
  expect(matchesWithGaps(target, chain(1, 14), 3)).toEqual([6, 7, 4]);
  expect(matchesWithGaps(target, chain(2, 3), 3)).toEqual([0, 0, 0]);
  target.removeEndpoint(0);
  expect(matchesWithGaps(target, chain(1, 12), 3)).toEqual([0, 0, 0]);
});

test('block index: with gaps, it counts as a map of sets does, for any number of holders', () => {
  const range = fc.record({
    slot: fc.nat(39),
    from: fc.nat(50),
    length: fc.integer({ min: 1, max: 60 }),
  });
  fc.assert(
    fc.property(fc.array(range, { maxLength: 120 }), fc.uniqueArray(fc.nat(39)), (ranges, leaving) => {
      const target = withEndpoints(index(), 40);
      const holders = new Map<number, Set<number>>();
      for (const { slot, from, length } of ranges) {
        insert(target, slot, chain(1, from + length).subarray(2 * from));
        if (leaving.includes(slot)) continue;
        for (let i = from; i < from + length; i += 1) {
          holders.set(i, (holders.get(i) ?? new Set()).add(slot));
        }
      }
      for (const slot of leaving) target.removeEndpoint(slot);
      const want = new Array<number>(40).fill(0);
      for (let i = 0; holders.has(i); i += 1) {
        for (const slot of holders.get(i) ?? []) want[slot] = (want[slot] ?? 0) + 1;
      }
      expect(matchesWithGaps(target, chain(1, 120), 40)).toEqual(want);
    }),
    { numRuns: 60 },
  );
});

test('block index: any number of holders of one block', () => {
  for (const holders of [1, 3, 4, 5, 6, 31, 32, 33, 64]) {
    const target = withEndpoints(index(), 64);
    for (let slot = 0; slot < holders; slot += 1) insert(target, slot, chain(1, 8 + slot, 8));
    const want = Array.from({ length: 64 }, (_, slot) => (slot < holders ? 8 + slot : 0));
    expect(matches(target, chain(1, 100, 8), 64)).toEqual(want);
    expect(target.blockCount).toBe(8 + holders - 1);
    for (let slot = 0; slot < holders; slot += 1) target.removeEndpoint(slot);
    while (target.sweep(3));
    expect(target.blockCount).toBe(0);
    expect(target.entryCount).toBe(0);
  }
});

test('block index: a prompt is forgotten from its end', () => {
  const target = index();
  target.addEndpoint(0, 10);
  insert(target, 0, chain(1, 10));
  insert(target, 0, chain(2, 3));
  expect(matches(target, chain(1, 10), 1)).toEqual([7]);
  expect(matches(target, chain(2, 3), 1)).toEqual([3]);
  insert(target, 0, chain(3, 4));
  expect(matches(target, chain(1, 10), 1)).toEqual([3]);
});

test('block index: of a prompt larger than the capacity the beginning stays', () => {
  const target = index();
  target.addEndpoint(0, 10);
  insert(target, 0, chain(1, 100));
  expect(matches(target, chain(1, 100), 1)).toEqual([10]);
  expect(target.heldBy(0)).toBe(10);
  expect(target.blockCount).toBe(10);
});

test('block index: what was used again outlives what was not', () => {
  const target = index();
  target.addEndpoint(0, 12);
  insert(target, 0, chain(1, 4));
  insert(target, 0, chain(2, 4));
  insert(target, 0, chain(3, 4));
  insert(target, 0, chain(1, 4));
  insert(target, 0, chain(4, 8));
  expect(matches(target, chain(1, 4), 1)).toEqual([4]);
  expect(matches(target, chain(2, 4), 1)).toEqual([0]);
  expect(matches(target, chain(3, 4), 1)).toEqual([0]);
  expect(matches(target, chain(4, 8), 1)).toEqual([8]);
});

test('block index: a larger capacity takes effect at once, a smaller one with the next insert', () => {
  const target = index();
  target.addEndpoint(0, 4);
  insert(target, 0, chain(1, 4));
  target.setCapacity(0, 8);
  insert(target, 0, chain(2, 4));
  expect(target.heldBy(0)).toBe(8);
  target.setCapacity(0, 2);
  expect(target.heldBy(0)).toBe(8);
  insert(target, 0, chain(3, 2));
  expect(target.heldBy(0)).toBe(2);
  expect(matches(target, chain(3, 2), 1)).toEqual([2]);
});

test.each([3e9, 2 ** 31, 2 ** 32, Number.POSITIVE_INFINITY, Number.NaN, -1, 0])(
  'block index: a capacity of %d holds something, and not more than it may',
  (capacity) => {
    const target = index();
    target.addEndpoint(0, capacity);
    target.setCapacity(0, capacity);
    insert(target, 0, chain(1, 8));
    expect(target.heldBy(0)).toBe(capacity > 1 ? 8 : 1);
  },
);

test('block index: a slot is free for another endpoint as soon as the first left', () => {
  const target = withEndpoints(index(), 1);
  insert(target, 0, chain(1, 500));
  target.removeEndpoint(0);
  target.addEndpoint(0, 1000);
  expect(matches(target, chain(1, 500), 1)).toEqual([0]);
  expect(target.heldBy(0)).toBe(0);
  expect(target.entryCount).toBe(0);
  insert(target, 0, chain(1, 5));
  expect(matches(target, chain(1, 500), 1)).toEqual([5]);
  while (target.sweep(10));
  expect(matches(target, chain(1, 500), 1)).toEqual([5]);
  expect(target.blockCount).toBe(5);
});

test('block index: endpoints beyond the number of lanes are left out until others leave', () => {
  const target = withEndpoints(index({ endpoints: 2 }), 2);
  expect(target.addEndpoint(2, 10)).toBe(false);
  insert(target, 2, chain(1, 3));
  expect(matches(target, chain(1, 3), 3)).toEqual([0, 0, 0]);
  insert(target, 0, chain(1, 3));
  target.removeEndpoint(0);
  expect(target.addEndpoint(2, 10)).toBe(true);
  expect(matches(target, chain(1, 3), 3)).toEqual([0, 0, 0]);
});

test('block index: a full table makes the fullest endpoint forget its oldest blocks', () => {
  const target = withEndpoints(index({ blocks: 100 }), 3, 1_000_000);
  insert(target, 0, chain(1, 60));
  insert(target, 0, chain(2, 30));
  insert(target, 1, chain(3, 10));
  expect(target.blockCount).toBe(100);
  insert(target, 2, chain(4, 50));
  expect(target.blockCount).toBe(100);
  expect(matches(target, chain(4, 50), 3)).toEqual([0, 0, 50]);
  expect(matches(target, chain(3, 10), 3)).toEqual([0, 10, 0]);
  expect(matches(target, chain(1, 60), 3)).toEqual([10, 0, 0]);
});

test('block index: a full arena makes the fullest endpoint forget its oldest blocks', () => {
  const target = withEndpoints(index({ entries: 1024, endpoints: 3 }), 3, 1_000_000);
  insert(target, 0, chain(1, 1000));
  insert(target, 1, chain(1, 100));
  expect(matches(target, chain(1, 100), 2)[1]).toBe(100);
  expect(target.heldBy(0)).toBeLessThan(1000);
  expect(target.heldBy(0)).toBeGreaterThan(400);
});

test('block index: without room for one more shared block a holder gives way', () => {
  const target = withEndpoints(index({ sharedBlocks: 0 }), 6);
  for (let slot = 0; slot < 6; slot += 1) insert(target, slot, chain(1, 2));
  expect(matches(target, chain(1, 2), 6)).toEqual([2, 2, 2, 0, 0, 2]);
  expect(target.entryCount).toBe(8);
  expect(target.heldBy(3)).toBe(0);
});

test('block index: withdraw takes back what was new and was not used since', () => {
  const target = withEndpoints(index(), 1);
  insert(target, 0, chain(1, 4));
  const longer = chain(1, 8);
  const added = insert(target, 0, longer);
  expect(added[0]).toBe(0b1111_0000);
  target.withdraw(0, longer, { from: 0, to: 8 }, added);
  expect(matches(target, longer, 1)).toEqual([4]);

  const again = insert(target, 0, longer);
  insert(target, 0, chain(1, 6));
  target.withdraw(0, longer, { from: 0, to: 8 }, again);
  expect(matches(target, longer, 1)).toEqual([6]);
});

test('block index: prompts that are always withdrawn take no capacity', () => {
  const target = index();
  target.addEndpoint(0, 2000);
  insert(target, 0, chain(1, 1000));
  for (let round = 0; round < 50; round += 1) {
    const refused = chain(2 + round, 900);
    target.withdraw(0, refused, { from: 0, to: 900 }, insert(target, 0, refused));
  }
  expect(matches(target, chain(1, 1000), 1)).toEqual([1000]);
  expect(target.entryCount).toBe(1000);
});

/** Every block of `blocks` in every one of `holders` endpoints, in an index with not one place more than that takes. */
function filled(blocks: number, holders: number): BlockIndex {
  const rowBytes = 32; // as long as there are at most 128 endpoints
  const target = new BlockIndex(
    {
      blocks,
      entries: holders * blocks,
      sharedBlocks: holders > 4 ? (blocks * rowBytes) / 256 : 0,
      endpoints: 1024,
    },
    new SeededRng(1),
  );
  const hashes = chain(1, blocks);
  for (let slot = 0; slot < holders; slot += 1) {
    target.addEndpoint(slot, blocks);
    insert(target, slot, hashes);
  }
  return target;
}

test.each([
  { holders: 1, most: 29.5 },
  { holders: 4, most: 13.4 },
  { holders: 5, most: 18.8 },
  { holders: 64, most: 8.9 },
  { holders: 100, most: 8.6 },
])('block index: of blocks that $holders hold, an entry takes at most $most bytes', ({ holders, most }) => {
  const blocks = 3 * 2 ** 12; // three quarters of a table of 16,384 slots
  const target = filled(blocks, holders);
  expect([target.blockCount, target.entryCount]).toEqual([blocks, holders * blocks]);
  expect(target.sizeBytes / target.entryCount).toBeLessThanOrEqual(most);
});

test('block index: ten million blocks', () => {
  const blocks = 10_000_000;
  const endpoints = 100;
  const target = new BlockIndex(
    { blocks, entries: blocks + 512 * endpoints, sharedBlocks: 0, endpoints: 1024 },
    new SeededRng(1),
  );
  const each = blocks / endpoints;
  withEndpoints(target, endpoints, each);
  for (let slot = 0; slot < endpoints; slot += 1) insert(target, slot, chain(slot, each));
  expect([target.blockCount, target.entryCount]).toEqual([blocks, blocks]);
  expect(target.sizeBytes).toBeLessThan(360e6);
  const out = new Int32Array(endpoints);
  for (let slot = 0; slot < endpoints; slot += 1) target.match(chain(slot, each), 0, each, out);
  expect(out.every((count) => count === each)).toBe(true);
  insert(target, 0, chain(1000, 6250));
  expect([target.blockCount, target.heldBy(0)]).toEqual([blocks, each]);
  expect(matches(target, chain(1000, 6250), endpoints)[0]).toBe(6250);
}, 60_000);

test('block index: neither lookups nor inserts leave garbage', () => {
  const target = withEndpoints(index({ blocks: 65_536, entries: 262_144 }), 40, 8000);
  const known = chain(1, 1000);
  for (let slot = 0; slot < 40; slot += 1) insert(target, slot, known);
  const fresh = Array.from({ length: 20 }, (_, n) => chain(2 + n, 1000));
  const added = new Uint32Array(32);
  const out = new Int32Array(64);
  const range = { from: 0, to: 1000 };
  const round = (times: number) => {
    for (let i = 0; i < times; i += 1) {
      target.match(known, 0, 1000, out);
      target.insert(i % 40, known, range, added);
      target.insert(3, fresh[i % 20] ?? known, range, added);
      target.withdraw(3, fresh[i % 20] ?? known, range, added);
    }
  };
  round(1000); // compiled code boxes no numbers
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const before = process.memoryUsage().heapUsed;
    round(200);
    const bytes = process.memoryUsage().heapUsed - before;
    if (bytes >= 0) least = Math.min(least, bytes); // less than before: garbage of others was collected meanwhile
  }
  // four calls and 4,000 blocks a round; what is left is what `memoryUsage` itself takes
  expect(least / 200).toBeLessThan(64);
});

test('block index: what many endpoints hold stays when more endpoints come than rows were made for', () => {
  const target = new BlockIndex(
    { blocks: 4096, entries: 2 ** 19, sharedBlocks: 100, endpoints: 1024 },
    new SeededRng(1),
  );
  withEndpoints(target, 100);
  const few = chain(1, 90);
  for (let slot = 0; slot < 100; slot += 1) insert(target, slot, few);
  insert(target, 1, few);
  for (const count of [128, 129, 257, 600, 1024]) {
    withEndpoints(target, count);
    const want = Array.from({ length: count }, (_, slot) => (slot < 100 ? 90 : 0));
    expect(matches(target, few, count)).toEqual(want);
  }
  insert(target, 1023, few);
  expect(matches(target, few, 1024)[1023]).toBe(90);
  for (let slot = 0; slot < 1024; slot += 1) target.removeEndpoint(slot);
  while (target.sweep(1000));
  expect([target.blockCount, target.entryCount]).toEqual([0, 0]);
});

test('block index: when rows get wider and fewer, blocks without one keep four holders', () => {
  const target = new BlockIndex(
    { blocks: 4096, entries: 2 ** 19, sharedBlocks: 100, endpoints: 1024 },
    new SeededRng(1),
  );
  withEndpoints(target, 128);
  const many = chain(1, 500);
  for (let slot = 0; slot < 100; slot += 1) insert(target, slot, many);
  expect(target.entryCount).toBe(50_000);
  withEndpoints(target, 129);
  // rows for 400 blocks are left; the others have their first four holders
  expect(target.entryCount).toBe(400 * 100 + 100 * 4);
  let held = 0;
  for (let slot = 0; slot < 129; slot += 1) held += target.heldBy(slot);
  expect(held).toBe(target.entryCount);
  expect(matches(target, many, 129).slice(0, 4)).toEqual([500, 500, 500, 500]);
  expect(target.heldBy(99)).toBe(400);
  for (let slot = 0; slot < 129; slot += 1) target.removeEndpoint(slot);
  while (target.sweep(1000));
  expect([target.blockCount, target.entryCount]).toEqual([0, 0]);
});

/** The same rules in the plainest form: a map of sets, and a queue with second chances per endpoint. */
class Model {
  readonly holders = new Map<string, Set<number>>();
  readonly queues = new Map<number, { keys: string[]; used: Set<string>; capacity: number }>();

  add(slot: number, capacity: number): void {
    const known = this.queues.get(slot);
    if (known === undefined) this.queues.set(slot, { keys: [], used: new Set(), capacity });
    else known.capacity = capacity;
  }

  remove(slot: number): void {
    for (const key of this.queues.get(slot)?.keys ?? []) this.#forget(key, slot);
    this.queues.delete(slot);
  }

  insert(slot: number, keys: readonly string[]): void {
    const queue = this.queues.get(slot);
    if (queue === undefined) return;
    for (const key of keys.toReversed()) {
      if (this.holders.get(key)?.has(slot)) {
        queue.used.add(key);
        continue;
      }
      while (queue.keys.length >= queue.capacity) {
        const oldest = queue.keys.shift() ?? '';
        if (queue.used.delete(oldest)) queue.keys.push(oldest);
        else this.#forget(oldest, slot);
      }
      queue.keys.push(key);
      this.holders.set(key, (this.holders.get(key) ?? new Set()).add(slot));
    }
  }

  match(slot: number, keys: readonly string[]): number {
    const gap = keys.findIndex((key) => !this.holders.get(key)?.has(slot));
    return gap < 0 ? keys.length : gap;
  }

  #forget(key: string, slot: number): void {
    const set = this.holders.get(key);
    set?.delete(slot);
    if (set?.size === 0) this.holders.delete(key);
  }
}

function keysOf(hashes: Uint32Array): string[] {
  return Array.from({ length: hashes.length / 2 }, (_, i) => `${hashes[2 * i]}/${hashes[2 * i + 1]}`);
}

const SLOTS = 40;
const prompt = fc.record({ who: fc.nat(12), length: fc.integer({ min: 1, max: 40 }), shared: fc.nat(6) });
const operation = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('insert' as const), slot: fc.nat(SLOTS - 1), prompt }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      slot: fc.nat(SLOTS - 1),
      capacity: fc.integer({ min: 1, max: 60 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), slot: fc.nat(SLOTS - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sweep' as const), limit: fc.nat(30) }) },
);

test('block index: behaves like a map of sets with a queue per endpoint', () => {
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 120, size: 'max' }),
      fc.array(prompt),
      (operations, probes) => {
        const target = withEndpoints(index(), SLOTS, 25);
        const model = new Model();
        for (let slot = 0; slot < SLOTS; slot += 1) model.add(slot, 25);
        for (const step of operations) {
          if (step.kind === 'insert') {
            const hashes = chain(step.prompt.who, step.prompt.length, step.prompt.shared);
            insert(target, step.slot, hashes);
            model.insert(step.slot, keysOf(hashes));
          } else if (step.kind === 'add') {
            target.addEndpoint(step.slot, step.capacity);
            model.add(step.slot, step.capacity);
          } else if (step.kind === 'remove') {
            target.removeEndpoint(step.slot);
            model.remove(step.slot);
          } else target.sweep(step.limit);
        }
        for (const { who, length, shared } of probes) {
          const hashes = chain(who, length, shared);
          const keys = keysOf(hashes);
          const want = Array.from({ length: SLOTS }, (_, slot) => model.match(slot, keys));
          expect(matches(target, hashes, SLOTS)).toEqual(want);
        }
        while (target.sweep(1000));
        let entries = 0;
        for (const set of model.holders.values()) entries += set.size;
        expect(target.entryCount).toBe(entries);
        expect(target.blockCount).toBe(model.holders.size);
      },
    ),
    { numRuns: 300 },
  );
});

test('block index: under pressure nothing is exceeded, nothing is invented, the newest prompt begins', () => {
  const sizes = fc.record({
    blocks: fc.integer({ min: 64, max: 200 }),
    entries: fc.constantFrom(512 * SLOTS, 512 * 60),
    sharedBlocks: fc.nat(4),
    endpoints: fc.constantFrom(SLOTS, 50),
  });
  fc.assert(
    fc.property(sizes, fc.array(operation, { maxLength: 120, size: 'max' }), (size, operations) => {
      const target = withEndpoints(index(size), SLOTS, 1000);
      const ever = Array.from({ length: SLOTS }, () => new Set<string>());
      for (const step of operations) {
        if (step.kind === 'add') target.addEndpoint(step.slot, 10 * step.capacity);
        else if (step.kind === 'remove') {
          target.removeEndpoint(step.slot);
          ever[step.slot]?.clear();
        } else if (step.kind === 'sweep') target.sweep(step.limit);
        else {
          const hashes = chain(step.prompt.who, step.prompt.length, step.prompt.shared);
          const held = target.addEndpoint(step.slot, 1000);
          insert(target, step.slot, hashes);
          for (const key of keysOf(hashes)) ever[step.slot]?.add(key);
          const counts = matches(target, hashes, SLOTS);
          if (held) expect(counts[step.slot]).toBeGreaterThan(0);
          for (let slot = 0; slot < SLOTS; slot += 1) {
            const believed = keysOf(hashes).slice(0, counts[slot]);
            expect(believed.every((key) => ever[slot]?.has(key))).toBe(true);
          }
        }
        expect(target.blockCount).toBeLessThanOrEqual(size.blocks);
      }
      for (let slot = 0; slot < SLOTS; slot += 1) target.removeEndpoint(slot);
      while (target.sweep(1000));
      expect(target.blockCount).toBe(0);
      expect(target.entryCount).toBe(0);
    }),
    { numRuns: 200 },
  );
});
