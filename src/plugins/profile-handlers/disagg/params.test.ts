import { describe, expect, test } from 'vitest';
import { disaggParams, disaggReferences } from './params.ts';

const PREFILL_FIRST = { stageOrder: 'prefill-first' };
const PD = { deciders: { prefill: 'pd' } };
const EPD = { deciders: { encode: 'mm' } };

describe('disagg-profile-handler: parameters', () => {
  test.each([
    { id: 'D21', stageOrder: 'PrefillFirst', want: 'prefill-first' },
    { id: 'D21', stageOrder: 'prefill-first', want: 'prefill-first' },
    { id: 'D21', stageOrder: 'DecodeFirst', want: 'decode-first' },
    { id: 'short', stageOrder: 'prefill', want: 'prefill-first' },
    { id: 'empty', stageOrder: '', want: 'decode-first' },
    { id: 'underscore', stageOrder: 'decode_first', want: 'decode-first' },
  ])('$id: stage order $stageOrder', ({ stageOrder, want }) => {
    expect(disaggParams.parse({ stageOrder }).stageOrder).toBe(want);
  });

  test.each([
    { id: 'D22 nested', raw: { ...PREFILL_FIRST, ...PD }, isAccepted: false },
    { id: 'D22 flat', raw: { ...PREFILL_FIRST, deciderPluginName: 'pd' }, isAccepted: false },
    { id: 'D23', raw: { ...PREFILL_FIRST, ...EPD }, isAccepted: true },
    { id: 'another stage order', raw: { stageOrder: 'encode-first' }, isAccepted: false },
    { id: 'both forms', raw: { ...PD, decodeProfile: 'd' }, isAccepted: false },
    { id: 'flat with stage order', raw: { stageOrder: 'decode', decodeProfile: 'd' }, isAccepted: true },
    { id: 'unknown key', raw: { decode: 'd' }, isAccepted: false },
  ])('$id', ({ raw, isAccepted }) => {
    expect(disaggParams.safeParse(raw).success).toBe(isAccepted);
  });

  test('both forms say the same, and the longer of two old names wins', () => {
    const nested = disaggParams.parse({
      profiles: { decode: 'a', prefill: 'b', encode: 'c' },
      deciders: { prefill: 'p', encode: 'e' },
    });
    const flat = disaggParams.parse({
      decodeProfile: 'a',
      prefillProfile: 'b',
      encodeProfile: 'c',
      prefillDeciderPluginName: 'p',
      deciderPluginName: 'other',
      encodeDeciderPluginName: 'e',
    });
    const names = (settings: typeof nested) => [
      ...Object.values(settings.profiles).map(({ name }) => name),
      ...disaggReferences(settings).map(({ name, kind }) => `${kind} ${name}`),
    ];
    expect(names(flat)).toEqual(names(nested));
    expect(names(flat)).toEqual(['a', 'b', 'c', 'decider p', 'decider e']);
    const old = disaggParams.parse({ deciderPluginName: 'p' });
    expect(disaggReferences(old)).toEqual([{ name: 'p', path: ['deciderPluginName'], kind: 'decider' }]);
  });
});
