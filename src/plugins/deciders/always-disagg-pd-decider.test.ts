import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Decider } from '../../framework/hooks.ts';
import { alwaysDisaggPdDecider } from './always-disagg-pd-decider.ts';

test('always-disagg-pd-decider: says yes of any request and endpoint', () => {
  const decider: Decider = alwaysDisaggPdDecider.create({}, context());
  for (const at of [undefined, endpoint()]) expect(decider.decide(request(), at)).toBe(true);
});
