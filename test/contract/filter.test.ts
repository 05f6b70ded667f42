import { describe, test } from 'vitest';
import type { Filter } from '../../src/framework/filter.ts';
import { type ContractProperty, FILTER_PROPERTIES } from '../../src/own-plugins/contract/properties.ts';
import { create, ofKind } from './parameters.ts';
import { expectProperty } from './shared.ts';

/** Of built-in filters alone; for others the guard sees to it. */
const RETURNS_INPUT: ContractProperty<Filter> = {
  name: 'it returns the input itself when all stay',
  check(filter, { request, candidates }) {
    const kept = filter.filter(request, candidates);
    const isCopy = kept.length > 0 && kept.length === candidates.length && kept !== candidates;
    return isCopy ? 'it returned a copy' : undefined;
  },
};

describe.each(ofKind('filter'))('filter contract: $type', ({ d }) => {
  test.each([...FILTER_PROPERTIES, RETURNS_INPUT])('$name', (property) =>
    expectProperty(property, () => create(d) as Filter),
  );
});
