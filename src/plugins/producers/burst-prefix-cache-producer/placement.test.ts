import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { endpoint } from '../../../../test/support/builders.ts';
import { type PlacementRules, type Prompt, placeBatch } from './placement.ts';

const FREE: PlacementRules = {
  maxPerEndpoint: Number.POSITIVE_INFINITY,
  minColocateBlocks: 0,
  balanceBy: 'requests',
};

function prompt(...blocks: readonly number[]): Prompt {
  return { blocks, ends: blocks.length === 0 ? [] : [blocks.length] };
}

function times(count: number, one: Prompt): Prompt[] {
  return Array.from({ length: count }, () => one);
}

/** Endpoints e1, e2, …, of which those in `running` have running requests. */
function pool(count: number, running: readonly number[] = []) {
  return Array.from({ length: count }, (_, i) =>
    endpoint({ name: `e${i + 1}`, slot: i, runningRequestsSize: running[i] ?? 0 }),
  );
}

/** Names by position. */
function placed(prompts: readonly Prompt[], endpoints: number, rules: Partial<PlacementRules> = {}) {
  return placeBatch(prompts, pool(endpoints), { ...FREE, ...rules }).map((one) => one?.name);
}

function counts(names: readonly (string | undefined)[], endpoints: number): number[] {
  return Array.from({ length: endpoints }, (_, i) => names.filter((name) => name === `e${i + 1}`).length);
}

describe('vectors of the reference', () => {
  test.each([
    {
      id: 'B1',
      prompts: times(8, prompt(1, 2)),
      endpoints: 4,
      rules: {},
      want: [8, 0, 0, 0],
    },
    {
      id: 'B2, k = 2',
      prompts: times(8, prompt(1, 2)),
      endpoints: 4,
      rules: { maxPerEndpoint: 2 },
      want: [2, 2, 2, 2],
    },
    {
      id: 'B2, k = 4',
      prompts: times(8, prompt(1, 2)),
      endpoints: 4,
      rules: { maxPerEndpoint: 4 },
      want: [4, 4, 0, 0],
    },
    {
      id: 'B3',
      prompts: [prompt(1, 2), prompt(), prompt()],
      endpoints: 4,
      rules: {},
      want: [0, 0, 0, 0],
    },
    {
      id: 'B4',
      prompts: [...times(8, prompt(1, 2)), ...times(8, prompt(3, 4))],
      endpoints: 4,
      rules: {},
      want: [8, 8, 0, 0],
    },
    {
      id: 'B7',
      prompts: [3, 4, 5, 6].flatMap((last) => times(2, prompt(1, 2, last))),
      endpoints: 4,
      rules: { minColocateBlocks: 2 },
      want: [2, 2, 2, 2],
    },
    {
      id: 'B9',
      prompts: [3, 4, 5, 6].map((last) => prompt(1, 2, last)),
      endpoints: 2,
      rules: { minColocateBlocks: 2 },
      want: [2, 2],
    },
  ])('$id', ({ prompts, endpoints, rules, want }) => {
    expect(counts(placed(prompts, endpoints, rules), endpoints)).toEqual(want);
  });

  const families = [prompt(1, 2, 3), prompt(1, 2, 4), prompt(7, 8, 5), prompt(7, 8, 6)].flatMap((one) =>
    times(2, one),
  );

  test('B5: families that share enough stay together', () => {
    expect(placed(families, 2, { minColocateBlocks: 2 })).toEqual([
      ...['e1', 'e1', 'e1', 'e1'],
      ...['e2', 'e2', 'e2', 'e2'],
    ]);
  });

  test('B6: families that share too little are split evenly', () => {
    expect(placed(families, 2, { minColocateBlocks: 3 })).toEqual([
      ...['e1', 'e1', 'e2', 'e2'],
      ...['e1', 'e1', 'e2', 'e2'],
    ]);
  });

  test('B8: a single prompt that begins like no other is left alone', () => {
    expect(
      placed([...times(2, prompt(1, 2, 3)), prompt(5, 5, 5)], 2, { minColocateBlocks: 2 }).at(-1),
    ).toBeUndefined();
  });
});

test('the longest prompts are placed first, groups before single ones', () => {
  const prompts = [prompt(9, 9), prompt(9, 8), ...times(2, prompt(1)), ...times(2, prompt(2, 3, 4))];
  expect(placed(prompts, 4, { minColocateBlocks: 1 })).toEqual(['e3', 'e3', 'e2', 'e2', 'e1', 'e1']);
});

test('balanced by tokens, what is there already costs nothing', () => {
  const prompts = [
    ...times(2, prompt(1, 2, 3, 4, 5, 6)),
    ...times(2, prompt(7, 8)),
    ...times(2, prompt(9, 10)),
    ...times(2, prompt(11, 12)),
  ];
  expect(counts(placed(prompts, 2, { balanceBy: 'tokens' }), 2)).toEqual([2, 6]);
  expect(counts(placed(prompts, 2), 2)).toEqual([4, 4]);
});

test('ties go to fewer running requests, then to the smaller id', () => {
  const [first] = placeBatch(times(2, prompt(1)), pool(3, [2, 1, 1]), FREE);
  expect(first?.name).toBe('e2');
});

test('a shared prefix is counted prompt by prompt', () => {
  const two: Prompt = { blocks: [1, 2, 5, 6], ends: [2, 4] };
  const other: Prompt = { blocks: [3, 4, 5, 6], ends: [2, 4] };
  const prompts = [two, two, other, other, prompt(8, 8), prompt(8, 8)];
  // The first prompt of `other` is nowhere; its second is where `two` is, and counts.
  expect(placed(prompts, 2, { minColocateBlocks: 2 })).toEqual(['e1', 'e1', 'e1', 'e1', 'e2', 'e2']);
  expect(placed(prompts, 2, { minColocateBlocks: 3 })).toEqual(['e1', 'e1', 'e2', 'e2', 'e1', 'e1']);
});

test('nothing is placed without endpoints', () => {
  expect(placeBatch(times(3, prompt(1)), [], FREE)).toEqual([undefined, undefined, undefined]);
});

test('any batch: only repeated or alike prompts are placed, none above the limit per endpoint while there is room', () => {
  const anyPrompt = fc.array(fc.nat(3), { maxLength: 4 }).map((blocks) => prompt(...blocks));
  fc.assert(
    fc.property(
      fc.array(anyPrompt, { maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      (prompts, endpoints, maxPerEndpoint) => {
        const names = placed(prompts, endpoints, { maxPerEndpoint });
        for (const [i, one] of prompts.entries()) {
          const equal = prompts.flatMap((other, at) =>
            other.blocks.join() === one.blocks.join() ? [at] : [],
          );
          const isPlaced = one.blocks.length > 0 && equal.length > 1;
          expect(names[i] !== undefined).toBe(isPlaced);
          if (!isPlaced || equal.length > endpoints * maxPerEndpoint) continue;
          const here = equal.filter((at) => names[at] === names[i]);
          expect(here.length).toBeLessThanOrEqual(maxPerEndpoint);
        }
      },
    ),
  );
});
