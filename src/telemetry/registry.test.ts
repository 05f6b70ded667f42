import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseText } from '../../test/support/prometheus.ts';
import type { Labels } from '../framework/instruments.ts';
import { fullName, METRICS, type Metric } from './metrics.ts';
import { MetricRegistry } from './registry.ts';

const FLOW = { model_name: 'm', target_model_name: 't', fairness_id: 'f', priority: '0' };

function registry(): MetricRegistry {
  return new MetricRegistry({ deprecatedTwins: true });
}

function page(of: MetricRegistry): string {
  return [...of.render()].join('');
}

function metric(name: string): Metric {
  const found = METRICS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no metric ${name}`);
  return found;
}

test('a counter shows under its canonical and its deprecated name', () => {
  const metrics = registry();
  metrics.counter('request_total', FLOW).value += 2;
  metrics.counter('request_total', { ...FLOW, fairness_id: 'g' }).value += 3;
  expect(page(metrics)).toBe(
    [
      '# HELP inference_objective_request_total [ALPHA] [Deprecated: Use llm_d_epp_request_total] Requests that were parsed, admitted and scheduled.',
      '# TYPE inference_objective_request_total counter',
      'inference_objective_request_total{model_name="m",target_model_name="t",priority="0"} 5',
      '# HELP llm_d_epp_request_total [ALPHA] Requests that were parsed, admitted and scheduled.',
      '# TYPE llm_d_epp_request_total counter',
      'llm_d_epp_request_total{model_name="m",target_model_name="t",fairness_id="f",priority="0"} 2',
      'llm_d_epp_request_total{model_name="m",target_model_name="t",fairness_id="g",priority="0"} 3',
      '',
    ].join('\n'),
  );
});

test('deprecated names can be switched off', () => {
  const metrics = new MetricRegistry({ deprecatedTwins: false });
  metrics.counter('request_total', FLOW).value += 1;
  expect(page(metrics)).not.toContain('inference_objective');
});

test.each([true, false])(
  'older metrics with buckets of their own have their full name, with deprecated names %s',
  (deprecatedTwins) => {
    const metrics = new MetricRegistry({ deprecatedTwins });
    const labels = { model_name: 'm', target_model_name: 't' };
    metrics.histogram('inference_objective_request_ttft_seconds', labels).observe(150);
    metrics.histogram('inference_objective_request_tpot_seconds', labels).observe(3);
    const text = page(metrics);
    if (!deprecatedTwins) {
      expect(text).toBe('');
      return;
    }
    for (const line of [
      '# HELP inference_objective_request_ttft_seconds [ALPHA] [Deprecated: Use llm_d_epp_request_ttft_seconds] Time to the first token, of answers that the latency predictor learns from.',
      'inference_objective_request_ttft_seconds_bucket{model_name="m",target_model_name="t",le="120"} 0',
      'inference_objective_request_ttft_seconds_bucket{model_name="m",target_model_name="t",le="180"} 1',
      'inference_objective_request_tpot_seconds_bucket{model_name="m",target_model_name="t",le="2"} 0',
      'inference_objective_request_tpot_seconds_bucket{model_name="m",target_model_name="t",le="3"} 1',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
  },
);

test('a histogram shows cumulative buckets, sum and count; le is spelled as the Go client does', () => {
  const metrics = registry();
  const cell = metrics.histogram('request_size_bytes', FLOW);
  for (const bytes of [64, 65, 2 ** 31]) cell.observe(bytes);
  cell.observe(Number.NaN);
  const text = page(metrics);
  expect(text).toContain(
    'request_size_bytes_bucket{model_name="m",target_model_name="t",fairness_id="f",priority="0",le="64"} 1',
  );
  expect(text).toContain('le="128"} 2');
  expect(text).toContain('le="1.073741824e+09"} 2');
  expect(text).toContain('le="+Inf"} 3');
  expect(text).toContain(
    `llm_d_epp_request_size_bytes_sum{model_name="m",target_model_name="t",fairness_id="f",priority="0"} ${64 + 65 + 2 ** 31}`,
  );
});

test('the response size keeps the bucket that deployed dashboards select', () => {
  expect(metric('response_size_bytes').buckets).toContain(32_778);
});

test('a deprecated name may rename a label', () => {
  const metrics = registry();
  metrics.gauge('per_endpoint_queue_size', { name: 'pool', model_server_endpoint: 'e-rank-0' }, () => 4);
  expect(page(metrics)).toContain(
    'inference_pool_per_pod_queue_size{name="pool",model_server_pod="e-rank-0"} 4\n',
  );
});

test('a gauge is read at exposition, hidden while NaN, replaced by its next registration, and removable', () => {
  const metrics = registry();
  let value = Number.NaN;
  const removeFirst = metrics.gauge('ready_endpoints', { name: 'p' }, () => value);
  expect(page(metrics)).toBe('');
  value = 7;
  expect(page(metrics)).toContain('llm_d_epp_ready_endpoints{name="p"} 7\n');
  const removeSecond = metrics.gauge('ready_endpoints', { name: 'p' }, () => 8);
  removeFirst();
  expect(page(metrics)).toContain('llm_d_epp_ready_endpoints{name="p"} 8\n');
  removeSecond();
  expect(page(metrics)).toBe('');
});

test.each([
  { name: 'unknown name', call: (m: MetricRegistry) => m.counter('nope', {}) },
  { name: 'other type', call: (m: MetricRegistry) => m.histogram('request_total', FLOW) },
  { name: 'missing label', call: (m: MetricRegistry) => m.counter('request_total', { model_name: 'm' }) },
  { name: 'extra label', call: (m: MetricRegistry) => m.counter('request_total', { ...FLOW, x: '' }) },
  {
    name: 'inherited label',
    call: (m: MetricRegistry) =>
      m.counter('extproc_streams_total', Object.setPrototypeOf({ toString: '' }, { code: 'OK' }) as Labels),
  },
])('$name throws', ({ call }) => {
  expect(() => call(registry())).toThrow(/metric/);
});

test('the same labels give the same cell, in any order', () => {
  const metrics = registry();
  const { model_name, ...rest } = FLOW;
  expect(metrics.counter('request_total', FLOW)).toBe(
    metrics.counter('request_total', { ...rest, model_name }),
  );
});

test('model names share one bound of 1,000 values; later ones are other, admitted and pinned ones stay', () => {
  const metrics = registry();
  metrics.pinModel('configured');
  for (let i = 0; i < 500; i += 1) {
    metrics.counter('request_total', { ...FLOW, model_name: `m${i}`, target_model_name: `t${i}` });
  }
  expect(metrics.admit('model', 'm3')).toBe('m3');
  expect(metrics.admit('model', 'late')).toBe('other');
  expect(metrics.admit('model', 'configured')).toBe('configured');
  expect(metrics.admit('model', '')).toBe('');
  expect(metrics.admit('fairness', 'late')).toBe('late');
  const late = metrics.counter('request_total', { ...FLOW, model_name: 'late' });
  expect(late).toBe(metrics.counter('request_total', { ...FLOW, model_name: 'later' }));
});

test('long values are other and use up no room', () => {
  const metrics = registry();
  const longest = 'm'.repeat(256);
  metrics.pinModel('p'.repeat(300));
  for (let i = 0; i < 2000; i += 1) metrics.admit('model', `${longest}${i}`);
  const shown = [longest, `${longest}x`, 'p'.repeat(300)].map((name) => metrics.admit('model', name).length);
  expect(shown).toEqual([256, 'other'.length, 300]);
});

test('gauges whose labels fell together as other are summed', () => {
  const metrics = registry();
  for (let i = 0; i < 1000; i += 1) metrics.admit('fairness', `f${i}`);
  const labels = { endpoint_name: 'e', namespace: 'n', producer_name: 'p', priority: '0' };
  const remove = metrics.gauge('inflight_requests', { ...labels, fairness_id: 'a' }, () => 2);
  metrics.gauge('inflight_requests', { ...labels, fairness_id: 'b' }, () => 3);
  expect(page(metrics)).toMatch(/fairness_id="other",priority="0"} 5\n/);
  remove();
  expect(page(metrics)).toMatch(/fairness_id="other",priority="0"} 3\n/);
});

test('the page comes in pieces, so that rendering it does not hold the event loop', () => {
  const metrics = registry();
  for (let i = 0; i < 500; i += 1)
    metrics.histogram('request_size_bytes', { ...FLOW, fairness_id: `f${i}` }).observe(1);
  for (const piece of metrics.render()) expect(piece.length).toBeLessThan(100_000);
});

test('names, twins and label names are well formed and unique', () => {
  const names = METRICS.flatMap((one) => [fullName(one), ...(one.twin === undefined ? [] : [one.twin.name])]);
  expect(new Set(names).size).toBe(names.length);
  for (const one of METRICS) {
    expect(one.name).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(one.name.endsWith('_total')).toBe(one.type === 'counter');
    expect(one.buckets.length > 0).toBe(one.type === 'histogram');
    expect(one.buckets).toEqual([...one.buckets].sort((a, b) => a - b));
    expect(one.help).toMatch(/^\[ALPHA\] \S.*\.$/);
    for (const label of one.twin?.labels ?? []) expect(one.labels).toContain(label.from);
  }
});

/** Names of all metrics but twins. */
const OWN_NAMES = new Set(METRICS.map(fullName));

/** What a program may record: any metric of the table, any label values, any numbers. */
const anyRecord = fc.constantFrom(...METRICS).chain((one) =>
  fc.record({
    metric: fc.constant(one),
    values: fc.array(fc.oneof(fc.string(), fc.constantFrom('a"b', 'a\\b', 'a\nb', '}', '\\n')), {
      minLength: one.labels.length,
      maxLength: one.labels.length,
    }),
    numbers: fc.array(fc.double({ noNaN: true, min: -1e25, max: 1e25 }), { minLength: 1, maxLength: 5 }),
  }),
);

test('a rendered page, read back, says what was recorded', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 12 }), (records) => {
      const metrics = registry();
      const want = new Map<string, number>();
      for (const record of records) {
        const name = fullName(record.metric);
        const labels = Object.fromEntries(
          record.metric.labels.map((label, i) => [label, record.values[i] ?? '']),
        );
        const add = (suffix: string, value: number, replaces = false) => {
          const key = JSON.stringify([name + suffix, Object.entries(labels)]);
          want.set(key, (replaces ? value : (want.get(key) ?? 0) + value) + 0); // no negative zero
        };
        for (const value of record.numbers) {
          switch (record.metric.type) {
            case 'counter':
              metrics.counter(record.metric.name, labels).value += value;
              add('', value);
              break;
            case 'gauge':
              metrics.gauge(record.metric.name, labels, () => value);
              add('', value, true);
              break;
            case 'histogram':
              metrics.histogram(record.metric.name, labels).observe(value);
              add('_sum', value);
              add('_count', 1);
              break;
            default:
              throw new Error(record.metric.type satisfies never);
          }
        }
      }
      const got = new Map<string, number>();
      for (const { name, labels, value } of parseText(page(metrics))) {
        if (!OWN_NAMES.has(name.replace(/_(sum|count)$/, ''))) continue;
        got.set(JSON.stringify([name, [...labels]]), value);
      }
      expect(got).toEqual(want);
    }),
  );
});

test('each observation is in the buckets at and above it', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...METRICS.filter((one) => one.type === 'histogram')),
      fc.array(fc.double({ noNaN: true }), { minLength: 1 }),
      (one, values) => {
        const metrics = registry();
        const labels = Object.fromEntries(one.labels.map((label) => [label, 'x']));
        for (const value of values) metrics.histogram(one.name, labels).observe(value);
        const name = `${fullName(one)}_bucket`;
        const buckets = parseText(page(metrics)).filter((sample) => sample.name === name);
        expect(buckets.map((sample) => Number(sample.labels.get('le')?.replace('+Inf', 'Infinity')))).toEqual(
          [...one.buckets, Number.POSITIVE_INFINITY],
        );
        for (const { labels: at, value } of buckets) {
          const bound = Number(at.get('le')?.replace('+Inf', 'Infinity'));
          expect(value).toBe(values.filter((observed) => observed <= bound).length);
        }
      },
    ),
  );
});

test('a deprecated twin holds as many observations as its canonical metric', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom('x', 'y'), fc.nat(1e6))),
      (records) => {
        const metrics = registry();
        for (const [model_name, fairness_id, bytes] of records) {
          metrics.histogram('request_size_bytes', { ...FLOW, model_name, fairness_id }).observe(bytes);
        }
        const samples = parseText(page(metrics));
        for (const model of ['a', 'b']) {
          const count = (name: string) =>
            samples
              .filter((sample) => sample.name === name && sample.labels.get('model_name') === model)
              .reduce((sum, sample) => sum + sample.value, 0);
          const total = records.filter(([name]) => name === model).length;
          expect(count('llm_d_epp_request_size_bytes_count')).toBe(total);
          expect(count('inference_objective_request_sizes_count')).toBe(total);
          expect(count('inference_objective_request_sizes_sum')).toBe(
            count('llm_d_epp_request_size_bytes_sum'),
          );
        }
      },
    ),
  );
});

test('parts that do not know of each other: counters are the same, gauges are summed, and leave alone', () => {
  const metrics = registry();
  const [a, b] = [metrics.forPart('a'), metrics.forPart('b')];
  a.counter('request_total', FLOW).value += 1;
  b.counter('request_total', FLOW).value += 2;
  const labels = { plugin_name: 'p', plugin_type: 't' };
  const size = () =>
    page(metrics)
      .split('\n')
      .find((line) => line.startsWith('llm_d_epp_prefix_indexer_size{'))
      ?.split(' ')
      .at(-1);
  const remove = a.gauge('prefix_indexer_size', labels, () => 10);
  b.gauge('prefix_indexer_size', labels, () => 5);
  expect(size()).toBe('15');
  b.gauge('prefix_indexer_size', labels, () => 6);
  expect(size()).toBe('16');
  remove();
  expect(size()).toBe('6');
  expect(metrics.counter('request_total', FLOW).value).toBe(3);
});
