import { expect, test } from 'vitest';
import { z } from 'zod';
import { context } from '../../test/support/builders.ts';
import { attributeKey } from '../framework/attribute.ts';
import { ConfigurationError } from '../framework/errors.ts';
import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { originNow } from './origin.ts';
import { shapeOf } from './shape.ts';

const BASE = {
  type: 'mine',
  kinds: ['scorer'],
  stability: 'alpha',
  summary: 'Mine.',
  params: z.strictObject({}),
  create: () => ({ category: 'balance', score: () => {} }),
};

/** What the program sees of a definition. */
function seen(members: object): AnyPluginDefinition {
  const [definition] = shapeOf({ mine: { ...BASE, ...members } }).definitions;
  if (definition === undefined) throw new Error('it is no definition');
  return definition;
}

function boom(): never {
  throw new Error('boom');
}

test.each([
  { name: 'references that is null', members: { references: () => null } },
  { name: 'references that is a number', members: { references: () => 5 } },
  { name: 'a reference that is null', members: { references: () => [null] } },
  { name: 'a reference without anything', members: { references: () => [{}] } },
  { name: 'references that throws', members: { references: boom } },
  { name: 'profiles that is a number', members: { profiles: () => 5 } },
  { name: 'a profile without anything', members: { profiles: () => [{}] } },
  { name: 'profiles that throws', members: { profiles: boom } },
])('$name is said by create', ({ members }) => {
  const definition = seen(members);
  expect(definition.references?.({})).toEqual([]);
  expect(definition.profiles?.({}, ['default'])).toEqual([]);
  expect(() => definition.create({}, context())).toThrow(/^(references|profiles) returned no list|^boom/);
});

test.each([
  { name: 'null', dependencies: () => null, message: 'dependencies returned null, want an object' },
  { name: 'nothing', dependencies: () => {}, message: 'dependencies returned nothing' },
  {
    name: 'a slot',
    dependencies: () => ({ requires: [{ slot: 3 }] }),
    message: 'requires is no list of keys',
  },
  { name: 'a throw', dependencies: boom, message: 'boom' },
])('dependencies that gives $name is a ConfigurationError', ({ dependencies, message }) => {
  const read = () => seen({ dependencies }).dependencies?.({}, 'mine');
  expect(read).toThrow(ConfigurationError);
  expect(read).toThrow(message);
});

test('what is as it should be arrives as it is', () => {
  const key = attributeKey<number>('ShapeTest', 'mine');
  const references = [{ path: ['other'], name: 'other', kind: undefined }];
  const profiles = [{ path: ['profile'], name: 'default', isRequired: true }];
  const definition = seen({
    references: () => references,
    profiles: () => profiles,
    dependencies: () => ({ produces: [key] }),
  });
  expect(definition.references?.({})).toBe(references);
  expect(definition.profiles?.({}, [])).toBe(profiles);
  expect(definition.dependencies?.({}, 'mine')).toEqual({ produces: [key] });
});

test.each([
  {
    name: 'a getter that throws',
    value: Object.defineProperty({ ...BASE }, 'type', { get: boom }),
    fault: /no plugin: boom/,
  },
  { name: 'profiles that is no function', value: { ...BASE, profiles: 5 }, fault: /profiles: got 5, want a/ },
])('$name is a fault of the export', ({ value, fault }) => {
  const { faults } = shapeOf({ mine: value });
  expect(faults.map(({ name }) => name)).toEqual(['mine']);
  expect(faults[0]?.reason).toMatch(fault);
});

test('what create starts is known as the plugin’s', async () => {
  let later: Promise<unknown> | undefined;
  const create = () => {
    later = Promise.resolve().then(originNow);
    return BASE.create();
  };
  seen({ create }).create({}, context('one'));
  expect(await later).toEqual({ plugin: 'one', pluginType: 'mine' });
});
