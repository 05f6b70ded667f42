import fc from 'fast-check';
import { expect } from 'vitest';
import type { Endpoint } from '../../src/framework/endpoint.ts';
import type { ContractProperty } from '../../src/own-plugins/contract/properties.ts';
import { anyEndpoint, request } from '../support/builders.ts';

const total = fc.double({ min: -100, max: 100, noNaN: true });

/** Checks one property of `epp validate --run-contract` in situations that fast-check makes and shrinks. */
export async function expectProperty<Instance>(
  property: ContractProperty<Instance>,
  create: () => Instance,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anyEndpoint, total), { maxLength: 40 }), async (pairs) => {
      const candidates: readonly Endpoint[] = pairs.map(([one]) => one);
      const totals = Float64Array.from(pairs, ([, value]) => value);
      expect(await property.check(create(), { request: request(), candidates, totals })).toBeUndefined();
    }),
  );
}
