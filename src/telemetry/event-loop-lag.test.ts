import { expect, test } from 'vitest';
import { RecordingInstruments } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { EventLoopLag } from './event-loop-lag.ts';

/** A clock whose time can be moved while no timer runs, as it is when work holds the event loop. */
class StallingClock extends FakeClock {
  #stalledMs = 0;

  override nowMs(): number {
    return super.nowMs() + this.#stalledMs;
  }

  stall(ms: number): void {
    this.#stalledMs += ms;
  }
}

test('the gauge shows the worst delay of the last windows, then forgets it', () => {
  const clock = new StallingClock();
  const instruments = new RecordingInstruments();
  using lag = new EventLoopLag(instruments, clock);
  clock.advance(1000);
  expect(lag.worstMs).toBe(0);
  clock.stall(70);
  clock.advance(20);
  expect(instruments.gauges.get('event_loop_lag_seconds{}')?.()).toBeCloseTo(0.07);
  clock.advance(15_000);
  expect(lag.worstMs).toBeCloseTo(70);
  clock.advance(16_000);
  expect(lag.worstMs).toBe(0);
});

test('disposed of, it leaves no timer and no series', () => {
  const clock = new FakeClock();
  const instruments = new RecordingInstruments();
  new EventLoopLag(instruments, clock)[Symbol.dispose]();
  expect(clock.pendingTimers).toBe(0);
  expect(instruments.gauges.size).toBe(0);
});
