import { describe, test } from 'vitest';
import type { Scorer } from '../../src/framework/scorer.ts';
import { SCORER_PROPERTIES } from '../../src/own-plugins/contract/properties.ts';
import { create, ofKind } from './parameters.ts';
import { expectProperty } from './shared.ts';

describe.each(ofKind('scorer'))('scorer contract: $type', ({ d }) => {
  test.each(SCORER_PROPERTIES)('$name', (property) => expectProperty(property, () => create(d) as Scorer));
});
