import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildPipeline } from '../../src/config/build.ts';
import { effectiveConfiguration } from '../../src/config/effective.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { problemText } from '../../src/config/problems.ts';
import type { EndpointDiscovery } from '../../src/framework/discovery.ts';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';
import { ParserRegistry } from '../../src/request/path.ts';
import { context } from '../support/builders.ts';

const HEAD = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n';

function load(text: string) {
  return loadConfiguration(text, { catalogue: CATALOGUE });
}

function example(name: string): string {
  return readFileSync(`config/examples/${name}.yaml`, 'utf8');
}

/** Loads, builds, and shows what matters of the pipeline. */
function picture(text: string) {
  const { document, problems } = load(text);
  expect(problems.filter((problem) => problem.severity === 'error').map(problemText)).toEqual([]);
  if (document === undefined) throw new Error('not loaded');
  const { pipeline, problems: faults } = buildPipeline(document, (name) => context(name));
  expect(faults.map(problemText)).toEqual([]);
  if (pipeline === undefined) throw new Error('not built');
  return {
    warnings: problems.map((problem) => problem.code),
    profiles: pipeline.profiles.map((profile) => ({
      name: profile.name,
      filters: profile.filters.map((one) => one.name),
      scorers: Object.fromEntries(profile.scorers.map((one) => [one.name, one.weight])),
      picker: profile.picker.name,
    })),
    producers: pipeline.producers.map((one) => one.name),
    parsers: pipeline.parsers.map((one) => one.type),
    sources: pipeline.sources.map((one) => [one.source.type, ...one.extractors.map((entry) => entry.type)]),
    handler: pipeline.handler.type,
    detector: pipeline.saturationDetector.name,
    discovery: pipeline.discovery?.name,
  };
}

/** What every complete configuration has unless it says otherwise. */
const USUAL = {
  warnings: [] as string[],
  producers: [] as string[],
  parsers: ['openai-parser', 'anthropic-parser', 'vllmhttp-parser', 'passthrough-parser'],
  sources: [['metrics-data-source', 'core-metrics-extractor']],
  handler: 'single-profile-handler',
  detector: 'utilization-detector',
  discovery: undefined as string | undefined,
};

const PREFIX_PRODUCERS = ['token-producer', 'approx-prefix-cache-producer'];

const DEFAULT = {
  ...USUAL,
  profiles: [
    {
      name: 'default',
      filters: [],
      scorers: { 'queue-scorer': 2, 'kv-cache-utilization-scorer': 2, 'prefix-cache-scorer': 3 },
      picker: 'max-score-picker',
    },
  ],
  producers: PREFIX_PRODUCERS,
};

function profile(
  scorers: Record<string, number>,
  rest: { name?: string; filters?: string[]; picker?: string } = {},
) {
  return [{ name: 'default', filters: [], scorers, picker: 'max-score-picker', ...rest }];
}

const EXAMPLES: Record<string, unknown> = {
  default: DEFAULT,
  empty: { ...USUAL, warnings: ['no-scorer'], profiles: profile({}) },
  'openshift-ai': { ...DEFAULT, warnings: ['api-version-deprecated'] },
  'prefix-tuned': {
    ...USUAL,
    profiles: profile(
      { 'prefix-cache-scorer': 3, 'no-hit-lru-scorer': 2, 'queue-scorer': 1 },
      { picker: 'top' },
    ),
    producers: PREFIX_PRODUCERS,
  },
  'queue-only': { ...USUAL, profiles: profile({ 'queue-scorer': 1 }) },
  lora: {
    ...USUAL,
    profiles: profile({
      'lora-affinity-scorer': 4,
      'queue-scorer': 2,
      'kv-cache-utilization-scorer': 2,
      'running-requests-size-scorer': 1,
    }),
  },
  lmetric: {
    ...USUAL,
    profiles: profile({ 'lmetric-scorer': 1 }),
    producers: [...PREFIX_PRODUCERS, 'inflight-load-producer'],
  },
  'predicted-latency': {
    ...USUAL,
    warnings: ['ineffective-reference'],
    profiles: profile(
      { 'latency-scorer': 1 },
      { filters: ['strict', 'slo-headroom-tier-filter', 'loose'], picker: 'weighted-random-picker' },
    ),
    producers: [...PREFIX_PRODUCERS, 'inflight-load-producer', 'predicted-latency-producer'],
  },
  'session-affinity': {
    ...USUAL,
    warnings: ['experimental-type', 'experimental-type', 'experimental-type'],
    profiles: profile(
      { 'session-affinity-scorer': 10, 'load-aware-scorer': 1 },
      { name: 'decode', filters: ['cookie-pin'] },
    ),
  },
  'file-discovery': {
    ...USUAL,
    profiles: profile({ 'kv-cache-utilization-scorer': 1, 'queue-scorer': 1 }),
    discovery: 'endpoints',
  },
};

/** Warnings of examples that are not shown in full here. */
const WARNED: Readonly<Record<string, readonly string[]>> = {
  'data-parallel': ['deprecated-type'],
  'payload-agnostic': ['experimental-type'],
  random: ['no-scorer'],
  'random-passthrough': ['no-scorer'],
};

test.each(
  globSync('config/examples/*.yaml')
    .map((file) => basename(file, '.yaml'))
    .filter((name) => name !== 'endpoints' && !(name in EXAMPLES)),
)('example %s loads and builds', (name) => {
  const text = example(name);
  const isExperimental = text.includes('--allow-experimental-plugins');
  const { document, problems } = loadConfiguration(text, {
    catalogue: CATALOGUE,
    allowExperimental: isExperimental,
  });
  expect(problems.map(({ code }) => code)).toEqual(WARNED[name] ?? []);
  if (document === undefined) throw new Error('not loaded');
  const { pipeline, problems: faults } = buildPipeline(document, (plugin) => context(plugin));
  expect(faults.map(problemText)).toEqual([]);
  expect(pipeline?.profiles.map((one) => one.name)).toEqual(document.profiles.map((one) => one.name));
  if (isExperimental) {
    const refused = load(text).problems.filter(({ severity }) => severity === 'error');
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['experimental-type']));
  }
});

test.each(Object.keys(EXAMPLES))('example %s loads, builds, and is what it says', (name) => {
  expect(picture(example(name))).toEqual(EXAMPLES[name]);
});

test('the example of an endpoints file is one', async () => {
  const definition = CATALOGUE.find((one) => one.type === 'file-discovery');
  if (definition === undefined) throw new Error('file-discovery is not in the catalogue');
  const params: unknown = definition.params.parse({ path: 'config/examples/endpoints.yaml' });
  const discovery = definition.create(params, context()) as EndpointDiscovery; // its kind
  const found: string[] = [];
  await discovery.start(
    {
      replaceAll: (endpoints) =>
        found.push(...endpoints.map((one) => `${one.id} ${one.address}:${one.port}`)),
      replaceObjectives: () => {},
    },
    new AbortController().signal,
  );
  expect(found).toEqual(['inference/vllm-0 10.0.0.1:8000', 'inference/vllm-1 10.0.0.2:8000']);
});

/** `other-engines` of config.md, 9.8, with a certificate that is there. */
function otherEngines(caCertPath: string): string {
  return `${HEAD}plugins:
- type: metrics-data-source
  parameters: {scheme: https, port: 8443, insecureSkipVerify: false, caCertPath: '${caCertPath}', interval: 200ms}
- type: core-metrics-extractor
  parameters:
    defaultEngine: sglang
    engineConfigs:
    - name: my-engine
      queuedRequestsSpec: 'my_queue{stage="wait"}'
      kvUsageSpec: my_kv_ratio
      customMetrics:
      - {attributeKey: gpu_temp, metricSpec: my_gpu_temp}
- type: running-requests-size-scorer
- type: kv-cache-utilization-scorer
- type: sglanghttp-parser
- type: openai-parser
requestHandler:
  parsers:
  - pluginRef: openai-parser
  - pluginRef: sglanghttp-parser
  - pluginRef: passthrough-parser
dataLayer:
  sources:
  - pluginRef: metrics-data-source
    extractors:
    - pluginRef: core-metrics-extractor
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: running-requests-size-scorer
  - pluginRef: kv-cache-utilization-scorer
`;
}

test('other engines: loads, and reads what SGLang is asked', () => {
  const folder = mkdtempSync(join(tmpdir(), 'epp-test-engines-'));
  try {
    const caCertPath = join(folder, 'ca.pem');
    writeFileSync(caCertPath, rootCertificates[0] ?? '');
    const text = otherEngines(caCertPath);
    expect(picture(text)).toEqual({
      ...USUAL,
      profiles: profile({ 'running-requests-size-scorer': 1, 'kv-cache-utilization-scorer': 1 }),
      parsers: ['openai-parser', 'sglanghttp-parser', 'passthrough-parser'],
    });
    const { document } = load(text);
    const pipeline = document && buildPipeline(document, (name) => context(name)).pipeline;
    const registry = new ParserRegistry(pipeline?.parsers ?? [], context().log);
    const body = Buffer.from('{"input_ids":[1,2,3],"stream":true,"sampling_params":{"max_new_tokens":8}}');
    expect(registry.resolve('/generate')?.plugin.parse(body, '/generate')).toMatchObject({
      api: 'generate',
      tokenIds: [Uint32Array.of(1, 2, 3)],
      isStreaming: true,
      maxOutputTokens: 8,
    });
    expect(registry.resolve('/v1/chat/completions')?.type).toBe('openai-parser');
    expect(registry.resolve('/v1/models')?.type).toBe('passthrough-parser');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('parsers: a type without a plugins entry is one, a second of a type and those behind the fallback are left out', () => {
  const refs = ['vllmgrpc-parser', 'more', 'vertexai-parser', 'passthrough-parser', 'anthropic-parser'];
  const { document, problems } = load(
    `${HEAD}plugins: [{type: queue-scorer}, {type: vllmgrpc-parser, name: more}]\nrequestHandler: {parsers: [${refs.map((ref) => `{pluginRef: ${ref}}`).join(', ')}]}\n`,
  );
  expect(problems.map(({ code, severity }) => [severity, code])).toEqual([['warning', 'repeated-reference']]);
  if (document === undefined) throw new Error('not loaded');
  const { pipeline, problems: faults } = buildPipeline(document, (name) => context(name));
  expect(pipeline?.parsers.map(({ name }) => name)).toEqual([
    'vllmgrpc-parser',
    'vertexai-parser',
    'passthrough-parser',
  ]);
  expect(faults.map(({ severity }) => severity)).toEqual(['warning']);
});

test('no configuration is the default one', () => {
  expect(picture('')).toEqual(DEFAULT);
});

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

/** LINE:COLUMN, code and suggestion of every problem in each document. */
const BROKEN: Record<string, readonly (readonly [string, string, string?])[]> = {
  'broken-data': [
    ['7:34', 'missing-data', 'approx-prefix-cache-producer'],
    ['13:16', 'unknown-reference', 'metrics-data-source'],
    ['15:18', 'unknown-reference', 'core-metrics-extractor'],
    ['17:16', 'unknown-reference', 'file-discovery'],
    ['18:32', 'unavailable-feature'],
  ],
  'broken-duplicates': [
    ['5:9', 'duplicate-name'],
    ['9:5', 'duplicate-key'],
    ['11:9', 'profile-handler'],
    ['15:9', 'duplicate-name'],
    ['16:1', 'duplicate-key'],
  ],
  'broken-envelope': [
    ['1:13', 'api-version'],
    ['2:7', 'api-version'],
    ['3:1', 'unknown-key'],
    ['7:1', 'unknown-key', 'schedulingProfiles'],
  ],
  'broken-gates': [
    ['4:3', 'unknown-gate', 'flowControl'],
    ['5:3', 'unknown-gate'],
    ['6:3', 'unavailable-feature'],
    ['7:3', 'removed-gate'],
  ],
  'broken-parameters': [
    ['6:5', 'unknown-key', 'queueDepthThreshold'],
    ['7:27', 'invalid-value'],
    ['8:32', 'invalid-value'],
    ['11:16', 'invalid-value'],
    ['13:15', 'invalid-value'],
    ['16:11', 'invalid-value'],
    ['17:5', 'unknown-key', 'scheme'],
  ],
  'broken-profiles': [
    ['4:3', 'profile-handler'],
    ['12:5', 'unknown-key', 'weight'],
    ['14:16', 'second-picker'],
    ['15:3', 'invalid-value'],
  ],
  'broken-references': [
    ['6:3', 'unused-plugin'],
    ['10:16', 'unknown-reference', 'shortest-queue'],
    ['11:16', 'unknown-reference', 'kv-cache-utilization-scorer'],
    ['12:5', 'invalid-value'],
    ['12:5', 'unknown-key', 'pluginRef'],
    ['13:16', 'invalid-value'],
    ['17:16', 'unknown-reference', 'openai-parser'],
    ['18:16', 'wrong-kind'],
  ],
  'broken-types': [
    ['4:9', 'unknown-type', 'queue-scorer'],
    ['5:9', 'unknown-type', 'kv-cache-utilization-scorer'],
    ['6:9', 'unknown-type', 'max-score-picker'],
    ['7:9', 'unavailable-type'],
    ['8:3', 'invalid-value'],
    ['9:9', 'unknown-type', 'queue-scorer'],
  ],
  'broken-values': [
    ['5:9', 'yaml-boolean'],
    ['5:9', 'invalid-value'],
    ['10:13', 'invalid-value'],
    ['11:1', 'ineffective-section'],
    ['12:13', 'invalid-value'],
    ['13:22', 'invalid-value'],
    ['14:19', 'invalid-value'],
    ['16:19', 'invalid-value'],
  ],
  'broken-yaml': [['6:1', 'yaml-syntax']],
};

test.each(Object.keys(BROKEN))('%s: every mistake, with its place and what was meant', (name) => {
  const { document, problems } = load(readFileSync(`test/fixtures/configs/${name}.yaml`, 'utf8'));
  expect(document).toBeUndefined();
  const found = problems.map(({ line, column, code, suggestion }) =>
    suggestion === undefined ? [`${line}:${column}`, code] : [`${line}:${column}`, code, suggestion],
  );
  expect(found).toEqual(BROKEN[name]);
  for (const { message, suggestion } of problems) {
    if (suggestion !== undefined) expect(message).toContain(`did you mean '${suggestion}'?`);
  }
});

test('every broken document is listed', () => {
  const files = globSync('test/fixtures/configs/broken-*.yaml').map((file) => basename(file, '.yaml'));
  expect(files.toSorted()).toEqual(Object.keys(BROKEN).toSorted());
});

test('loading twice gives the same effective configuration, and loading that gives it again', () => {
  for (const name of Object.keys(EXAMPLES)) {
    const texts = [1, 2].map(() => {
      const { document } = load(example(name));
      return document === undefined ? '' : effectiveConfiguration(document);
    });
    expect(texts[0]).toBe(texts[1]);
    const again = load(texts[0] ?? '').document;
    const comments = /^\s*# added: .*\n/gm;
    expect(again === undefined ? '' : effectiveConfiguration(again).replace(comments, '')).toBe(
      (texts[0] ?? '').replace(comments, ''),
    );
  }
});

/** Parameters of any plugin, right or wrong. */
const anyPlugin = fc.record({
  type: fc.constantFrom(...CATALOGUE.map((definition) => definition.type)),
  parameters: fc.dictionary(
    fc.constantFrom(
      'threshold',
      'maxNumOfEndpoints',
      'interval',
      'path',
      'strategy',
      'blockSize',
      'label',
      '__proto__',
    ),
    fc.jsonValue({ maxDepth: 2 }),
  ),
});

test('any parameters of any plugin give problems or a configuration', () => {
  fc.assert(
    fc.property(fc.uniqueArray(anyPlugin, { maxLength: 5, selector: ({ type }) => type }), (plugins) => {
      const { document, problems } = load(JSON.stringify({ plugins }));
      expect(document === undefined).toBe(problems.some((problem) => problem.severity === 'error'));
    }),
  );
});
