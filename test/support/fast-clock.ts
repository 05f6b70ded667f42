import { type Clock, systemClock } from '../../src/util/clock.ts';

/** Time that runs `factor` times as fast, for what takes many seconds and talks to real servers. */
export function fastClock(factor: number): Clock {
  return {
    nowMs: () => systemClock.nowMs() * factor,
    wallMs: () => systemClock.wallMs(),
    after: (delayMs, callback) => systemClock.after(delayMs / factor, callback),
    every: (intervalMs, callback) => systemClock.every(intervalMs / factor, callback),
  };
}
