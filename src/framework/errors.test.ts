import { expect, test } from 'vitest';
import { RejectionError } from './errors.ts';

test.each<readonly unknown[]>([
  ['x', 'no'],
  ['toString', 'no'],
  [undefined, 'no'],
  [400, 'no'],
  ['internal', 'no', { reason: 'because' }],
  ['internal', 'no', { reason: 7 }],
])('%j is no rejection', (...args) => {
  expect(() => Reflect.construct(RejectionError, args) as unknown).toThrow(TypeError);
});

test('a code and a reason are kept', () => {
  const error = new RejectionError('unavailable', 'none', { reason: 'rejected-no-endpoints' });
  expect([error.httpStatus, error.reason]).toEqual([503, 'rejected-no-endpoints']);
});
