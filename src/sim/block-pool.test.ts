import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BlockPool } from './block-pool.ts';

describe('BlockPool', () => {
  test('hands out every block once, then none', () => {
    const pool = new BlockPool(3);
    expect([pool.allocate(), pool.allocate(), pool.allocate(), pool.allocate()]).toEqual([0, 1, 2, -1]);
    expect(pool.usage).toBe(1);
  });

  test('a released block stays findable until it is the longest unused one', () => {
    const pool = new BlockPool(2);
    const first = pool.allocate();
    pool.register(first, 111);
    pool.release(first);
    expect(pool.find(111)).toBe(first);
    expect(pool.free).toBe(2);
    expect(pool.allocate()).not.toBe(first);
    expect(pool.find(111)).toBe(first);
    expect(pool.allocate()).toBe(first);
    expect(pool.find(111)).toBe(-1);
  });

  test('a shared block is free only after the last release', () => {
    const pool = new BlockPool(1);
    const block = pool.allocate();
    pool.register(block, 7);
    pool.share(block);
    pool.release(block);
    expect(pool.allocate()).toBe(-1);
    pool.release(block);
    pool.share(pool.find(7));
    expect(pool.free).toBe(0);
  });

  test('the first block with a hash keeps it', () => {
    const pool = new BlockPool(2);
    const [a, b] = [pool.allocate(), pool.allocate()];
    pool.register(a, 5);
    pool.register(b, 5);
    expect(pool.find(5)).toBe(a);
    expect(pool.cached).toBe(1);
  });

  test('clear forgets prefixes, not references', () => {
    const pool = new BlockPool(2);
    pool.register(pool.allocate(), 1);
    pool.clear();
    expect([pool.find(1), pool.cached, pool.free]).toEqual([-1, 0, 1]);
  });

  test('without caching nothing is found', () => {
    const pool = new BlockPool(1, false);
    pool.register(pool.allocate(), 1);
    expect(pool.find(1)).toBe(-1);
  });

  test('any use keeps counts, hashes and the free list consistent', () => {
    const operation = fc.record({ kind: fc.constantFrom('allocate', 'share', 'release'), pick: fc.nat(20) });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(operation, { maxLength: 200 }),
        (size, operations) => {
          const pool = new BlockPool(size);
          const held: number[] = [];
          for (const { kind, pick } of operations) {
            if (kind === 'allocate') {
              const block = pool.allocate();
              expect(block === -1).toBe(new Set(held).size === size);
              if (block === -1) continue;
              expect(held).not.toContain(block);
              pool.register(block, pick);
              held.push(block);
            } else if (kind === 'share' && pool.find(pick) >= 0) {
              const block = pool.find(pick);
              pool.share(block);
              held.push(block);
            } else if (kind === 'release' && held.length > 0) {
              const [block = 0] = held.splice(pick % held.length, 1);
              pool.release(block);
            }
            expect(pool.free).toBe(size - new Set(held).size);
            for (const block of held) expect(pool.isFree(block)).toBe(false);
          }
          for (const block of held) pool.release(block);
          const all = Array.from({ length: size }, () => pool.allocate());
          expect(new Set(all).size).toBe(size);
          expect(pool.cached).toBe(0);
        },
      ),
    );
  });
});
