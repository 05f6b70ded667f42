import { expect, test } from 'vitest';
import { endpoint, request } from '../../test/support/builders.ts';
import { loadConfiguration } from '../config/load.ts';
import { prefixMatchKey } from '../plugins/attributes/prefix-match.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { cachedShareOf } from './cached-share.ts';

const target = endpoint({ slot: 1 });

/** What is read with `plugins` listed, when each of `producers` found that share in quarters. */
function share(plugins: string, producers: Record<string, number>, named?: string): number {
  const { document } = loadConfiguration(`plugins: [${plugins}]`, { catalogue: CATALOGUE });
  if (document === undefined) throw new Error('not loaded');
  const one = request();
  for (const [producer, quarters] of Object.entries(producers)) {
    const matchBlocks = Int32Array.of(0, quarters);
    const found = { matchBlocks, cachedBlocks: matchBlocks, totalBlocks: 4, blockSizeTokens: 16 };
    one.attributes.set(prefixMatchKey(producer), found);
  }
  return cachedShareOf(document, named)(one, target);
}

const DEFAULT = '{type: approx-prefix-cache-producer}';
const OTHER = '{type: approx-prefix-cache-producer, name: other}';

test.each([
  { name: 'nobody finds out', plugins: '{type: queue-scorer}', producers: {}, want: 0 },
  { name: 'the default producer', plugins: DEFAULT, producers: { '': 1 }, want: 0.25 },
  { name: 'another one alone', plugins: OTHER, producers: { other: 2 }, want: 0.5 },
  {
    name: 'the default one before another',
    plugins: `${OTHER}, ${DEFAULT}`,
    producers: { other: 2, '': 3 },
    want: 0.75,
  },
  {
    name: 'the one that is named',
    plugins: `${OTHER}, ${DEFAULT}`,
    producers: { other: 2, '': 3 },
    named: 'other',
    want: 0.5,
  },
  { name: 'never more than all', plugins: DEFAULT, producers: { '': 9 }, want: 1 },
])('cached share: $name', ({ plugins, producers, named, want }) => {
  expect(share(plugins, producers, named)).toBe(want);
});

test('cached share: a prompt without blocks is nowhere', () => {
  const one = request();
  const none = new Int32Array(0);
  const found = { matchBlocks: none, cachedBlocks: none, totalBlocks: 0, blockSizeTokens: 16 };
  one.attributes.set(prefixMatchKey(''), found);
  expect(cachedShareOf({ plugins: [] }, undefined)(one, target)).toBe(0);
});
