import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { expect, test } from 'vitest';
import { buildPipeline } from '../../src/config/build.ts';
import { effectiveConfiguration } from '../../src/config/effective.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { problemText } from '../../src/config/problems.ts';
import type { EndpointDiscovery } from '../../src/framework/discovery.ts';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';
import { ParserRegistry } from '../../src/request/path.ts';
import { context } from '../support/builders.ts';
import {
  DEFAULT,
  example,
  HEAD,
  load,
  PREFIX_PRODUCERS,
  picture,
  profile,
  USUAL,
} from '../support/configuration-picture.ts';

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
