import { expect, test } from 'vitest';
import { BufferPool } from './buffer-pool.ts';

test('what is given back is given out again for the same size', () => {
  const pool = new BufferPool();
  const first = pool.take(100_000);
  expect(first.length).toBe(131_072);
  pool.give(first);
  expect(pool.keptBytes).toBe(131_072);
  expect(pool.take(70_000)).toBe(first);
  expect(pool.take(70_000)).not.toBe(first);
  expect(pool.keptBytes).toBe(0);
});

test('small requests get the smallest size, exact powers their own', () => {
  const pool = new BufferPool();
  expect(pool.take(1).length).toBe(65_536);
  expect(pool.take(65_536).length).toBe(65_536);
  expect(pool.take(65_537).length).toBe(131_072);
});

test('no more is kept than 32 MiB', () => {
  const pool = new BufferPool();
  for (const buffer of Array.from({ length: 6 }, () => pool.take(8 * 2 ** 20))) pool.give(buffer);
  expect(pool.keptBytes).toBe(32 * 2 ** 20);
});
