import fc from 'fast-check';
import { expect, test } from 'vitest';
import { suggest } from './suggest.ts';

const TYPES = [
  'queue-scorer',
  'kv-cache-utilization-scorer',
  'max-score-picker',
  'pluginRef',
  'file-discovery',
];

test.each([
  { word: 'queue-scorrer', want: 'queue-scorer' },
  { word: 'qeue-scorer', want: 'queue-scorer' },
  { word: 'uqeue-scorer', want: 'queue-scorer' },
  { word: 'Queue-Scorer', want: 'queue-scorer' },
  { word: 'pluginref', want: 'pluginRef' },
  { word: 'plugin', want: 'pluginRef' },
  { word: 'file-discovery-plugin', want: 'file-discovery' },
  { word: 'nothing-like-it', want: undefined },
  { word: 'q', want: undefined },
  { word: '', want: undefined },
  { word: 'x'.repeat(10_000), want: undefined },
])('$word means $want', ({ word, want }) => {
  expect(suggest(word, TYPES)).toBe(want);
});

test('a suggestion is one of the candidates, and a candidate suggests itself', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.array(fc.string({ minLength: 1, maxLength: 90 }), { minLength: 1 }),
      (word, candidates) => {
        const found = suggest(word, candidates);
        if (found !== undefined) expect(candidates).toContain(found);
        const [first = ''] = candidates;
        expect(suggest(first, candidates)?.toLowerCase()).toBe(first.toLowerCase());
      },
    ),
  );
});
