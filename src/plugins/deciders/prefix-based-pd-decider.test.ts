import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { match, tokenize } from '../../../test/support/disaggregation.ts';
import { prefixBasedPdDecider } from './prefix-based-pd-decider.ts';

interface State {
  readonly tokens?: number;
  /** Undefined: nobody found out. */
  readonly cached?: number;
  readonly matched?: number;
  readonly blockSizeTokens?: number;
  readonly producer?: string;
  readonly hasEndpoint?: boolean;
}

function decide(raw: object, state: State): boolean {
  const { tokens = 10, cached, hasEndpoint = true, ...rest } = state;
  const one = request();
  if (tokens >= 0) tokenize(one, tokens);
  if (cached !== undefined) match(one, { cached, ...rest });
  const decider = prefixBasedPdDecider.create(prefixBasedPdDecider.params.parse(raw), context());
  return decider.decide(one, hasEndpoint ? endpoint({ slot: 1 }) : undefined);
}

const bs16 = { tokens: 4096, blockSizeTokens: 16 };

test.each([
  { id: 'D31 8 cached', raw: { nonCachedTokens: 5 }, state: { cached: 8 }, want: false },
  { id: 'D31 5 cached', raw: { nonCachedTokens: 5 }, state: { cached: 5 }, want: true },
  { id: 'D31 0 cached', raw: { nonCachedTokens: 5 }, state: { cached: 0 }, want: true },
  { id: 'D32 off', raw: {}, state: { cached: 0 }, want: false },
  { id: 'D32 short', raw: { nonCachedTokens: 20 }, state: { cached: 0 }, want: false },
  { id: 'D32 all cached', raw: { nonCachedTokens: 1 }, state: { cached: 10 }, want: false },
  { id: 'D32 2 cached', raw: { nonCachedTokens: 3 }, state: { cached: 2 }, want: true },
  { id: 'D33 20', raw: { nonCachedTokens: 5, promptTokens: 20 }, state: { cached: 0 }, want: false },
  { id: 'D33 10', raw: { nonCachedTokens: 5, promptTokens: 10 }, state: { cached: 5 }, want: true },
  {
    id: 'D34 as the reference',
    raw: { nonCachedTokens: 5, referenceBehavior: true },
    state: {},
    want: false,
  },
  { id: 'D34 nothing cached', raw: { nonCachedTokens: 5 }, state: {}, want: true },
  {
    id: 'D35 by count',
    raw: { nonCachedTokens: 512 },
    state: { ...bs16, cached: 240, matched: 192 },
    want: false,
  },
  { id: 'D35 192', raw: { nonCachedTokens: 512 }, state: { ...bs16, cached: 192, matched: 240 }, want: true },
  { id: 'example 224', raw: { nonCachedTokens: 512 }, state: { ...bs16, cached: 224 }, want: true },
  { id: 'example 225', raw: { nonCachedTokens: 512 }, state: { ...bs16, cached: 225 }, want: false },
  { id: 'no endpoint', raw: { nonCachedTokens: 1 }, state: { cached: 0, hasEndpoint: false }, want: false },
  { id: 'no tokens', raw: { nonCachedTokens: 1 }, state: { tokens: -1 }, want: false },
  {
    id: 'another producer',
    raw: { nonCachedTokens: 5, prefixMatchInfoProducerName: 'events' },
    state: { cached: 8, producer: 'events' },
    want: false,
  },
  {
    id: 'not the named producer',
    raw: { nonCachedTokens: 5, prefixMatchInfoProducerName: 'events' },
    state: { cached: 8 },
    want: true,
  },
] satisfies readonly { id: string; raw: object; state: State; want: boolean }[])(
  'prefix-based-pd-decider: $id',
  ({ raw, state, want }) => {
    expect(decide(raw, state)).toBe(want);
  },
);

test.each([
  { id: 'D30', raw: { nonCachedTokens: -1 } },
  { id: 'D30', raw: { promptTokens: -1 } },
  { id: 'a fraction', raw: { nonCachedTokens: 1.5 } },
])('prefix-based-pd-decider: $id $raw is refused', ({ raw }) => {
  expect(prefixBasedPdDecider.params.safeParse(raw).success).toBe(false);
});

test('prefix-based-pd-decider: more in the cache never brings a split about', () => {
  fc.assert(
    fc.property(
      fc.nat(5000),
      fc.nat(300),
      fc.nat(300),
      fc.integer({ min: 1, max: 64 }),
      (tokens, a, b, size) => {
        const raw = { nonCachedTokens: 512 };
        const [few, many] = [Math.min(a, b), Math.max(a, b)];
        const splitsAt = (cached: number) => decide(raw, { tokens, cached, blockSizeTokens: size });
        expect(splitsAt(many) && !splitsAt(few)).toBe(false);
      },
    ),
  );
});
