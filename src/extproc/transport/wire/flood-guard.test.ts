import { expect, test } from 'vitest';
import { FloodGuard } from './flood-guard.ts';
import { ERROR } from './frames.ts';

test.each([
  { kind: 'idle', perSecond: 10_000, what: 'frames without use' },
  { kind: 'late', perSecond: 100_000, what: 'frames of streams that are over' },
  { kind: 'window', perSecond: 100, what: 'changes of the initial window' },
  { kind: 'reset', perSecond: 50_000, what: 'streams reset' },
  { kind: 'empty reset', perSecond: 2000, what: 'streams reset at once' },
] as const)('$perSecond a second of kind $kind, and no more', ({ kind, perSecond, what }) => {
  const guard = new FloodGuard();
  for (let second = 0; second < 3; second += 1) {
    for (let i = 0; i < perSecond; i += 1) guard.count(kind);
    guard.forgive();
  }
  for (let i = 0; i < perSecond; i += 1) guard.count(kind);
  const message = `more than ${perSecond} ${what} a second`;
  expect(() => guard.count(kind)).toThrow(
    expect.objectContaining({ code: ERROR.ENHANCE_YOUR_CALM, message }),
  );
});

test('kinds are counted apart', () => {
  const guard = new FloodGuard();
  for (let i = 0; i < 2000; i += 1) {
    guard.count('idle');
    guard.count('late');
    guard.count('reset');
    guard.count('empty reset');
  }
  expect(() => guard.count('idle')).not.toThrow();
  expect(() => guard.count('empty reset')).toThrow('streams reset at once');
});
