import { expect, test } from 'vitest';
import { endpoint, request } from '../../test/support/builders.ts';
import { ConditionalDecode } from './conditional-decode.ts';

const target = endpoint();

/** HTTP status of a request with these `prefer` headers; 0 when it goes on. */
function statusOf(prefer: readonly string[], cachedShare: number, minShare = 0): number {
  const one = request();
  for (const value of prefer) one.headers.receive('Prefer', value);
  const gate = new ConditionalDecode({
    cachedShare: (asked, at) => (asked === one && at === target ? cachedShare : Number.NaN),
    minShare,
  });
  try {
    gate.check(one, target);
    return 0;
  } catch (error) {
    expect(error).toMatchObject({ code: 'precondition-failed', httpStatus: 412, reason: undefined });
    return 412;
  }
}

test.each([
  { name: 'no such header', prefer: [], cached: 0, want: 0 },
  { name: 'another preference', prefer: ['respond-async'], cached: 0, want: 0 },
  { name: 'nothing cached', prefer: ['if-available'], cached: 0, want: 412 },
  { name: 'something cached', prefer: ['if-available'], cached: 0.01, want: 0 },
  { name: 'any case, with parameters', prefer: [' If-Available ; wait=3'], cached: 0, want: 412 },
  { name: 'among others', prefer: ['respond-async, wait=10,if-available'], cached: 0, want: 412 },
  { name: 'in a later header', prefer: ['respond-async', 'if-available'], cached: 0, want: 412 },
  { name: 'part of another word', prefer: ['if-available-now'], cached: 0, want: 0 },
  { name: 'a parameter of another', prefer: ['wait;if-available'], cached: 0, want: 0 },
  { name: 'less than the least share', prefer: ['if-available'], cached: 0.49, min: 0.5, want: 412 },
  { name: 'the least share', prefer: ['if-available'], cached: 0.5, min: 0.5, want: 0 },
])('conditional decode: $name', ({ prefer, cached, min, want }) => {
  expect(statusOf(prefer, cached, min)).toBe(want);
});
