import { expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { PollGroup } from './poll-group.ts';

test('one timer serves all members, from the first to the last', () => {
  const clock = new FakeClock();
  const group = new PollGroup(clock);
  let ticks = 0;
  const seats = Array.from({ length: 500 }, () =>
    group.join(() => {
      ticks += 1;
    }),
  );
  expect(clock.pendingTimers).toBe(1);
  clock.advance(100);
  expect(ticks).toBe(5_000);
  for (const seat of seats) seat.leave();
  seats[0]?.leave();
  expect(clock.pendingTimers).toBe(0);
});

test('where there is not enough for all, all get their turn', () => {
  const clock = new FakeClock();
  const group = new PollGroup(clock);
  const begun = Array.from({ length: 10 }, () => 0);
  for (const i of begun.keys()) {
    group.join(() => {
      while (group.takes()) begun[i] = (begun[i] ?? 0) + 1;
    });
  }
  clock.advance(1_000);
  expect(begun).toEqual(Array.from({ length: 10 }, () => 500));
});

test('pools with requests come first, and a third stays for the others', () => {
  const group = new PollGroup(new FakeClock());
  const busy = group.join(() => {});
  const idle = group.join(() => {});
  idle.weigh(0.6, true);
  expect([busy.load, idle.load]).toEqual([0, 0.6]);
  busy.weigh(0.15, false);
  expect(busy.load).toBeCloseTo(0.15);
  expect(idle.load).toBeCloseTo(1.2);
  busy.weigh(0.9, false);
  expect(idle.load).toBeCloseTo(1.8);
  idle.weigh(0.3, false);
  expect([busy.load, idle.load].map((load) => Math.round(load * 10))).toEqual([12, 12]);
  busy.leave();
  expect(idle.load).toBeCloseTo(0.3);
});
