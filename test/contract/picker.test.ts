import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Picker } from '../../src/framework/picker.ts';
import { anyEndpoint } from '../support/builders.ts';
import { create, ofKind } from './parameters.ts';

const total = fc.double({ min: -100, max: 100, noNaN: true });

describe.each(ofKind('picker'))('picker contract: $type', ({ d }) => {
  test('it picks at least one of the candidates, none twice, and changes nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyEndpoint, total), { maxLength: 40 }), (pairs) => {
        const candidates = pairs.map(([one]) => one);
        // Longer than the candidates, as buffers of the engine are; what lies behind must not matter.
        const totals = Float64Array.from([...pairs.map(([, value]) => value), 1e9, 1e9]);
        const givenTotals = totals.slice();
        const given = [...candidates];
        const picked = (create(d) as Picker).pick(candidates, totals);
        expect(picked.length).toBeGreaterThanOrEqual(Math.min(1, candidates.length));
        expect(picked.every((one) => candidates.includes(one))).toBe(true);
        expect(new Set(picked).size).toBe(picked.length);
        expect(totals).toEqual(givenTotals);
        expect(candidates).toEqual(given);
      }),
    );
  });

  test('two picks share no array', () => {
    fc.assert(
      fc.property(fc.array(anyEndpoint, { minLength: 1, maxLength: 5 }), (candidates) => {
        const picker = create(d) as Picker;
        const first = picker.pick(candidates, new Float64Array(candidates.length));
        const kept = [...first];
        expect(picker.pick(candidates, new Float64Array(candidates.length))).not.toBe(first);
        expect(first).toEqual(kept);
      }),
      { numRuns: 20 },
    );
  });
});
