import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SeededRng } from '../../../util/rng.ts';
import { SampleBuffer } from './sample-buffer.ts';

function filled(capacity: number, ttft: number, tpot: number, seed = 1): SampleBuffer {
  const buffer = new SampleBuffer(capacity, new SeededRng(seed));
  for (let i = 0; i < ttft; i += 1) buffer.add('ttft', `f${i}`);
  for (let i = 0; i < tpot; i += 1) buffer.add('tpot', `p${i}`);
  return buffer;
}

function counts(taken: readonly string[]) {
  const ttft = taken.filter((one) => one.startsWith('f')).length;
  return { ttft, tpot: taken.length - ttft };
}

test.each([
  { name: 'nothing', capacity: 5, ttft: 0, tpot: 0, want: { ttft: 0, tpot: 0 } },
  { name: 'all fit', capacity: 5, ttft: 2, tpot: 3, want: { ttft: 2, tpot: 3 } },
  { name: 'one kind only', capacity: 5, ttft: 0, tpot: 9, want: { ttft: 0, tpot: 5 } },
  { name: 'divided as they came', capacity: 10, ttft: 300, tpot: 100, want: { ttft: 8, tpot: 2 } },
  { name: 'a rare kind keeps a place', capacity: 10, ttft: 10_000, tpot: 1, want: { ttft: 9, tpot: 1 } },
  { name: 'the other one too', capacity: 10, ttft: 1, tpot: 10_000, want: { ttft: 1, tpot: 9 } },
])('samples: $name', ({ capacity, ttft, tpot, want }) => {
  const buffer = filled(capacity, ttft, tpot);
  expect(counts(buffer.take())).toEqual(want);
  expect(buffer.size).toBe(0);
  expect(buffer.take()).toEqual([]);
});

test('what is taken was added, none twice, at most the capacity; all when they fit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(60), fc.nat(60), fc.nat(), (capacity, a, b, seed) => {
      const taken = filled(capacity, a, b, seed).take();
      expect(new Set(taken).size).toBe(taken.length);
      expect(taken.length).toBe(Math.min(capacity, a + b));
      for (const one of taken) expect(Number(one.slice(1))).toBeLessThan(one.startsWith('f') ? a : b);
    }),
  );
});

test('late samples are taken as often as early ones', () => {
  const rounds = 2000;
  let early = 0;
  for (let seed = 0; seed < rounds; seed += 1) {
    for (const one of filled(5, 20, 0, seed).take()) if (Number(one.slice(1)) < 10) early += 1;
  }
  expect(Math.abs(early / (rounds * 5) - 0.5)).toBeLessThan(0.02);
});
