import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from './clock.ts';

const DAY_MS = 86_400_000;

// The clock of the process is what is tested here, so that its timers are replaced, which overflow as those of Node.js do.
beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test('a delay longer than a timer may be is kept', () => {
  let fired = 0;
  systemClock.after(60 * DAY_MS, () => {
    fired += 1;
  });
  vi.advanceTimersByTime(60 * DAY_MS - 1);
  expect(fired).toBe(0);
  vi.advanceTimersByTime(1);
  expect(fired).toBe(1);
  vi.advanceTimersByTime(60 * DAY_MS);
  expect(fired).toBe(1);
});

test.each([0, 30])('a long delay can be cancelled after %i days', (days) => {
  let fired = 0;
  const cancel = systemClock.after(60 * DAY_MS, () => {
    fired += 1;
  });
  vi.advanceTimersByTime(days * DAY_MS);
  cancel();
  vi.advanceTimersByTime(90 * DAY_MS);
  expect(fired).toBe(0);
});

test('an interval longer than a timer may be is as long as one may be', () => {
  let fired = 0;
  const cancel = systemClock.every(30 * DAY_MS, () => {
    fired += 1;
  });
  vi.advanceTimersByTime(10);
  expect(fired).toBe(0);
  vi.advanceTimersByTime(24 * DAY_MS);
  expect(fired).toBe(0);
  vi.advanceTimersByTime(DAY_MS);
  expect(fired).toBe(1);
  cancel();
  vi.advanceTimersByTime(60 * DAY_MS);
  expect(fired).toBe(1);
});
