import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Decider } from '../../src/framework/hooks.ts';
import { anyEndpoint } from '../support/builders.ts';
import { disaggRequest } from '../support/disaggregation.ts';
import { create, ofKind } from './parameters.ts';

describe.each(ofKind('decider'))('decider contract: $type', ({ d }) => {
  test('it says yes or no of any request and endpoint, and the same when it is asked again', () => {
    const decider = create(d) as Decider; // its kind
    fc.assert(
      fc.property(fc.nat(10_000), fc.nat(100), fc.option(anyEndpoint), (tokens, cached, at) => {
        const one = disaggRequest({ tokens, cached, ran: {} });
        const answer = decider.decide(one, at ?? undefined);
        expect(typeof answer).toBe('boolean');
        expect(decider.decide(one, at ?? undefined)).toBe(answer);
      }),
    );
  });
});
