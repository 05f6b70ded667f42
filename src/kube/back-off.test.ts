import { expect, test } from 'vitest';
import { SeededRng } from '../util/rng.ts';
import { KubeError } from './api.ts';
import { BackOff } from './back-off.ts';

const GONE = new Error('connection refused');

function asking(retryAfterMs: number): KubeError {
  return new KubeError(429, 'TooManyRequests', 'slow down', { retryAfterMs });
}

test('back-off: doubles from 0.2 s to 30 s and begins again after a success', () => {
  const backOff = new BackOff({ next: () => 0 });
  expect(backOff.isFresh).toBe(true);
  const waits = Array.from({ length: 10 }, () => backOff.next(GONE));
  expect(waits).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  expect(backOff.isFresh).toBe(false);
  backOff.reset();
  expect(backOff.isFresh).toBe(true);
  expect(backOff.next(GONE)).toBe(200);
});

test('back-off: waits are shortened by up to a half, and not under what the server asks for, up to a minute', () => {
  const rng = new SeededRng(1);
  const waits = Array.from({ length: 100 }, () => new BackOff(rng).next(GONE));
  expect(Math.min(...waits)).toBeGreaterThan(100);
  expect(Math.min(...waits)).toBeLessThan(110);
  expect(Math.max(...waits)).toBeLessThanOrEqual(200);
  expect(new BackOff(rng).next(asking(5000))).toBe(5000);
  expect(new BackOff(rng).next(asking(600_000))).toBe(60_000);
  expect(new BackOff({ next: () => 0 }).next(asking(100))).toBe(200);
});
