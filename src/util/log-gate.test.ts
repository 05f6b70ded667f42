import { expect, test } from 'vitest';
import { LogGate } from './log-gate.ts';

test('one line every 30 s, the first at once', () => {
  const gate = new LogGate();
  const passes = [0, 1, 29_999, 30_000, 59_999, 60_001].map((nowMs) => gate.pass(nowMs));
  expect(passes).toEqual([true, false, false, true, false, true]);
});
