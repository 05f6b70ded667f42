import { describe, test } from 'vitest';
import type { Picker } from '../../src/framework/picker.ts';
import { PICKER_PROPERTIES } from '../../src/own-plugins/contract/properties.ts';
import { create, ofKind } from './parameters.ts';
import { expectProperty } from './shared.ts';

describe.each(ofKind('picker'))('picker contract: $type', ({ d }) => {
  test.each(PICKER_PROPERTIES)('$name', (property) => expectProperty(property, () => create(d) as Picker));
});
