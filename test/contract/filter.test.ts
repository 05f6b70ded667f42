import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Filter } from '../../src/framework/filter.ts';
import { anyEndpoint, request } from '../support/builders.ts';
import { create, ofKind } from './parameters.ts';

describe.each(ofKind('filter'))('filter contract: $type', ({ d }) => {
  test('it returns some of its candidates in their order, the input itself when all stay', () => {
    fc.assert(
      fc.property(fc.array(anyEndpoint, { maxLength: 40 }), (candidates) => {
        const given = [...candidates];
        const kept = (create(d) as Filter).filter(request(), candidates);
        expect(candidates).toEqual(given);
        const positions = kept.map((one) => candidates.indexOf(one));
        expect(positions).not.toContain(-1);
        expect(positions).toEqual(positions.toSorted((a, b) => a - b));
        expect(new Set(positions).size).toBe(positions.length);
        if (kept.length === candidates.length && kept.length > 0) expect(kept).toBe(candidates);
      }),
    );
  });

  test('what it keeps it keeps again', () => {
    fc.assert(
      fc.property(fc.array(anyEndpoint, { maxLength: 20 }), (candidates) => {
        const filter = create(d) as Filter;
        const one = request();
        const kept = filter.filter(one, candidates);
        expect(filter.filter(one, kept)).toEqual(kept);
      }),
      { numRuns: 30 },
    );
  });
});
