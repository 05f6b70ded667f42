import { expect, test } from 'vitest';
import type { Clock } from '../../src/util/clock.ts';
import { ExtProcClient } from '../support/extproc-client.ts';
import { startExtProcServer } from '../support/extproc-server.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('without a stream a drain ends early, but not at once', async () => {
  const clock = new FakeClock();
  await using server = await startExtProcServer({ clock });
  const { isDone, finished } = watch(server.server.drain(30_000));
  await clock.advanceAsync(2900, 100);
  expect(isDone()).toBe(false);
  await clock.advanceAsync(300, 100);
  await finished;
});

test('old and new streams are served in the drain window, open ones to their end after it', async () => {
  const clock = new FakeClock();
  await using server = await startExtProcServer({ clock });
  using client = new ExtProcClient(server.address);
  const old = client.open();
  await old.route({ body: '{}' });
  const { isDone, finished } = watch(server.server.drain(30_000));
  await clock.advanceAsync(20_000, 1000);
  const young = client.open();
  expect((await young.route({ body: '{}' })).destination).not.toBe('');
  await clock.advanceAsync(40_000, 1000);
  expect(isDone()).toBe(false);
  expect((await old.respond({ chunks: ['a'] })).body.toString()).toBe('a');
  expect((await young.respond({ chunks: ['b'] })).body.toString()).toBe('b');
  await clock.advanceAsync(200, 100);
  await finished;
  expect(server.stages.causes).toEqual(['natural', 'natural']);
});

test('after the window new connections are refused', async () => {
  const clock = new FakeClock();
  await using server = await startExtProcServer({ clock });
  using client = new ExtProcClient(server.address);
  const open = client.open();
  await open.route({ body: '{}' });
  void server.server.drain(1000);
  await clock.advanceAsync(2000, 100);
  using other = new ExtProcClient(server.address);
  const refused = other.open();
  refused.requestHeaders({ ':path': '/' }, { endOfStream: true });
  expect((await refused.ended).code).toBe(14);
  expect((await open.respond({ chunks: ['a'] })).body.toString()).toBe('a');
});

test('what is still open after the grace is taken back with 503', async () => {
  const clock = new FakeClock();
  await using server = await startExtProcServer({ clock });
  using client = new ExtProcClient(server.address);
  const exchange = client.open();
  await exchange.route({ body: '{}' });
  const { finished } = watch(server.server.drain(1000));
  await clock.advanceAsync(92_000, 500);
  await clock.advanceAsync(500, 100);
  await finished;
  const { immediateResponse } = await exchange.next();
  expect(immediateResponse?.status.code).toBe(503);
  expect(immediateResponse?.details).toBe('epp_rejected_shutting_down');
  expect(server.stages.causes).toEqual(['evicted']);
});

test('no window at all', async () => {
  await using server = await startExtProcServer();
  await server.server.drain(0);
  expect(server.server.openStreams).toBe(0);
});

test('stream metrics count every exchange once', async () => {
  const clock: Clock = new FakeClock();
  await using server = await startExtProcServer({ clock, countsStreams: true });
  using client = new ExtProcClient(server.address);
  const { counters, gauges, observations } = server.instruments;
  const done = client.open();
  await done.route({ body: '{}' });
  expect(gauges.get('extproc_streams_inflight{}')?.()).toBe(1);
  (clock as FakeClock).advance(1500);
  await done.respond({ chunks: ['a'] });
  const gone = client.open();
  await gone.route({ body: '{}' });
  gone.cancel();
  await server.stages.ended(2);
  expect(gauges.get('extproc_streams_inflight{}')?.()).toBe(0);
  expect(counters.get('extproc_streams_total{code="OK"}')?.value).toBe(1);
  expect(counters.get('extproc_streams_total{code="Canceled"}')?.value).toBe(1);
  expect(observations.get('extproc_stream_duration_seconds{}')).toEqual([1.5, 0]);
});

function watch(promise: Promise<void>): { isDone: () => boolean; finished: Promise<void> } {
  let done = false;
  const finished = promise.then(() => {
    done = true;
  });
  return { isDone: () => done, finished };
}
