import { expect, test } from 'vitest';
import { context, endpoint, request, type TestContext } from '../../../test/support/builders.ts';
import { disaggRequest, ranProfiles } from '../../../test/support/disaggregation.ts';
import { prefixBasedPdDecider } from '../deciders/prefix-based-pd-decider.ts';
import { pdProfileHandler } from './pd-profile-handler.ts';

const decider = prefixBasedPdDecider.create(
  prefixBasedPdDecider.params.parse({ nonCachedTokens: 4 }),
  context(),
);

function pluginContext(): TestContext {
  return context('pd-profile-handler', [], { 'prefix-based-pd-decider': decider });
}

function create(raw: object = {}, ctx = pluginContext()) {
  return pdProfileHandler.create(pdProfileHandler.params.parse(raw), ctx);
}

const P_D = ['prefill', 'decode'];

test.each([
  { name: 'decode runs first', ran: {}, want: ['decode'], counted: [] },
  { name: 'a failed decode ends it', ran: { decode: null }, want: [], counted: [] },
  {
    name: 'a long prompt is prefilled elsewhere',
    ran: { decode: 'd' },
    want: ['prefill'],
    counted: ['prefill-decode'],
  },
  { name: 'a cached one is not', ran: { decode: 'd' }, cached: 8, want: [], counted: ['decode-only'] },
  { name: 'prefill runs once', ran: { decode: 'd', prefill: 'p' }, want: [], counted: [] },
  {
    name: 'prefill runs once, of three profiles',
    ran: { decode: 'd', prefill: null },
    names: [...P_D, 'x'],
    want: [],
    counted: [],
  },
  { name: 'no decode profile', ran: {}, names: ['x'], want: [], counted: [] },
  { name: 'one profile', ran: { decode: 'd' }, names: ['decode'], want: [], counted: [] },
  {
    name: 'no prefill profile',
    ran: { decode: 'd' },
    names: ['decode', 'x'],
    want: [],
    counted: ['decode-only'],
  },
])('pd-profile-handler: $name', ({ ran, cached = 0, names = P_D, want, counted }) => {
  const ctx = pluginContext();
  const one = disaggRequest({ tokens: 8, cached, ran });
  expect(create({}, ctx).pick(one, names, ranProfiles(ran))).toEqual(want);
  const found = [...ctx.instruments.counters.keys()].map(
    (key) => /^pd_decision_total\{decision_type="([^"]*)",model_name="model"/.exec(key)?.[1],
  );
  expect(found).toEqual(counted);
});

test.each([
  { name: 'both stages', ran: { decode: 'd', prefill: 'p' }, prefill: 'prefill' },
  { name: 'decode alone', ran: { decode: 'd' }, prefill: undefined },
  { name: 'a prefill stage that found nobody', ran: { decode: 'd', prefill: null }, prefill: undefined },
])('pd-profile-handler: the result of $name', ({ ran, prefill }) => {
  const result = create().process(request(), ranProfiles(ran));
  expect(result).toMatchObject({ primary: 'decode', prefill, destination: undefined });
  expect([...result.profiles.values()].every((one) => one.targets.length === 1)).toBe(true);
});

test('pd-profile-handler: D18 without decode target there is no result', () => {
  for (const ran of [{ decode: null }, { decode: '' }, { prefill: 'p' }]) {
    expect(() => create().process(request(), ranProfiles(ran))).toThrow('available decode workers');
  }
});

test.each([
  { primaryPort: 0, destination: undefined, header: undefined },
  { primaryPort: 9000, destination: '10.0.0.1:9000', header: '10.0.0.1:8003' },
])('pd-profile-handler: primaryPort $primaryPort', ({ primaryPort, destination, header }) => {
  const handler = create({ primaryPort });
  const targets = [endpoint({ address: '10.0.0.1', port: 8003 })];
  const one = request({ headers: { 'x-data-parallel-host-port': '6.6.6.6:1' } });
  const ran = { targets, candidates: targets, totals: new Float64Array(1) };
  const result = handler.process(one, new Map([['decode', ran]]));
  expect(result.destination).toBe(destination);
  handler.preRequest(one, result);
  expect(one.headers.get('x-data-parallel-host-port')).toBe(header);
});

test.each([
  { raw: { primaryPort: 65_536 } },
  { raw: { primaryPort: -1 } },
  { raw: { deciderPluginName: '' } },
  { raw: { profiles: {} } },
])('pd-profile-handler: $raw is refused', ({ raw }) => {
  expect(pdProfileHandler.params.safeParse(raw).success).toBe(false);
});

test('pd-profile-handler: names its decider, and any plugin in prefixPluginName', () => {
  const params = pdProfileHandler.params.parse({ deciderPluginName: 'd', prefixPluginName: 'x' });
  expect(pdProfileHandler.references?.(params)).toEqual([
    { path: ['deciderPluginName'], name: 'd', kind: 'decider' },
    { path: ['prefixPluginName'], name: 'x', kind: undefined },
  ]);
});
