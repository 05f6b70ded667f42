import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, request } from '../../../test/support/builders.ts';
import { type DisaggState, disaggRequest, ranProfiles } from '../../../test/support/disaggregation.ts';
import type { Decider } from '../../framework/hooks.ts';
import type { PluginContext } from '../../framework/plugin.ts';
import type { ProfileResults } from '../../framework/profile-handler.ts';
import { PEER_ENDPOINT } from '../attributes/topology.ts';
import { alwaysDisaggMultimodalDecider } from '../deciders/always-disagg-multimodal-decider.ts';
import { prefixBasedPdDecider } from '../deciders/prefix-based-pd-decider.ts';
import { disaggProfileHandler } from './disagg-profile-handler.ts';

const pd = prefixBasedPdDecider.create(prefixBasedPdDecider.params.parse({ nonCachedTokens: 4 }), context());
const mm = alwaysDisaggMultimodalDecider.create({}, context());
const DECIDERS: Readonly<Record<string, object>> = { pd, mm };

function create(raw: object, ctx: PluginContext = context('disagg-profile-handler', [], DECIDERS)) {
  return disaggProfileHandler.create(disaggProfileHandler.params.parse(raw), ctx);
}

const PD = { deciders: { prefill: 'pd' } };
const EPD = { deciders: { encode: 'mm' } };
const E_P_D = { deciders: { prefill: 'pd', encode: 'mm' } };
const PREFILL_FIRST = { stageOrder: 'prefill-first' };

/** What the handler asks for next; `names` are the profiles of a complete E/P/D configuration unless given. */
function next(
  raw: object,
  state: DisaggState,
  names: readonly string[] = ['decode', 'prefill', 'encode'],
): readonly string[] {
  const one = disaggRequest(state);
  return create(raw).pick(one, names, ranProfiles(state.ran));
}

describe('disagg-profile-handler: which profile runs next', () => {
  const long = { tokens: 8 };
  const P_D = ['decode', 'prefill'];
  const none = { tokens: 2 };
  test.each([
    { id: 'D1', raw: PD, names: P_D, state: { ...long, ran: {} }, want: ['decode'] },
    { id: 'D2', raw: PD, names: P_D, state: { ...long, ran: { decode: null } }, want: [] },
    {
      id: 'D3 2 cached',
      raw: PD,
      names: P_D,
      state: { ...long, cached: 2, ran: { decode: 'd' } },
      want: ['prefill'],
    },
    { id: 'D3 5 cached', raw: PD, names: P_D, state: { ...long, cached: 5, ran: { decode: 'd' } }, want: [] },
    { id: 'D4', raw: PD, names: P_D, state: { ...long, ran: { decode: 'd', prefill: 'p' } }, want: [] },
    { id: 'D5 image', raw: EPD, state: { ...none, media: 'image', ran: { decode: 'd' } }, want: ['encode'] },
    { id: 'D5 video', raw: EPD, state: { ...none, media: 'video', ran: { decode: 'd' } }, want: ['encode'] },
    { id: 'D5 audio', raw: EPD, state: { ...none, media: 'audio', ran: { decode: 'd' } }, want: ['encode'] },
    { id: 'D6', raw: EPD, state: { ...none, ran: { decode: 'd' } }, want: [] },
    { id: 'D7', raw: EPD, state: { ...none, media: 'image', ran: { decode: 'd', encode: null } }, want: [] },
    {
      id: 'D8 first',
      raw: E_P_D,
      state: { ...long, media: 'image', ran: { decode: 'd' } },
      want: ['encode'],
    },
    {
      id: 'D8 second',
      raw: E_P_D,
      state: { ...long, media: 'image', ran: { decode: 'd', encode: 'e' } },
      want: ['prefill'],
    },
    {
      id: 'D9',
      raw: E_P_D,
      state: { ...long, media: 'image', ran: { decode: 'd', encode: null } },
      want: ['prefill'],
    },
    { id: 'D10 long', raw: E_P_D, state: { ...long, ran: { decode: 'd' } }, want: ['prefill'] },
    { id: 'D10 cached', raw: E_P_D, state: { ...long, cached: 8, ran: { decode: 'd' } }, want: [] },
    { id: 'D11', raw: {}, state: { ...long, media: 'image', ran: { decode: 'd' } }, want: [] },
    { id: 'D12', raw: EPD, state: { ...long, media: 'image', ran: { decode: 'd', encode: 'e' } }, want: [] },
    { id: 'D13 start', raw: PREFILL_FIRST, names: P_D, state: { ...long, ran: {} }, want: ['prefill'] },
    {
      id: 'D13 prefilled',
      raw: PREFILL_FIRST,
      names: P_D,
      state: { ...long, ran: { prefill: 'p' } },
      want: ['decode'],
    },
    {
      id: 'D13 failed',
      raw: PREFILL_FIRST,
      names: P_D,
      state: { ...long, ran: { prefill: null } },
      want: ['decode'],
    },
    {
      id: 'D13 done',
      raw: PREFILL_FIRST,
      names: P_D,
      state: { ...long, ran: { prefill: 'p', decode: 'd' } },
      want: [],
    },
    {
      id: 'D14 start',
      raw: { ...PREFILL_FIRST, ...EPD },
      state: { ...long, media: 'image', ran: {} },
      want: ['prefill'],
    },
    {
      id: 'D14 prefilled',
      raw: { ...PREFILL_FIRST, ...EPD },
      state: { ...long, media: 'image', ran: { prefill: 'p' } },
      want: ['encode'],
    },
    {
      id: 'D14 encoded',
      raw: { ...PREFILL_FIRST, ...EPD },
      state: { ...long, media: 'image', ran: { prefill: 'p', encode: 'e' } },
      want: ['decode'],
    },
    {
      id: 'D15',
      raw: { ...PREFILL_FIRST, ...EPD },
      state: { ...long, ran: { prefill: 'p' } },
      want: ['decode'],
    },
    { id: 'no decode profile', raw: PD, names: ['prefill'], state: { ...long, ran: {} }, want: [] },
    {
      id: 'no decode profile, prefill first',
      raw: PREFILL_FIRST,
      names: ['prefill'],
      state: { ...long, ran: { prefill: 'p' } },
      want: [],
    },
    {
      id: 'no prefill profile',
      raw: PD,
      names: ['decode'],
      state: { ...long, ran: { decode: 'd' } },
      want: [],
    },
  ] satisfies readonly {
    id: string;
    raw: object;
    names?: readonly string[];
    state: DisaggState;
    want: readonly string[];
  }[])('$id', ({ raw, state, names, want }) => {
    expect(next(raw, state, names)).toEqual(want);
  });

  test('D11: stages without decider are noted as evaluated', () => {
    const results = ranProfiles({ decode: 'd' });
    create({}).pick(disaggRequest({ tokens: 8, ran: {} }), ['decode', 'prefill', 'encode'], results);
    expect([...results.keys()].toSorted()).toEqual(['decode', 'encode', 'prefill']);
    expect(results.get('encode')).toBeUndefined();
    expect(results.get('prefill')).toBeUndefined();
  });
});

describe('disagg-profile-handler: the endpoint of the stage before', () => {
  test.each([
    { id: 'D16', raw: PREFILL_FIRST, ran: { prefill: 'p' }, tokens: 8, want: 'p' },
    { id: 'D16 prefill failed', raw: PREFILL_FIRST, ran: { prefill: null }, tokens: 8, want: undefined },
    { id: 'D17', raw: PD, ran: { decode: 'd' }, tokens: 8, want: 'd' },
    { id: 'D17 prefill left out', raw: PD, ran: { decode: 'd' }, tokens: 2, want: undefined },
  ])('$id', ({ raw, ran, tokens, want }) => {
    const one = disaggRequest({ tokens, ran });
    create(raw).pick(one, ['decode', 'prefill'], ranProfiles(ran));
    expect(one.attributes.get(PEER_ENDPOINT)?.name).toBe(want);
  });

  test('a decider of the encode stage is asked about the decode target, or about nobody before there is one', () => {
    const asked: (string | undefined)[] = [];
    const spy: Decider = { decide: (_request, at) => asked.push(at?.name) < 0 };
    const ctx = context('h', [], { spy });
    const deciders = { encode: 'spy' };
    const names = ['decode', 'encode'];
    create({ deciders }, ctx).pick(request(), names, ranProfiles({ decode: 'd' }));
    create({ ...PREFILL_FIRST, deciders }, ctx).pick(request(), names, new Map());
    expect(asked).toEqual(['d', undefined]);
  });
});

describe('disagg-profile-handler: the result', () => {
  test.each([
    { id: 'D18 failed', ran: { decode: null } },
    { id: 'D18 empty', ran: { decode: '' } },
    { id: 'D25', ran: { prefill: 'p' } },
  ])('$id is an error', ({ ran }) => {
    expect(() => create(PD).process(request(), ranProfiles(ran))).toThrow(
      'failed to find available decode workers',
    );
  });

  test.each([
    {
      id: 'D19',
      ran: { decode: 'd', encode: null },
      want: ['decode'],
      prefill: undefined,
      encode: undefined,
    },
    {
      id: 'D20',
      ran: { decode: 'd', encode: '' },
      want: ['decode', 'encode'],
      prefill: undefined,
      encode: 'encode',
    },
    {
      id: 'all stages',
      ran: { decode: 'd', prefill: 'p', encode: 'e' },
      want: ['decode', 'prefill', 'encode'],
      prefill: 'prefill',
      encode: 'encode',
    },
  ])('$id', ({ ran, want, prefill, encode }) => {
    const result = create(PD).process(request(), ranProfiles(ran));
    expect([...result.profiles.keys()]).toEqual(want);
    expect(result).toMatchObject({ primary: 'decode', prefill, encode });
  });

  test.each([
    { id: 'D43 FF', ran: { decode: 'd' }, want: 'decode-only' },
    { id: 'D43 FT', ran: { decode: 'd', prefill: 'p' }, want: 'prefill-decode' },
    { id: 'D43 TF', ran: { decode: 'd', encode: 'e' }, want: 'encode-decode' },
    { id: 'D43 TT', ran: { decode: 'd', prefill: 'p', encode: 'e' }, want: 'encode-prefill-decode' },
  ])('$id is counted as $want', ({ ran, want }) => {
    const ctx = context('disagg-profile-handler', [], DECIDERS);
    const handler = create(PD, ctx);
    for (const model of ['m', '', 'm']) handler.process(request({ model }), ranProfiles(ran));
    const series = (model: string) =>
      `disagg_decision_total{decision_type="${want}",model_name="${model}",plugin_name="disagg-profile-handler",plugin_type="disagg-profile-handler"}`;
    expect([...ctx.instruments.counters].map(([key, { value }]) => [key, value])).toEqual([
      [series('m'), 2],
      [series('unknown'), 1],
    ]);
  });
});

describe('disagg-profile-handler: a prefill stage that finds nobody', () => {
  const onPrefillFailure = 'fail';
  const DONE = 'failed to find available prefill workers';
  const both = ['decode', 'prefill'];

  /** Runs the handler to its end; profiles in `failing` find nobody. */
  function run(raw: object, tokens: number, failing: readonly string[]): string {
    const handler = create(raw);
    const one = disaggRequest({ tokens, ran: {} });
    const results: ProfileResults = new Map();
    for (let names = handler.pick(one, both, results); names.length > 0; ) {
      for (const name of names) {
        const [found] = ranProfiles({ [name]: failing.includes(name) ? null : name }).values();
        results.set(name, found);
      }
      names = handler.pick(one, both, results);
    }
    try {
      const result = handler.process(one, results);
      return [result.primary, result.prefill ?? '-'].join();
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
  }

  test.each([
    { name: 'is left out', raw: PD, tokens: 8, failing: ['prefill'], want: 'decode,-' },
    {
      name: 'refuses the request with fail',
      raw: { ...PD, onPrefillFailure },
      tokens: 8,
      failing: ['prefill'],
      want: DONE,
    },
    {
      name: 'that nobody asked for is no failure',
      raw: { ...PD, onPrefillFailure },
      tokens: 2,
      failing: [],
      want: 'decode,-',
    },
    {
      name: 'that runs is no failure',
      raw: { ...PD, onPrefillFailure },
      tokens: 8,
      failing: [],
      want: 'decode,prefill',
    },
    {
      name: 'is left out, prefill first',
      raw: PREFILL_FIRST,
      tokens: 8,
      failing: ['prefill'],
      want: 'decode,-',
    },
    {
      name: 'refuses the request with fail, prefill first',
      raw: { ...PREFILL_FIRST, onPrefillFailure },
      tokens: 8,
      failing: ['prefill'],
      want: DONE,
    },
  ])('$name', ({ raw, tokens, failing, want }) => {
    expect(run(raw, tokens, failing)).toBe(want);
  });
});

test('disagg-profile-handler: names the chosen endpoints of the other stages, and removes what a client said', () => {
  const one = request({
    headers: { 'x-prefiller-host-port': '6.6.6.6:1', 'x-encoder-hosts-ports': '6.6.6.6:2' },
  });
  const handler = create(PD);
  const result = handler.process(one, ranProfiles({ decode: 'd', prefill: 'p', encode: null }));
  handler.preRequest(one, result);
  expect(one.headers.get('x-prefiller-host-port')).toBe(result.profiles.get('prefill')?.targets[0]?.hostPort);
  expect(one.headers.removedNames).toEqual(['x-encoder-hosts-ports']);
});

test('disagg-profile-handler: whatever deciders say and profiles find, it ends, and decode is the destination', () => {
  fc.assert(
    fc.property(
      fc.record({
        isPrefillFirst: fc.boolean(),
        answers: fc.tuple(fc.boolean(), fc.boolean()),
        failing: fc.subarray(['decode', 'prefill', 'encode']),
        names: fc.shuffledSubarray(['decode', 'prefill', 'encode', 'other']),
      }),
      ({ isPrefillFirst, answers: [prefills, encodes], failing, names }) => {
        const yes = { p: { decide: () => prefills }, e: { decide: () => encodes } };
        const raw = isPrefillFirst
          ? { ...PREFILL_FIRST, deciders: { encode: 'e' } }
          : { deciders: { prefill: 'p', encode: 'e' } };
        const handler = create(raw, context('h', [], yes));
        const results: ProfileResults = new Map();
        const one = request();
        const ran: string[] = [];
        for (let round = 0; round < 6; round += 1) {
          for (const name of handler.pick(one, names, results)) {
            ran.push(name);
            results.set(name, ranProfiles({ [name]: failing.includes(name) ? null : name }).get(name));
          }
        }
        expect(new Set(ran).size).toBe(ran.length);
        expect(ran.every((name) => names.includes(name) && name !== 'other')).toBe(true);
        expect(handler.pick(one, names, results)).toEqual([]);
        if (!ran.includes('decode') || failing.includes('decode')) {
          expect(() => handler.process(one, results)).toThrow('decode');
          return;
        }
        const result = handler.process(one, results);
        expect(result.primary).toBe('decode');
        expect([...result.profiles.keys()].toSorted()).toEqual(
          ran.filter((name) => !failing.includes(name)).toSorted(),
        );
        expect([...result.profiles.values()].includes(undefined as never)).toBe(false);
      },
    ),
  );
});
