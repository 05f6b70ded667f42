import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, endpoint } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { PageError } from '../../util/prometheus-text.ts';
import { customMetricKey } from '../attributes/metrics.ts';
import { coreMetricsExtractor } from './core-metrics-extractor.ts';

function extractor(parameters: object = {}, plugin = context()) {
  return coreMetricsExtractor.create(coreMetricsExtractor.params.parse(parameters), plugin);
}

/** An endpoint that was never scraped. */
function unknown(labels: Record<string, string> = {}): Endpoint {
  return endpoint({ labels, updatedAtMs: Number.NEGATIVE_INFINITY });
}

function page(text: string): Buffer {
  return Buffer.from(text);
}

/** One request waits at each of so many engines. */
function engines(count: number): string {
  let text = '';
  for (let i = 0; i < count; i += 1) text += `vllm:num_requests_waiting{engine="${i}"} 1\n`;
  return text;
}

function fixture(name: string): Buffer {
  return readFileSync(new URL(`../../../test/fixtures/${name}`, import.meta.url));
}

/** The snapshot after one page, with plain arrays for the sets. */
function snapshot(of: Endpoint) {
  const { activeModels, waitingModels, updatedAtMs, ...numbers } = of.scraped;
  return { ...numbers, active: [...activeModels], waiting: [...waitingModels] };
}

const NOTHING = {
  runningRequestsSize: 0,
  waitingQueueSize: 0,
  kvCacheUsage: 0,
  maxActiveModels: 0,
  cacheBlockSize: 0,
  cacheNumBlocks: 0,
  active: [] as string[],
  waiting: [] as string[],
};

const VLLM_LORA = `# HELP vllm:num_requests_running Requests currently executing.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="Qwen/Qwen3-32B"} 7.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="Qwen/Qwen3-32B"} 3.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="Qwen/Qwen3-32B"} 0.4375
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="Qwen/Qwen3-32B"} 1.81274e+06
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="Qwen/Qwen3-32B"} 55.0
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="16",cache_dtype="auto",engine="0",num_cpu_blocks="None",num_gpu_blocks="27648",sliding_window="None"} 1.0
# TYPE vllm:lora_requests_info gauge
vllm:lora_requests_info{max_lora="4",running_lora_adapters="sql,chat",waiting_lora_adapters=""} 1.7880000005e+09
vllm:lora_requests_info{max_lora="4",running_lora_adapters="chat",waiting_lora_adapters="legal, tax"} 1.7880000010e+09
`;

const TWO_ENGINES = `# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 2.0
vllm:num_requests_waiting{engine="1",model_name="m"} 5.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
`;

const TWO_ENGINES_LORA = `vllm:lora_requests_info{engine="0",max_lora="2",running_lora_adapters="old"} 10
vllm:lora_requests_info{engine="0",max_lora="2",running_lora_adapters="chat",waiting_lora_adapters="sql"} 20
vllm:lora_requests_info{engine="1",max_lora="4",running_lora_adapters="sql,chat",waiting_lora_adapters="tax"} 30
`;

const EDGES = `vllm:num_requests_waiting{model_name="no type line"} 4
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="esc \\"q\\" \\\\ \\n, } x"} NaN
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{model_name="ts"} 0.1 1788000000000
vllm:kv_cache_usage_perc{model_name="ts2"} 0.9 1788000005000
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="",num_gpu_blocks="None"} 1.0
`;

const SGLANG = `sglang:num_running_reqs{model_name="m",tp_rank="0"} 12.0
sglang:num_queue_reqs{model_name="m",tp_rank="0"} 1.0
sglang:token_usage{model_name="m",tp_rank="0"} 0.33
sglang:cache_config_info{num_pages="9000",page_size="64"} 1.0
`;

const TRTLLM = `trtllm_num_requests_waiting 2
trtllm_num_requests_running 8
trtllm_kv_cache_utilization 0.71
trtllm_kv_cache_tokens_per_block 32
trtllm_kv_cache_max_blocks 4096
`;

const TRITON = `nv_trt_llm_request_metrics{model="ens",request_type="waiting",version="1"} 1
nv_trt_llm_request_metrics{model="ens",request_type="scheduled",version="1"} 6
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction",model="ens",version="1"} 0.5
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="tokens_per",model="ens",version="1"} 64
nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="max",model="ens",version="1"} 2048
nv_inference_pending_request_count{model="ens"} 3
nv_inference_exec_count{model="ens"} 90000
`;

const ENGINE = 'llm-d.ai/engine-type';

describe('one page', () => {
  test.each([
    {
      name: 'vLLM with LoRA',
      text: VLLM_LORA,
      want: {
        waitingQueueSize: 3,
        runningRequestsSize: 7,
        kvCacheUsage: 0.4375,
        active: ['chat'],
        waiting: ['legal', 'tax'],
        maxActiveModels: 4,
        cacheBlockSize: 16,
        cacheNumBlocks: 27648,
      },
    },
    { name: 'two engines', text: TWO_ENGINES, want: { waitingQueueSize: 7, kvCacheUsage: 0.5 } },
    {
      name: 'two engines, first only',
      text: TWO_ENGINES,
      parameters: { aggregation: 'first' },
      want: { waitingQueueSize: 2, kvCacheUsage: 0.25 },
    },
    {
      name: 'the adapters of two engines, the newest series of each',
      text: TWO_ENGINES + TWO_ENGINES_LORA,
      want: {
        waitingQueueSize: 7,
        kvCacheUsage: 0.5,
        active: ['chat', 'sql'],
        waiting: ['sql', 'tax'],
        maxActiveModels: 6,
      },
    },
    {
      name: 'the adapters of two engines, first only',
      text: TWO_ENGINES_LORA,
      parameters: {
        aggregation: 'first',
        defaultEngine: 'a',
        engineConfigs: [
          { name: 'a', queuedRequestsSpec: 'vllm:lora_requests_info', loraSpec: 'vllm:lora_requests_info' },
        ],
      },
      want: { waitingQueueSize: 10, active: ['sql', 'chat'], waiting: ['tax'], maxActiveModels: 4 },
    },
    {
      name: 'a label name that is empty is the default one',
      text: 'q 1\nc{block_size="16",num_gpu_blocks="9"} 1\n',
      parameters: {
        defaultEngine: 'a',
        engineConfigs: [
          {
            name: 'a',
            queuedRequestsSpec: 'q',
            cacheInfoSpec: 'c',
            cacheBlockSizeLabelName: '',
            cacheNumBlocksLabelName: '',
          },
        ],
      },
      want: { waitingQueueSize: 1, cacheBlockSize: 16, cacheNumBlocks: 9 },
    },
    { name: 'edge cases', text: EDGES, want: { waitingQueueSize: 4, kvCacheUsage: 0.9 } },
    {
      name: 'vLLM up to 0.9',
      text: 'vllm:gpu_cache_usage_perc 0.3\nvllm:num_requests_waiting 1\n',
      want: { waitingQueueSize: 1, kvCacheUsage: 0.3 },
    },
    {
      name: 'both names of KV use',
      text: 'vllm:gpu_cache_usage_perc 0.3\nvllm:kv_cache_usage_perc 0.4\n',
      want: { kvCacheUsage: 0.4 },
    },
    {
      name: 'SGLang',
      text: SGLANG,
      labels: { [ENGINE]: 'sglang' },
      want: {
        waitingQueueSize: 1,
        runningRequestsSize: 12,
        kvCacheUsage: 0.33,
        cacheBlockSize: 64,
        cacheNumBlocks: 9000,
      },
    },
    {
      name: 'SGLang with two data-parallel ranks',
      text: 'sglang:num_queue_reqs{dp_rank="0",tp_rank="0"} 1\nsglang:num_queue_reqs{dp_rank="1",tp_rank="1"} 2\n',
      labels: { [ENGINE]: 'sglang' },
      want: { waitingQueueSize: 3 },
    },
    {
      name: 'TensorRT-LLM',
      text: TRTLLM,
      labels: { [ENGINE]: 'trtllm-serve' },
      want: {
        waitingQueueSize: 2,
        runningRequestsSize: 8,
        kvCacheUsage: 0.71,
        cacheBlockSize: 32,
        cacheNumBlocks: 4096,
      },
    },
    {
      name: 'Triton with TensorRT-LLM',
      text: TRITON,
      labels: { [ENGINE]: 'triton-tensorrt-llm' },
      want: {
        waitingQueueSize: 1,
        runningRequestsSize: 6,
        kvCacheUsage: 0.5,
        cacheBlockSize: 64,
        cacheNumBlocks: 2048,
      },
    },
    {
      name: 'Triton: its ever-growing counter is not the running requests',
      text: TRITON,
      labels: { [ENGINE]: 'triton' },
      want: { waitingQueueSize: 3 },
    },
    {
      name: 'Text Generation Inference',
      text: 'tgi_queue_size 4\ntgi_batch_current_size 9\n',
      labels: { [ENGINE]: 'tgi' },
      want: { waitingQueueSize: 4, runningRequestsSize: 9 },
    },
    {
      name: 'the legacy engine label',
      text: SGLANG,
      labels: { 'inference.networking.k8s.io/engine-type': 'sglang', [ENGINE]: '' },
      want: {
        waitingQueueSize: 1,
        runningRequestsSize: 12,
        kvCacheUsage: 0.33,
        cacheBlockSize: 64,
        cacheNumBlocks: 9000,
      },
    },
    {
      name: 'another engine label',
      text: 'tgi_queue_size 4\n',
      labels: { engine: 'tgi', [ENGINE]: 'sglang' },
      parameters: { engineLabelKey: 'engine' },
      want: { waitingQueueSize: 4 },
    },
    {
      name: 'an unknown engine is the default one',
      text: 'tgi_queue_size 4\n',
      labels: { [ENGINE]: 'nobody' },
      parameters: { defaultEngine: 'tgi' },
      want: { waitingQueueSize: 4 },
    },
    {
      name: 'a redefined engine has only what it names',
      text: VLLM_LORA,
      parameters: { engineConfigs: [{ name: 'vllm', queuedRequestsSpec: 'vllm:num_requests_running' }] },
      want: { waitingQueueSize: 7 },
    },
    {
      name: 'labels choose the series',
      text: 'q{kind="a"} 1\nq{kind="b",x="y"} 2\n',
      parameters: {
        defaultEngine: 'mine',
        engineConfigs: [
          { name: 'mine', queuedRequestsSpec: 'q{kind=b}', runningRequestsSpec: 'q{kind="a"}' },
        ],
      },
      want: { waitingQueueSize: 2, runningRequestsSize: 1 },
    },
    {
      name: 'counts are truncated and never negative',
      text: 'vllm:num_requests_waiting 2.9\nvllm:num_requests_running -3\nvllm:kv_cache_usage_perc 1.5\n',
      want: { waitingQueueSize: 2, kvCacheUsage: 1.5 },
    },
  ])('$name', ({ text, want, labels, parameters }) => {
    const one = unknown(labels);
    expect(extractor(parameters).extract(page(text), one, 500)).toBe(true);
    expect(snapshot(one)).toEqual({ ...NOTHING, ...want });
    expect(one.scraped.updatedAtMs).toBe(500);
  });

  test.each([
    { file: 'vllm-0.32.0/metrics-idle.txt', want: {} },
    {
      file: 'vllm-0.32.0/metrics-busy.txt',
      want: {
        runningRequestsSize: 4,
        waitingQueueSize: 10,
        kvCacheUsage: 0.006837606837606813,
        active: ['food-review', 'sql'],
        waiting: ['food-review', 'sql'],
        maxActiveModels: 2,
      },
    },
    {
      file: 'vllm-0.32.0/metrics-busy-2.txt',
      want: {
        runningRequestsSize: 4,
        waitingQueueSize: 10,
        kvCacheUsage: 0.007814407814407787,
        active: ['food-review', 'sql'],
        waiting: ['food-review', 'sql'],
        maxActiveModels: 2,
      },
    },
    { file: 'vllm-0.32.0/metrics-after.txt', want: { maxActiveModels: 2 } },
  ])('captured page $file', ({ file, want }) => {
    const one = unknown();
    expect(extractor().extract(fixture(file), one, 500)).toBe(true);
    expect(snapshot(one)).toEqual({ ...NOTHING, cacheBlockSize: 128, cacheNumBlocks: 4096, ...want });
  });

  test.each([
    {
      aggregation: 'auto',
      want: { runningRequestsSize: 4, waitingQueueSize: 12, kvCacheUsage: 0.9230769230769231 },
    },
    {
      aggregation: 'first',
      want: { runningRequestsSize: 2, waitingQueueSize: 6, kvCacheUsage: 0.9230769230769231 },
    },
  ])(
    'captured page of two engines, $aggregation: both show the 80 blocks of both',
    ({ aggregation, want }) => {
      const one = unknown();
      extractor({ aggregation }).extract(fixture('vllm-0.32.0-dp2/metrics-busy.txt'), one, 500);
      expect(snapshot(one)).toEqual({ ...NOTHING, cacheBlockSize: 32, cacheNumBlocks: 80, ...want });
    },
  );
});

describe('over time', () => {
  test('values that a page lacks keep their last value, and are named once', () => {
    const plugin = context();
    const one = unknown();
    const subject = extractor({}, plugin);
    subject.extract(page(VLLM_LORA), one, 1);
    const without = page('vllm:num_requests_waiting 9\nvllm:kv_cache_usage_perc NaN\n');
    expect(subject.extract(without, one, 2)).toBe(true);
    subject.extract(without, one, 3);
    expect(one.scraped).toMatchObject({
      waitingQueueSize: 9,
      runningRequestsSize: 7,
      kvCacheUsage: 0.4375,
      updatedAtMs: 3,
    });
    expect([...one.scraped.activeModels]).toEqual(['chat']);
    expect(plugin.log.lines).toEqual([
      {
        level: 'warn',
        fields: { endpoint: one.id, engine: 'vllm', missing: 'running requests, KV-cache use' },
        message: 'metrics page lacks metrics of its engine',
      },
    ]);
    subject.extract(page(VLLM_LORA), one, 4);
    expect(plugin.log.lines.at(-1)?.level).toBe('info');
  });

  test('adapters leave when the newest series no longer names them', () => {
    const one = unknown();
    const subject = extractor();
    subject.extract(page(VLLM_LORA), one, 1);
    const active = one.scraped.activeModels;
    subject.extract(page(VLLM_LORA), one, 2);
    expect(one.scraped.activeModels).toBe(active);
    const gone = 'vllm:lora_requests_info{max_lora="4",running_lora_adapters=""} 1.788000002e+09\n';
    subject.extract(page(VLLM_LORA + gone), one, 3);
    expect(one.scraped.activeModels.size).toBe(0);
    expect(one.scraped.waitingModels.size).toBe(0);
  });

  test('a page without any load metric is not fresh', () => {
    const one = unknown();
    expect(extractor().extract(page(''), one, 5)).toBe(false);
    expect(extractor().extract(page('vllm:cache_config_info{block_size="16"} 1\n'), one, 6)).toBe(false);
    expect(extractor().extract(page('vllm:num_requests_waiting NaN\n'), one, 7)).toBe(false);
    expect(one.scraped.updatedAtMs).toBe(Number.NEGATIVE_INFINITY);
    expect(one.scraped.cacheBlockSize).toBe(16);
  });

  test.each([
    { name: 'HTML', text: '<html><body>vllm:num_requests_waiting 3\n</body></html>' },
    { name: 'a damaged last line', text: `${VLLM_LORA}vllm:num_requests_waiting{engine="1" 3\n` },
    { name: 'a page cut off', text: VLLM_LORA.slice(0, -3) },
    { name: 'a page of 40,000 engines', text: engines(40_000) },
    {
      name: 'a page with adapters of 40,000 engines',
      text: engines(40_000).replaceAll('vllm:num_requests_waiting', 'vllm:lora_requests_info'),
    },
  ])('$name: throws and writes nothing', ({ text }) => {
    const one = unknown();
    expect(() => extractor().extract(page(text), one, 5)).toThrow(PageError);
    expect(snapshot(one)).toEqual(NOTHING);
    expect(one.scraped.updatedAtMs).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('custom metrics', () => {
  const parameters = {
    engineConfigs: [
      {
        name: 'vllm',
        customMetrics: [
          { attributeKey: 'Swapped', metricSpec: 'vllm:swapped{engine=0}' },
          { attributeKey: 'Temperature', metricSpec: 'gpu_temperature' },
        ],
      },
    ],
  };

  test('become attributes; a page without them keeps the last value', () => {
    const one = unknown();
    const subject = extractor(parameters, context('other-name'));
    expect(subject.extract(page('vllm:swapped{engine="1"} 9\nvllm:swapped{engine="0"} 2.5\n'), one, 1)).toBe(
      true,
    );
    expect(one.attributes.get(customMetricKey('Swapped'))).toBe(2.5);
    expect(one.attributes.get(customMetricKey('Temperature'))).toBeUndefined();
    expect(subject.extract(page('gpu_temperature NaN\n'), one, 2)).toBe(false);
    expect(one.attributes.get(customMetricKey('Swapped'))).toBe(2.5);
    expect(one.scraped.updatedAtMs).toBe(1);
  });

  test('are declared as produced data', () => {
    const { produces } = coreMetricsExtractor.dependencies?.(
      coreMetricsExtractor.params.parse(parameters),
      'x',
    ) ?? { produces: [] };
    expect(produces?.map((key) => key.name)).toEqual(
      expect.arrayContaining([
        'WaitingQueueSize/core-metrics-extractor',
        'Swapped/core-metrics-extractor',
        'Temperature/core-metrics-extractor',
      ]),
    );
  });
});

test.each([
  { parameters: { defaultEngine: 'x' }, message: /x.+ is neither in engineConfigs/ },
  { parameters: { engineConfigs: [{ name: 'default' }] }, message: /default.+ is reserved/ },
  { parameters: { engineConfigs: [{ name: '' }] }, message: /name/ },
  {
    parameters: { engineConfigs: [{ name: 'a' }, { name: 'a' }] },
    message: /two engines have the same name/,
  },
  {
    parameters: { engineConfigs: [{ name: 'a', loraSpec: 'm{' }] },
    message: /not a valid metric specification/,
  },
  { parameters: { engineConfigs: [{ name: 'a', kvUsageSpec: 'm{a}' }] }, message: /invalid label pair/ },
  {
    parameters: { engineConfigs: [{ name: 'a', customMetrics: [{ attributeKey: '', metricSpec: 'm' }] }] },
    message: /attributeKey/,
  },
  {
    parameters: { engineConfigs: [{ name: 'a', customMetrics: [{ attributeKey: 'k', metricSpec: ' ' }] }] },
    message: /must not be empty/,
  },
  {
    parameters: {
      engineConfigs: [
        {
          name: 'a',
          customMetrics: [
            { attributeKey: 'k', metricSpec: 'm' },
            { attributeKey: 'k', metricSpec: 'n' },
          ],
        },
      ],
    },
    message: /same attributeKey/,
  },
  { parameters: { aggregation: 'max' }, message: /aggregation/ },
  { parameters: { defaultEngin: 'vllm' }, message: /defaultEngin/ },
])('parameters are refused: $message', ({ parameters, message }) => {
  expect(() => coreMetricsExtractor.params.parse(parameters)).toThrow(message);
});

test('any page either throws a page error or leaves finite numbers', () => {
  const subject = extractor();
  const lines = fc.constantFrom(...EDGES.split('\n'), ...VLLM_LORA.split('\n'), ...TWO_ENGINES.split('\n'));
  fc.assert(
    fc.property(fc.array(lines), fc.constantFrom('\n', '\r\n', ''), (parts, end) => {
      const one = unknown();
      try {
        subject.extract(page(parts.map((line) => line + end).join('')), one, 1);
      } catch (error) {
        expect(error).toBeInstanceOf(PageError);
      }
      for (const value of Object.values(snapshot(one))) {
        if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
      }
    }),
  );
});
