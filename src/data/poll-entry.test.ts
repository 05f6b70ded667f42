import { expect, test } from 'vitest';
import { endpoint } from '../../test/support/builders.ts';
import type { Extractor } from '../framework/data-source.ts';
import { PageError } from '../util/prometheus-text.ts';
import { PollEntry } from './poll-entry.ts';

const PAGE = Buffer.from('page');

/** What two extractors make of a page, and what is counted of it. */
function extractWith(...extracts: readonly Extractor['extract'][]) {
  const binding = {
    index: 0,
    source: {
      name: 's',
      type: 's',
      plugin: {
        payload: 'prometheus' as const,
        intervalMs: 0,
        poll: async () => PAGE,
        release: () => undefined,
      },
    },
    extractors: extracts.map((extract, i) => ({
      name: `x${i}`,
      type: 'x',
      plugin: { payload: 'prometheus' as const, extract },
    })),
    periodMs: 0,
    pollErrors: { value: 0 },
    extractErrors: extracts.map(() => ({ value: 0 })),
  };
  const owner = { pageArrived: () => undefined, pollFailed: () => undefined };
  const problem = new PollEntry(endpoint(), binding, 0, owner).extract(PAGE, 0);
  return {
    problem,
    pollErrors: binding.pollErrors.value,
    extractErrors: binding.extractErrors.map(({ value }) => value),
  };
}

const finds = () => true;
const findsNothing = () => false;
const isBroken = () => {
  throw new Error('broken');
};
const readsNoMetrics = () => {
  throw new PageError('metrics page: line 1 is no metrics line');
};
const readsNoJson = () => JSON.parse('<html>') as boolean;

test.each([
  { name: 'no extractor', extracts: [], want: { problem: undefined, pollErrors: 0, extractErrors: [] } },
  {
    name: 'both find something',
    extracts: [finds, finds],
    want: { problem: undefined, pollErrors: 0, extractErrors: [0, 0] },
  },
  {
    name: 'one finds nothing',
    extracts: [findsNothing, finds],
    want: { problem: undefined, pollErrors: 0, extractErrors: [1, 0] },
  },
  {
    name: 'one is broken',
    extracts: [findsNothing, isBroken],
    want: { problem: 'broken', pollErrors: 0, extractErrors: [1, 1] },
  },
  {
    name: 'the page is no metrics page: one failed poll',
    extracts: [readsNoMetrics, readsNoMetrics],
    want: { problem: 'metrics page: line 1 is no metrics line', pollErrors: 1, extractErrors: [0, 0] },
  },
  {
    name: 'the page is no JSON: a failed poll',
    extracts: [readsNoJson],
    want: { problem: expect.stringContaining('JSON') as string, pollErrors: 1, extractErrors: [0] },
  },
])('what is counted when $name', ({ extracts, want }) => {
  expect(extractWith(...extracts)).toEqual(want);
});
