import { describe, expect, test } from 'vitest';
import { HEAD, load, PREFIX_PRODUCERS, picture, profile, USUAL } from '../support/configuration-picture.ts';

/** Two stages, as the reference's documents have them; `more` plugins come first. */
function pdDocument(more: string, profiles = ''): string {
  const members = (filter: string) =>
    `  plugins: [{pluginRef: ${filter}}, {pluginRef: queue-scorer, weight: 1}, {pluginRef: prefix-cache-scorer, weight: 2}]\n`;
  return `${HEAD}plugins:\n${more}- type: prefill-filter\n- type: decode-filter\n- type: prefix-cache-scorer\n- type: queue-scorer\n- type: max-score-picker\nschedulingProfiles:\n- name: prefill\n${members('prefill-filter')}- name: decode\n${members('decode-filter')}${profiles}`;
}

const PD_DECIDER =
  '- {name: pd-decider, type: prefix-based-pd-decider, parameters: {nonCachedTokens: 256, promptTokens: 512}}\n';

const PD = {
  ...USUAL,
  profiles: ['prefill', 'decode'].flatMap((name) =>
    profile({ 'queue-scorer': 1, 'prefix-cache-scorer': 2 }, { name, filters: [`${name}-filter`] }),
  ),
  producers: PREFIX_PRODUCERS,
  handler: 'disagg-profile-handler',
};

describe('documents of disaggregation', () => {
  test.each([
    {
      name: 'prefill and decode',
      text: pdDocument(
        `- {type: disagg-profile-handler, parameters: {deciders: {prefill: pd-decider}}}\n${PD_DECIDER}`,
      ),
      want: PD,
    },
    {
      name: 'prefill and decode, in the old spelling',
      text: pdDocument(
        `- type: prefill-header-handler\n- type: pd-profile-handler\n  parameters: {deciderPluginName: pd-decider, decodeProfile: decode, prefillProfile: prefill}\n${PD_DECIDER}`,
      ),
      want: { ...PD, warnings: ['deprecated-type', 'deprecated-type'], handler: 'pd-profile-handler' },
    },
    {
      name: 'encode, prefill and decode',
      text: pdDocument(
        `- type: disagg-profile-handler\n  parameters: {deciders: {prefill: pd-decider, encode: always-disagg-multimodal-decider}}\n${PD_DECIDER}- type: always-disagg-multimodal-decider\n- type: encode-filter\n`,
        '- name: encode\n  plugins: [{pluginRef: encode-filter}]\n',
      ),
      want: {
        ...PD,
        profiles: [...PD.profiles, ...profile({}, { name: 'encode', filters: ['encode-filter'] })],
      },
    },
    {
      name: 'the handler with flat parameters',
      text: pdDocument(
        `- type: disagg-profile-handler\n  parameters: {deciderPluginName: pd-decider, decodeProfile: decode}\n${PD_DECIDER}`,
      ),
      want: { ...PD, warnings: ['deprecated-form', 'deprecated-form'] },
    },
    {
      name: 'the handler of old with its threshold in characters',
      text: pdDocument(
        '- type: prefill-header-handler\n- type: pd-profile-handler\n  parameters: {threshold: 1000, hashBlockSize: 5}\n',
      ),
      want: {
        ...PD,
        warnings: ['deprecated-type', 'deprecated-type', 'deprecated-form', 'deprecated-form'],
        handler: 'pd-profile-handler',
      },
    },
  ])('load: $name', ({ text, want }) => {
    expect(picture(text)).toEqual(want);
  });
});

describe('documents of earlier releases', () => {
  test.each([
    {
      name: 'saturationDetector and parser at the top level',
      text: `${HEAD}plugins: [{type: queue-scorer}]\nsaturationDetector: {pluginRef: utilization-detector}\nparser: {pluginRef: openai-parser}\n`,
      want: {
        ...USUAL,
        warnings: ['deprecated-form', 'deprecated-form'],
        profiles: profile({ 'queue-scorer': 1 }),
        parsers: ['openai-parser'],
      },
    },
    {
      name: 'detector thresholds in place',
      text: `${HEAD}plugins: [{type: queue-scorer}]\nsaturationDetector: {queueDepthThreshold: 10, kvCacheUtilThreshold: 0.9, metricsStalenessThreshold: 300ms}\n`,
      want: {
        ...USUAL,
        warnings: ['deprecated-form'],
        profiles: profile({ 'queue-scorer': 1 }),
      },
    },
    {
      name: 'by-label and by-label-selector',
      text: `${HEAD}plugins:\n- {type: by-label, parameters: {label: role, validValues: [decode], allowsNoLabel: true}}\n- {type: by-label-selector, parameters: {matchLabels: {zone: a}}}\n- type: queue-scorer\nschedulingProfiles:\n- name: default\n  plugins: [{pluginRef: by-label}, {pluginRef: by-label-selector}, {pluginRef: queue-scorer}]\n`,
      want: {
        ...USUAL,
        warnings: ['deprecated-type', 'deprecated-type'],
        profiles: profile({ 'queue-scorer': 1 }, { filters: ['by-label', 'label-selector-filter'] }),
      },
    },
    {
      name: 'prefix-cache-scorer with the parameters of its producer, as OpenShift AI tests have it',
      text: 'apiVersion: inference.networking.x-k8s.io/v1alpha1\nkind: EndpointPickerConfig\nplugins:\n- type: prefix-cache-scorer\n  parameters: {blockSize: 5, maxPrefixBlocksToMatch: 256, lruCapacityPerServer: 31250}\nschedulingProfiles:\n- name: default\n  plugins: [{pluginRef: prefix-cache-scorer, weight: 5.0}]\n',
      want: {
        ...USUAL,
        warnings: ['api-version-deprecated', 'deprecated-form'],
        profiles: profile({ 'prefix-cache-scorer': 5 }),
        producers: PREFIX_PRODUCERS,
      },
    },
    {
      name: 'prefix-cache-scorer with hashBlockSize',
      text: `${HEAD}plugins: [{type: prefix-cache-scorer, parameters: {hashBlockSize: 64, autoTune: false}}]`,
      want: {
        ...USUAL,
        warnings: ['deprecated-form'],
        profiles: profile({ 'prefix-cache-scorer': 1 }),
        producers: PREFIX_PRODUCERS,
      },
    },
    {
      name: 'tokenizer for token-producer',
      text: `${HEAD}plugins: [{type: tokenizer}, {type: prefix-cache-scorer}]`,
      want: {
        ...USUAL,
        warnings: ['deprecated-type'],
        profiles: profile({ 'prefix-cache-scorer': 1 }),
        producers: PREFIX_PRODUCERS,
      },
    },
    {
      name: 'session affinity with headerName',
      text: `${HEAD}plugins: [{type: session-affinity-scorer, parameters: {headerName: x-my-session}}]`,
      want: {
        ...USUAL,
        warnings: ['experimental-type', 'deprecated-form'],
        profiles: profile({ 'session-affinity-scorer': 1 }),
      },
    },
    {
      name: 'removed feature gates',
      text: `${HEAD}featureGates: [dataLayer, enableLegacyMetrics, prepareDataPlugins]\nplugins: [{type: queue-scorer}]\n`,
      want: {
        ...USUAL,
        warnings: ['removed-gate', 'removed-gate', 'removed-gate'],
        profiles: profile({ 'queue-scorer': 1 }),
      },
    },
    {
      name: 'the payload-agnostic document of the charts, without the flag for experimental plugins',
      text: `${HEAD}plugins: [{type: passthrough-parser}, {type: active-request-scorer}, {type: session-affinity-scorer}]\nrequestHandler: {parsers: [{pluginRef: passthrough-parser}]}\n`,
      want: {
        ...USUAL,
        warnings: ['experimental-type'],
        profiles: profile({ 'active-request-scorer': 1, 'session-affinity-scorer': 1 }),
        parsers: ['passthrough-parser'],
        producers: ['token-producer', 'inflight-load-producer'],
      },
    },
  ])('load: $name', ({ text, want }) => {
    expect(picture(text)).toEqual(want);
  });

  test('types of earlier projects are refused with the current name', () => {
    const types = ['prefix-cache', 'max-score', 'single-profile', 'kv-cache-scorer'];
    const { document, problems } = load(
      `${HEAD}plugins: [${types.map((type) => `{type: ${type}}`).join(', ')}]`,
    );
    expect(document).toBeUndefined();
    expect(problems.map((problem) => [problem.code, problem.suggestion])).toEqual([
      ['unknown-type', 'prefix-cache-scorer'],
      ['unknown-type', 'max-score-picker'],
      ['unknown-type', 'single-profile-handler'],
      ['unknown-type', 'kv-cache-utilization-scorer'],
    ]);
  });
});
