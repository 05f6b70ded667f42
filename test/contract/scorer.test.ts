import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Scorer } from '../../src/framework/scorer.ts';
import { anyEndpoint, request } from '../support/builders.ts';
import { create, ofKind } from './parameters.ts';

describe.each(ofKind('scorer'))('scorer contract: $type', ({ d }) => {
  test('scores lie in [0, 1] and nothing is written past the candidates', () => {
    fc.assert(
      fc.property(fc.array(anyEndpoint, { maxLength: 40 }), (candidates) => {
        const out = new Float64Array(candidates.length + 1);
        out[candidates.length] = -7;
        (create(d) as Scorer).score(request(), candidates, out);
        expect(out.at(-1)).toBe(-7);
        expect(out.subarray(0, -1).every((score) => score >= 0 && score <= 1)).toBe(true);
      }),
    );
  });

  test('one instance gives the same scores again, and leaves the candidates alone', () => {
    fc.assert(
      fc.property(fc.array(anyEndpoint, { maxLength: 40 }), (candidates) => {
        const scorer = create(d) as Scorer;
        const given = [...candidates];
        const one = request();
        const [first, second] = [0, 1].map(() => {
          const out = new Float64Array(candidates.length);
          scorer.score(one, candidates, out);
          return out;
        });
        expect(second).toEqual(first);
        expect(candidates).toEqual(given);
      }),
      { numRuns: 30 },
    );
  });

  test('it says what it pulls towards', () => {
    expect(['affinity', 'distribution', 'balance']).toContain((create(d) as Scorer).category);
  });
});
