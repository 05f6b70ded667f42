import { describe, expect, test } from 'vitest';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { loadConfiguration } from './load.ts';

const PROFILES = 'schedulingProfiles: [{name: prefill}, {name: decode}]';

function load(plugins: string, profiles = PROFILES) {
  return loadConfiguration(`plugins: [${plugins}]\n${profiles}\n`, { catalogue: CATALOGUE });
}

/** Parameters of the plugin of that name; undefined when it is not there. */
function paramsOf(plugins: string, name: string): unknown {
  return load(plugins).document?.plugins.find((entry) => entry.name === name)?.params;
}

/** Codes of problems but for those of the short document itself. */
function codes(plugins: string, profiles?: string): readonly string[] {
  return load(plugins, profiles)
    .problems.filter(({ code }) => !['api-version-missing', 'no-scorer'].includes(code))
    .map(({ severity, code, path }) => `${severity} ${code} ${path}`);
}

const OLD = '{type: prefill-header-handler}, {type: pd-profile-handler';
const WARNED = ['warning deprecated-type plugins[0].type', 'warning deprecated-type plugins[1].type'];

describe('pd-profile-handler of old', () => {
  test.each([
    {
      name: 'a threshold is characters',
      plugins: `${OLD}, parameters: {threshold: 1001, hashBlockSize: 64}}`,
      want: 251,
      more: [
        'warning deprecated-form plugins[1].parameters.threshold',
        'warning deprecated-form plugins[1].parameters.hashBlockSize',
      ],
    },
    {
      name: 'it goes to the listed decider',
      plugins: `${OLD}, parameters: {threshold: 1000}}, {type: prefix-based-pd-decider}`,
      want: 250,
      more: ['warning deprecated-form plugins[1].parameters.threshold'],
    },
    {
      name: 'unless that has parameters',
      plugins: `${OLD}, parameters: {threshold: 1000}}, {type: prefix-based-pd-decider, parameters: {nonCachedTokens: 7}}`,
      want: 7,
      more: ['warning deprecated-form plugins[1].parameters.threshold'],
    },
    {
      name: 'no decider',
      plugins: `${OLD}}`,
      want: 0,
      more: ['warning no-disaggregation plugins[1]'],
    },
    {
      name: 'a threshold of null',
      plugins: `${OLD}, parameters: {threshold: null}}`,
      want: 0,
      more: ['warning no-disaggregation plugins[1]'],
    },
    {
      name: 'hashBlockSize alone',
      plugins: `${OLD}, parameters: {hashBlockSize: 5}}, {type: prefix-based-pd-decider, parameters: {nonCachedTokens: 7}}`,
      want: 7,
      more: ['warning deprecated-form plugins[1].parameters.hashBlockSize'],
    },
  ])('$name', ({ plugins, want, more }) => {
    expect(codes(plugins).toSorted()).toEqual([...WARNED, ...more].toSorted());
    expect(paramsOf(plugins, 'prefix-based-pd-decider')).toMatchObject({ nonCachedTokens: want });
    expect(paramsOf(plugins, 'pd-profile-handler')).toMatchObject({
      deciderPluginName: 'prefix-based-pd-decider',
    });
  });

  test('the decider that it names gets the threshold, or wins when it is of another type', () => {
    const named = `${OLD}, parameters: {threshold: 100, deciderPluginName: mine}}`;
    expect(paramsOf(named, 'mine')).toMatchObject({ nonCachedTokens: 25 });
    const other = `${named}, {type: always-disagg-pd-decider, name: mine}`;
    expect(load(other).problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(paramsOf(other, 'mine')).toEqual({});
  });

  test('a threshold that is none is reported', () => {
    expect(codes(`${OLD}, parameters: {threshold: much}}`)).toContain(
      'error invalid-value plugins[1].parameters.nonCachedTokens',
    );
  });

  test('nobody who writes the headers is said', () => {
    const decider = '{type: prefix-based-pd-decider, parameters: {nonCachedTokens: 7}}';
    expect(codes(`{type: pd-profile-handler}, ${decider}`)).toEqual([
      'warning no-disaggregation plugins[0]',
      'warning deprecated-type plugins[0].type',
    ]);
    expect(codes(`{type: pd-profile-handler}, {type: disagg-headers-handler}, ${decider}`)).toEqual([
      'warning deprecated-type plugins[0].type',
      'warning deprecated-type plugins[1].type',
    ]);
  });

  test.each([
    { name: 'an empty decider', parameters: 'deciderPluginName: ""', want: 'invalid-value' },
    { name: 'an unknown decider', parameters: 'deciderPluginName: mine', want: 'unknown-reference' },
    { name: 'a scorer as decider', parameters: 'deciderPluginName: queue-scorer', want: 'wrong-kind' },
    {
      name: 'an unknown plugin that is not used',
      parameters: 'prefixPluginName: mine',
      want: 'unknown-reference',
    },
  ])('$name is refused', ({ parameters, want }) => {
    const { document, problems } = load(`${OLD}, parameters: {${parameters}}}`);
    expect(document).toBeUndefined();
    expect(problems.filter(({ severity }) => severity === 'error').map(({ code }) => code)).toEqual([want]);
  });

  test('any listed plugin may be named as the one that is not used', () => {
    const plugins = `${OLD}, parameters: {prefixPluginName: q}}, {type: queue-scorer, name: q}`;
    expect(codes(plugins)).toContain('warning deprecated-form plugins[1].parameters.prefixPluginName');
    expect(load(plugins).document).toBeDefined();
  });
});

describe('profiles that a handler needs', () => {
  const one = 'schedulingProfiles: [{name: decode}]';
  const two = 'schedulingProfiles: [{name: decode}, {name: other}]';
  const DECIDER = '{type: always-disagg-pd-decider}';
  test.each([
    { name: 'all there', plugins: '{type: disagg-profile-handler}', want: [] },
    {
      name: 'decode is not there',
      plugins: '{type: disagg-profile-handler, parameters: {profiles: {decode: decoder}}}',
      want: ['error unknown-profile plugins[0].parameters.profiles.decode'],
    },
    {
      name: 'the default decode is not there',
      plugins: '{type: disagg-profile-handler}',
      profiles: 'schedulingProfiles: [{name: default}]',
      want: ['error unknown-profile plugins[0].parameters.profiles.decode'],
    },
    { name: 'no decider wants prefill', plugins: '{type: disagg-profile-handler}', profiles: one, want: [] },
    {
      name: 'a decider wants prefill, which is not there',
      plugins: `{type: disagg-profile-handler, parameters: {deciders: {prefill: always-disagg-pd-decider}}}, ${DECIDER}`,
      profiles: one,
      want: ['warning unknown-profile plugins[0].parameters.profiles.prefill'],
    },
    {
      name: 'prefill-first without prefill',
      plugins: '{type: disagg-profile-handler, parameters: {stageOrder: prefill-first}}',
      profiles: one,
      want: ['warning unknown-profile plugins[0].parameters.profiles.prefill'],
    },
    {
      name: 'a decider wants encode, which is not there',
      plugins: `{type: disagg-profile-handler, parameters: {encodeDeciderPluginName: always-disagg-pd-decider}}, ${DECIDER}`,
      profiles: one,
      want: [
        'warning deprecated-form plugins[0].parameters.encodeDeciderPluginName',
        'warning unknown-profile plugins[0].parameters.encodeProfile',
      ],
    },
    {
      name: 'a data-parallel handler with two profiles',
      plugins: '{type: data-parallel-profile-handler}',
      profiles: two,
      want: ['warning deprecated-type plugins[0].type', 'error profile-handler plugins[0]'],
    },
    {
      name: 'a session bound by a profile that is not there',
      plugins:
        '{type: disagg-profile-handler}, {type: session-affinity-scorer, parameters: {profileName: decoder}}',
      profiles: 'schedulingProfiles: [{name: decode, plugins: [{pluginRef: session-affinity-scorer}]}]',
      want: [
        'warning experimental-type plugins[1].type',
        'warning unknown-profile plugins[1].parameters.profileName',
      ],
    },
  ])('$name', ({ plugins, profiles, want }) => {
    expect(codes(plugins, profiles).toSorted()).toEqual([...want].toSorted());
  });

  test.each([
    { name: 'missing among several', profiles: two, parameters: 'defaultProfile: decoder', want: 1 },
    { name: 'missing where there is one', profiles: one, parameters: 'defaultProfile: decoder', want: 0 },
    { name: 'there', profiles: two, parameters: 'defaultProfile: " other "', want: 0 },
  ])('the default of header-profile-handler: $name', ({ profiles, parameters, want }) => {
    const { problems } = loadConfiguration(
      `plugins: [{type: header-profile-handler, parameters: {${parameters}}}]\n${profiles}\n`,
      { catalogue: CATALOGUE, allowExperimental: true },
    );
    expect(problems.filter(({ code }) => code === 'unknown-profile')).toHaveLength(want);
  });

  test('old and new names together are refused, as is a prefill decider in prefill-first order', () => {
    for (const parameters of [
      'deciders: {}, decodeProfile: decode',
      'stageOrder: prefill-first, deciderPluginName: always-disagg-pd-decider',
      'stageOrder: sideways',
    ]) {
      const { document, problems } = load(
        `{type: disagg-profile-handler, parameters: {${parameters}}}, ${DECIDER}`,
      );
      expect(document).toBeUndefined();
      const [error] = problems.filter(({ severity }) => severity === 'error');
      expect(error?.path).toMatch(/^plugins\[0\]\.parameters/);
    }
  });
});
