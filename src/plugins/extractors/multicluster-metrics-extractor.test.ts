import { expect, test } from 'vitest';
import { context, endpoint } from '../../../test/support/builders.ts';
import { MULTICLUSTER_KV_CACHE_UTILIZATION, MULTICLUSTER_QUEUE_SIZE } from '../attributes/multicluster.ts';
import { multiclusterMetricsExtractor } from './multicluster-metrics-extractor.ts';

const KV = 'llm_d_epp_average_kv_cache_utilization{name="pool"} 0.25\n';
const QUEUE = 'llm_d_epp_average_queue_size{name="pool"} 3.5\n';

function read(page: string, parameters: object = {}) {
  const subject = multiclusterMetricsExtractor.create(
    multiclusterMetricsExtractor.params.parse(parameters),
    context(),
  );
  const target = endpoint({ updatedAtMs: 5 });
  target.attributes.set(MULTICLUSTER_KV_CACHE_UTILIZATION, 0.9);
  target.attributes.set(MULTICLUSTER_QUEUE_SIZE, 9);
  const isFound = subject.extract(Buffer.from(page), target, 1_000);
  expect(target.scraped.updatedAtMs).toBe(5);
  return [
    isFound,
    target.attributes.get(MULTICLUSTER_KV_CACHE_UTILIZATION),
    target.attributes.get(MULTICLUSTER_QUEUE_SIZE),
  ];
}

test.each([
  { name: 'both', page: KV + QUEUE, want: [true, 0.25, 3.5] },
  { name: 'one; the other stays', page: QUEUE, want: [true, 0.9, 3.5] },
  { name: 'the other; the one stays', page: KV, want: [true, 0.25, 9] },
  { name: 'a value that is no number stays out', page: KV.replace('0.25', 'NaN'), want: [false, 0.9, 9] },
  { name: 'none', page: 'up 1\n', want: [false, 0.9, 9] },
  { name: 'an empty page', page: '', want: [false, 0.9, 9] },
])('multicluster-metrics-extractor: $name', ({ page, want }) => {
  expect(read(page)).toEqual(want);
});

test('multicluster-metrics-extractor: other metrics, by their labels; one may be switched off', () => {
  const page = 'kv{pool="a"} 0.1\nkv{pool="b"} 0.2\nllm_d_epp_average_queue_size 7\n';
  const parameters = { kvCacheUtilizationMetric: 'kv{pool=b}', queueSizeMetric: '' };
  expect(read(page, parameters)).toEqual([true, 0.2, 9]);
});

test('multicluster-metrics-extractor: a page of another kind and a metric that cannot be one are errors', () => {
  expect(() => read('<html></html>')).toThrow();
  expect(() => read('', { queueSizeMetric: 'a{b' })).toThrow(/not a valid metric specification/);
});
