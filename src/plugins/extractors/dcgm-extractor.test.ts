import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint } from '../../../test/support/builders.ts';
import { PageError } from '../../util/prometheus-text.ts';
import { gpuUtilizationKey } from '../attributes/scalar.ts';
import { dcgmExtractor } from './dcgm-extractor.ts';

const KEY = gpuUtilizationKey('dcgm-extractor');
const TYPE = '# TYPE DCGM_FI_DEV_GPU_UTIL gauge\n';

/** The exporter's page of a node with GPUs of several pods, as it is in the specification. */
const NODE = `${TYPE}DCGM_FI_DEV_GPU_UTIL{gpu="0",namespace="llm",pod="vllm-a"} 35
DCGM_FI_DEV_GPU_UTIL{gpu="1",namespace="llm",pod="vllm-a"} 80
DCGM_FI_DEV_GPU_UTIL{gpu="2",namespace="llm",pod="vllm-b"} 99
`;

function read(page: string, name = 'vllm-a', before?: number) {
  const subject = dcgmExtractor.create({}, context());
  const target = endpoint({ name, namespace: 'llm' });
  if (before !== undefined) target.attributes.set(KEY, before);
  const isFound = subject.extract(Buffer.from(page), target, 0);
  return { isFound, value: target.attributes.get(KEY) };
}

test.each([
  { name: 'the busiest GPU of the pod', page: NODE, want: 0.8 },
  {
    name: 'an exporter beside the pod names no pods',
    page: `${TYPE}DCGM_FI_DEV_GPU_UTIL{gpu="0"} 12\n`,
    want: 0.12,
  },
  { name: 'no type line', page: 'DCGM_FI_DEV_GPU_UTIL 100\n', want: 1 },
  {
    name: 'a pod of that name in another namespace is another pod',
    page: `${NODE}DCGM_FI_DEV_GPU_UTIL{gpu="3",namespace="other",pod="vllm-a"} 98\n`,
    want: 0.8,
  },
  {
    name: 'a GPU that no pod has',
    page: `${NODE}DCGM_FI_DEV_GPU_UTIL{gpu="3",namespace="",pod=""} 98\n`,
    want: 0.8,
  },
  {
    name: 'values that the exporter does not know',
    page: `${NODE}DCGM_FI_DEV_GPU_UTIL{gpu="3",pod="vllm-a"} 9223372036854775794\nDCGM_FI_DEV_GPU_UTIL{gpu="4",pod="vllm-a"} NaN\n`,
    want: 0.8,
  },
  { name: 'idle', page: 'DCGM_FI_DEV_GPU_UTIL 0\n', want: 0 },
])('dcgm-extractor: $name', ({ page, want }) => {
  expect(read(page)).toEqual({ isFound: true, value: want });
});

test.each([
  { name: 'no such metric', page: 'DCGM_FI_DEV_GPU_TEMP 35\n' },
  { name: 'an empty page', page: '' },
  { name: 'no GPU of this pod', page: NODE.replaceAll('vllm-a', 'vllm-c') },
])('dcgm-extractor: $name: nothing is found, the value stays', ({ page }) => {
  expect(read(page, 'vllm-a', 0.5)).toEqual({ isFound: false, value: 0.5 });
});

test('dcgm-extractor: a counter is an error, but the page is one', () => {
  const readCounter = () => read(NODE.replace('gauge', 'counter'));
  expect(readCounter).toThrow(/got a counter, want a gauge/);
  expect(readCounter).not.toThrow(PageError);
});

test('dcgm-extractor: what is no metrics page is an error of the page', () => {
  expect(() => read('<html></html>')).toThrow(PageError);
});

test('dcgm-extractor: whatever the GPUs do, the value is the largest one and between 0 and 1', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 16 }), (values) => {
      const lines = values.map((value, gpu) => `DCGM_FI_DEV_GPU_UTIL{gpu="${gpu}",pod="vllm-a"} ${value}`);
      expect(read(`${TYPE}${lines.join('\n')}\n`).value).toBe(Math.max(...values) / 100);
    }),
  );
});
