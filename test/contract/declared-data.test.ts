import { describe, test } from 'vitest';
import type { AnyPluginDefinition, DataDependencies, PluginKind } from '../../src/framework/plugin.ts';
import { declares } from '../../src/own-plugins/contract/check.ts';
import { type ContractProperty, PROPERTIES } from '../../src/own-plugins/contract/properties.ts';
import { create, ofKind, REQUIRED } from './parameters.ts';
import { expectProperty } from './shared.ts';

const KINDS = ['filter', 'scorer', 'producer'] as const satisfies readonly PluginKind[];

function dependenciesOf(d: AnyPluginDefinition): DataDependencies {
  return d.dependencies?.(d.params.parse(REQUIRED.get(d.type) ?? {}), d.type) ?? {};
}

const producers = ofKind('producer').map(({ d }) => d);
const produced = new Set(producers.flatMap((d) => dependenciesOf(d).produces ?? []));

/** Asks servers, which are not here; `predicted-latency-producer.test.ts` runs it with some. */
const ASKS_SERVERS = 'predicted-latency-producer';

// built-in plugins are not confined while they serve: here it is seen that they need not be
describe.each(KINDS)('a built-in %s touches only data that it declares', (kind) => {
  const [first, second]: readonly ContractProperty<never>[] = PROPERTIES[kind] ?? [];
  const call = second ?? first;
  if (call === undefined) throw new Error(`${kind} has no contract`);
  test.each(ofKind(kind).filter(({ type }) => type !== ASKS_SERVERS))('$type', ({ d }) => {
    const property = declares(call, { dependencies: dependenciesOf(d), produced });
    return expectProperty(property, () => create(d) as never); // of the property's kind
  });
});
