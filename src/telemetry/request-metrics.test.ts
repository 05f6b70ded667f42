import fc from 'fast-check';
import { expect, test } from 'vitest';
import { request } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { parseText } from '../../test/support/prometheus.ts';
import { InferenceResponse, type TerminationCause } from '../framework/response.ts';
import { MetricRegistry } from './registry.ts';
import { RequestMetrics } from './request-metrics.ts';

function setUp() {
  const registry = new MetricRegistry({ deprecatedTwins: true });
  const clock = new FakeClock();
  const metrics = new RequestMetrics(registry, clock);
  /** Sum of the samples of `name` whose labels include `labels`. */
  const read = (name: string, labels: Record<string, string> = {}) =>
    parseText([...registry.render()].join(''))
      .filter((sample) => sample.name === `llm_d_epp_${name}` || sample.name === name)
      .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels.get(key) === value))
      .reduce((sum, sample) => sum + sample.value, 0);
  return { clock, registry, metrics, read };
}

function response(
  options: Partial<InferenceResponse> & { cause?: TerminationCause } = {},
): InferenceResponse {
  return Object.assign(new InferenceResponse(), { status: 200, cause: 'natural', ...options });
}

test('a whole streamed answer: every metric of it, under all names', () => {
  const { clock, metrics, read } = setUp();
  const one = request({ model: 'm', targetModel: 'lora', priority: 3 });
  one.bodySizeBytes = 1000;
  const start = one.receivedAtMs;
  metrics.scheduled(one);
  metrics.processed(2);
  const labels = { model_name: 'm', target_model_name: 'lora', fairness_id: 'default-flow', priority: '3' };
  expect(read('request_running', labels)).toBe(1);
  expect(read('inference_objective_running_requests')).toBe(1);

  const answer = response({ isStreaming: true, sizeBytes: 300 });
  answer.firstByteAtMs = start + 100;
  answer.lastByteAtMs = start + 180;
  metrics.chunkFollowed(one, answer, 30);
  metrics.chunkFollowed(one, answer, 50);
  Object.assign(answer.usage, { promptTokens: 20, completionTokens: 5, totalTokens: 25, cachedTokens: 0 });
  clock.advance(200);
  metrics.completed(one, answer, 1);

  expect(read('request_running', labels)).toBe(0);
  expect(read('request_total', labels)).toBe(1);
  expect(read('inference_objective_request_total', { priority: '3' })).toBe(1);
  expect(read('request_size_bytes_sum', labels)).toBe(1000);
  expect(read('response_size_bytes_sum', labels)).toBe(300);
  expect(read('request_duration_seconds_sum', labels)).toBeCloseTo(0.2);
  expect(read('request_ttft_seconds_sum', { ...labels, streaming: 'true' })).toBeCloseTo(0.1);
  expect(read('request_ttft_seconds_count', { ...labels, streaming: 'false' })).toBe(0);
  expect(read('request_streaming_itl_seconds_count', labels)).toBe(2);
  expect(read('request_streaming_itl_seconds_sum', labels)).toBeCloseTo(0.08);
  expect(read('request_streaming_tpot_seconds_sum', labels)).toBeCloseTo(0.08 / 4);
  expect(read('request_ntpot_seconds_sum', labels)).toBeCloseTo(0.2 / 5);
  expect(read('request_input_tokens_sum', labels)).toBe(20);
  expect(read('inference_objective_input_tokens_sum')).toBe(20);
  expect(read('request_output_tokens_sum', labels)).toBe(5);
  expect(read('request_cached_tokens_count', labels)).toBe(1);
  expect(read('request_processing_duration_seconds_sum')).toBeCloseTo(0.002);
  expect(read('response_processing_duration_seconds_sum')).toBeCloseTo(0.001);
  expect(read('upstream_responses_total', { code_class: '2xx' })).toBe(1);
  expect(read('request_error_total')).toBe(0);
});

test.each([
  { name: 'model server refuses', end: { status: 404 }, code: 'ModelServerError' },
  { name: 'model server fails', end: { status: 503 }, code: 'ModelServerError' },
  { name: 'created is no error', end: { status: 201 }, code: undefined },
  { name: 'no content is no error', end: { status: 204 }, code: undefined },
  { name: 'client leaves', end: { status: 0, cause: 'client-disconnect' as const }, code: undefined },
  { name: 'stream breaks', end: { status: 0, cause: 'error' as const }, code: 'Unknown' },
  { name: 'evicted', end: { status: 200, cause: 'evicted' as const }, code: 'ResourceExhausted' },
])('errors of scheduled requests: $name', ({ end, code }) => {
  const { metrics, read } = setUp();
  const one = request();
  metrics.scheduled(one);
  metrics.completed(one, response(end), 10);
  expect(read('request_error_total')).toBe(code === undefined ? 0 : 1);
  expect(read('request_error_total', { error_code: code ?? '' })).toBe(code === undefined ? 0 : 1);
  expect(read('request_running')).toBe(0);
});

test('a refused request counts one error and nothing else, however its end is told', () => {
  const { metrics, read } = setUp();
  const one = request({ model: 'm' });
  metrics.rejected(one, 'ResourceExhausted');
  metrics.completed(one, response({ status: 0, cause: 'error' }), 10);
  expect(read('request_error_total', { model_name: 'm', error_code: 'ResourceExhausted' })).toBe(1);
  expect(read('request_error_total')).toBe(1);
  expect(read('request_total')).toBe(0);
  expect(read('request_running')).toBe(0);
  expect(read('request_duration_seconds_count')).toBe(0);
});

test('an error answer tells nothing about the time to the first token', () => {
  const { clock, metrics, read } = setUp();
  const one = request();
  metrics.scheduled(one);
  clock.advance(10);
  metrics.completed(
    one,
    response({ status: 500, firstByteAtMs: one.receivedAtMs + 5 }),
    one.receivedAtMs + 10,
  );
  expect(read('request_ttft_seconds_count')).toBe(0);
  expect(read('request_duration_seconds_count')).toBe(1);
});

test('an answer cut short tells its first token and usage, but no duration', () => {
  const { metrics, read } = setUp();
  const one = request();
  metrics.scheduled(one);
  const answer = response({ cause: 'client-disconnect', firstByteAtMs: one.receivedAtMs + 5 });
  answer.usage.promptTokens = 9;
  metrics.completed(one, answer, 10);
  expect(read('request_ttft_seconds_count', { streaming: 'false' })).toBe(1);
  expect(read('request_input_tokens_sum')).toBe(9);
  expect(read('request_duration_seconds_count')).toBe(0);
});

test('without a model name a request is counted but not shown as running', () => {
  const { clock, metrics, read } = setUp();
  const one = request({ model: '', targetModel: '' });
  metrics.scheduled(one);
  expect(read('request_total', { model_name: '' })).toBe(1);
  expect(read('request_running')).toBe(0);
  clock.advance(10);
  metrics.completed(one, response(), 10);
  expect(read('request_duration_seconds_count')).toBe(1);
});

test('clients cannot bring in any number of label combinations', () => {
  const { registry, metrics } = setUp();
  for (let model = 0; model < 80; model += 1) {
    for (let fairness = 0; fairness < 80; fairness += 1) {
      const one = request({ model: `m${model}` });
      one.fairnessId = `f${fairness}`;
      metrics.scheduled(one);
    }
  }
  const series = parseText([...registry.render()].join('')).filter(
    (sample) => sample.name === 'llm_d_epp_request_total',
  );
  expect(series.length).toBeLessThanOrEqual(5001);
  expect(series.reduce((sum, sample) => sum + sample.value, 0)).toBe(6400);
  const other = series.filter((sample) => sample.labels.get('model_name') === 'other');
  expect(other.map((sample) => sample.value)).toEqual([1400]);
});

test('running requests are those scheduled and not completed, in any order and however often told', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ which: fc.nat(5), isEnd: fc.boolean() })),
      fc.array(fc.constantFrom('a', 'b'), { minLength: 6, maxLength: 6 }),
      (events, models) => {
        const { metrics, read } = setUp();
        const requests = models.map((model) => request({ model }));
        const running = new Set<number>();
        for (const { which, isEnd } of events) {
          const one = requests[which] ?? request();
          if (isEnd) {
            metrics.completed(one, response(), 1);
            running.delete(which);
          } else {
            metrics.scheduled(one);
            running.add(which);
          }
        }
        for (const model of ['a', 'b']) {
          const want = [...running].filter((which) => models[which] === model).length;
          expect(read('request_running', { model_name: model })).toBe(want);
        }
      },
    ),
  );
});
