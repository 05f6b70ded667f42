import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VirtualClock } from './virtual-clock.ts';

test('timers run in order of time, those of one time in the order in which they were set', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), (delays) => {
      const clock = new VirtualClock();
      const ran: { delay: number; i: number; nowMs: number }[] = [];
      delays.forEach((delay, i) => {
        clock.after(delay, () => ran.push({ delay, i, nowMs: clock.nowMs() }));
      });
      while (clock.step());
      const want = delays
        .map((delay, i) => ({ delay, i, nowMs: delay }))
        .toSorted((a, b) => a.delay - b.delay || a.i - b.i);
      expect(ran).toEqual(want);
    }),
  );
});

test('a cancelled timer is passed over, an interval comes back until it is cancelled', () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  clock.after(5, () => ran.push('never'))();
  const cancel = clock.every(10, () => {
    ran.push(`at ${clock.nowMs()}`);
    if (clock.nowMs() === 30) cancel();
  });
  while (clock.step());
  expect(ran).toEqual(['at 10', 'at 20', 'at 30']);
  expect(clock.step()).toBe(false);
  expect(clock.wallMs() - clock.nowMs()).toBeGreaterThan(0);
});

test('what is set while a timer runs counts from then', () => {
  const clock = new VirtualClock();
  let endMs = 0;
  clock.after(3, () => clock.after(4, () => (endMs = clock.nowMs())));
  while (clock.step());
  expect(endMs).toBe(7);
});
