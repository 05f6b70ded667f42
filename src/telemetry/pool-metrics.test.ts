import { expect, test } from 'vitest';
import { endpoint, RecordingInstruments } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { PoolMetrics } from './pool-metrics.ts';

function setUp(endpoints: readonly Endpoint[]) {
  const clock = new FakeClock();
  const instruments = new RecordingInstruments();
  const pool = new PoolMetrics(instruments, clock, {
    poolName: 'p',
    refreshMs: 5000,
    stalenessMs: 2000,
    endpoints: () => endpoints,
  });
  const read = (name: string, labels = '') => instruments.gauges.get(`${name}{${labels}name="p"}`)?.();
  const state = (name: string) => instruments.gauges.get(`endpoints{name="p",state="${name}"}`)?.();
  return { clock, instruments, pool, read, state };
}

test('means and sample deviations over fresh endpoints, to two decimals', () => {
  const { read, state } = setUp([
    endpoint({ kvCacheUsage: 0.111, waitingQueueSize: 1, runningRequestsSize: 2 }),
    endpoint({ kvCacheUsage: 0.222, waitingQueueSize: 4, runningRequestsSize: 2 }),
    endpoint({ kvCacheUsage: 1, waitingQueueSize: 100, updatedAtMs: 0 }),
  ]);
  expect(read('ready_endpoints')).toBe(2);
  expect(read('average_kv_cache_utilization')).toBe(0.17);
  expect(read('average_queue_size')).toBe(2.5);
  expect(read('average_running_requests')).toBe(2);
  expect(read('std_dev_kv_cache_utilization')).toBe(0.08);
  expect(read('std_dev_queue_size')).toBe(2.12);
  expect(read('std_dev_running_requests')).toBe(0);
  expect([state('fresh'), state('stale'), state('unreachable')]).toEqual([2, 1, 0]);
});

test('each endpoint is in one state: one that is unreachable is not fresh, however fresh its metrics are', () => {
  const gone = endpoint({ name: 'gone', waitingQueueSize: 9 });
  const goneLong = endpoint({ updatedAtMs: 0 });
  for (const one of [gone, goneLong]) one.isReachable = false;
  const { instruments, pool, read, state } = setUp([
    gone,
    goneLong,
    endpoint({ waitingQueueSize: 1 }),
    endpoint({ updatedAtMs: 0 }),
  ]);
  pool.endpointAdded(gone);
  expect([state('fresh'), state('stale'), state('unreachable')]).toEqual([1, 1, 2]);
  expect(read('ready_endpoints')).toBe(1);
  expect(read('average_queue_size')).toBe(1);
  expect(instruments.gauges.get('endpoint_up{model_server_endpoint="gone",name="p"}')?.()).toBe(0);
});

test('one endpoint deviates by nothing', () => {
  const { read } = setUp([endpoint({ waitingQueueSize: 7 })]);
  expect(read('std_dev_queue_size')).toBe(0);
});

test('an endpoint that is seldom polled is stale when its next poll is late, not before', () => {
  const one = endpoint();
  one.scrapeIntervalMs = 4000;
  const { state, clock } = setUp([one]);
  clock.advance(5999);
  expect(state('fresh')).toBe(1);
  clock.advance(5001);
  expect(state('stale')).toBe(1);
});

test('with no fresh endpoint only the count is shown', () => {
  const gone = endpoint({ updatedAtMs: 0 });
  gone.isReachable = false;
  const { read, state } = setUp([gone]);
  expect(read('ready_endpoints')).toBe(0);
  expect(read('average_queue_size')).toBeNaN();
  expect(read('std_dev_queue_size')).toBeNaN();
  expect(state('unreachable')).toBe(1);
});

test('values are computed anew once they are as old as the refresh interval', () => {
  const one = endpoint({ waitingQueueSize: 1 });
  const { read, clock } = setUp([one]);
  expect(read('average_queue_size')).toBe(1);
  one.scraped.waitingQueueSize = 9;
  clock.advance(4999);
  one.scraped.updatedAtMs = clock.nowMs();
  expect(read('average_queue_size')).toBe(1);
  clock.advance(1);
  expect(read('average_queue_size')).toBe(9);
});

test('each endpoint has its gauges while it is in the pool', () => {
  const one = endpoint({ name: 'a-rank-0', waitingQueueSize: 3, updatedAtMs: 1_000_000 - 500 });
  const fresh = endpoint({ name: 'b-rank-0', updatedAtMs: Number.NEGATIVE_INFINITY });
  const { pool, instruments, clock } = setUp([one, fresh]);
  pool.endpointAdded(one);
  pool.endpointAdded(fresh);
  const read = (name: string, of: string) =>
    instruments.gauges.get(`${name}{model_server_endpoint="${of}",name="p"}`)?.();
  expect(read('per_endpoint_queue_size', 'a-rank-0')).toBe(3);
  expect(read('endpoint_up', 'a-rank-0')).toBe(1);
  expect(read('endpoint_scrape_age_seconds', 'a-rank-0')).toBe(0.5);
  expect(read('endpoint_up', 'b-rank-0')).toBe(0);
  expect(read('endpoint_scrape_age_seconds', 'b-rank-0')).toBeNaN();
  clock.advance(2000);
  expect(read('endpoint_up', 'a-rank-0')).toBe(0);
  const before = instruments.gauges.size;
  pool.endpointRemoved(one);
  expect(instruments.gauges.size).toBe(before - 3);
  pool.endpointRemoved(one);
});
