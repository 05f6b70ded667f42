import { describe, expect, test } from 'vitest';
import { context, RecordingInstruments, RecordingLog } from '../../test/support/builders.ts';
import { startMetricsServer } from '../../test/support/metrics-server.ts';
import type { Extractor, PollSource } from '../framework/data-source.ts';
import { ConfigurationError } from '../framework/errors.ts';
import type { Pipeline } from '../framework/pipeline.ts';
import { coreMetricsExtractor } from '../plugins/extractors/core-metrics-extractor.ts';
import { metricsDataSource } from '../plugins/sources/metrics-data-source.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { SeededRng } from '../util/rng.ts';
import { PollGroup } from './poll-group.ts';
import { DataRuntime } from './runtime.ts';
import { staticEndpoints } from './static-endpoints.ts';
import { EndpointStore } from './store.ts';

function page(waiting: number): string {
  return `vllm:num_requests_waiting ${waiting}\nvllm:num_requests_running 1\nvllm:kv_cache_usage_perc 0.5\n`;
}

/** The data layer as the picker runs it, over the real source and extractor and the real clock. */
function startRuntime(ports: readonly number[], sources = defaultSources(), clock: Clock = systemClock) {
  const log = new RecordingLog();
  const instruments = new RecordingInstruments();
  const store = new EndpointStore(log);
  const runtime = new DataRuntime(sources, {
    store,
    clock,
    rng: new SeededRng(1),
    log,
    instruments,
    group: new PollGroup(clock),
    baseIntervalMs: 50,
    stalenessMs: 2_000,
  });
  runtime.start();
  store.replaceAll(staticEndpoints(ports.map((port) => ({ host: '127.0.0.1', port }))));
  return {
    log,
    instruments,
    store,
    runtime,
    at(i: number) {
      const endpoint = store.endpoints[i];
      if (endpoint === undefined) throw new Error(`no endpoint ${i}`);
      return endpoint;
    },
    [Symbol.asyncDispose]: () => runtime.close(),
  };
}

function defaultSources(parameters: object = {}): Pipeline['sources'] {
  const source = metricsDataSource.create(metricsDataSource.params.parse(parameters), {
    ...context(),
    clock: systemClock,
  });
  const extractor = coreMetricsExtractor.create(coreMetricsExtractor.params.parse({}), context());
  return [
    {
      source: { name: 'metrics-data-source', type: 'metrics-data-source', plugin: source },
      extractors: [{ name: 'core-metrics-extractor', type: 'core-metrics-extractor', plugin: extractor }],
    },
  ];
}

describe('with real servers', () => {
  test('values are there after the first round and follow the servers', async () => {
    await using one = await startMetricsServer(page(3));
    await using two = await startMetricsServer(page(4));
    await using data = startRuntime([one.port, two.port]);
    await data.runtime.firstRound(2_000);
    expect(data.store.endpoints.map((endpoint) => endpoint.scraped.waitingQueueSize)).toEqual([3, 4]);
    one.page = page(9);
    await expect.poll(() => data.at(0).scraped.waitingQueueSize, { interval: 5 }).toBe(9);
  });

  test('a server that hangs delays nobody', async () => {
    await using hung = await startMetricsServer(page(3));
    await using well = await startMetricsServer(page(4));
    hung.mode = 'stall';
    await using data = startRuntime([hung.port, well.port]);
    await well.received(10);
    expect(hung.requests).toHaveLength(1);
    expect(data.at(0).scraped.updatedAtMs).toBe(Number.NEGATIVE_INFINITY);
    expect(data.at(0).isReachable).toBe(true);
    await expect
      .poll(
        () =>
          data.instruments.counters.get('datalayer_poll_errors_total{source_type="metrics-data-source"}')
            ?.value,
      )
      .toBe(1);
  });

  test('a server that dies is unreachable within a few intervals, and reachable within a second of its return', async () => {
    await using server = await startMetricsServer(page(3));
    await using data = startRuntime([server.port]);
    await data.runtime.firstRound(2_000);
    for (let round = 0; round < 2; round += 1) {
      data.runtime.noteActivity();
      await server.refuse();
      const diedAt = performance.now();
      await expect.poll(() => data.at(0).isReachable, { interval: 5 }).toBe(false);
      expect(performance.now() - diedAt).toBeLessThan(500);
      await expect.poll(() => performance.now() - diedAt, { interval: 50 }).toBeGreaterThan(600);
      await server.listen();
      const backAt = performance.now();
      await expect.poll(() => data.at(0).isReachable, { interval: 5, timeout: 3_000 }).toBe(true);
      expect(performance.now() - backAt).toBeLessThan(1_200);
    }
    expect(data.log.lines.map((line) => line.message)).toEqual([
      'endpoint refuses connections',
      'endpoint is reachable again',
    ]);
  });

  test('a refused request makes an endpoint unreachable until the scrape that starts at once', async () => {
    await using server = await startMetricsServer(page(3));
    await using data = startRuntime([server.port], defaultSources({ interval: '1h' }));
    await data.runtime.firstRound(2_000);
    const before = server.requests.length;
    data.runtime.reportRefused(data.at(0));
    expect(data.at(0).isReachable).toBe(false);
    await expect.poll(() => data.at(0).isReachable, { interval: 5 }).toBe(true);
    expect(server.requests.length).toBe(before + 1);
  });

  test('an idle pool is scraped once a second, and from its first request on at full pace', async () => {
    await using server = await startMetricsServer(page(3));
    let skewMs = 0;
    const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + skewMs };
    await using data = startRuntime([server.port], defaultSources(), clock);
    await data.runtime.firstRound(2_000);
    skewMs = 6_000;
    await expect.poll(() => data.runtime.scrapeIntervalMs, { interval: 5, timeout: 3_000 }).toBe(1_000);
    await server.received(server.requests.length + 1); // what was under way when time jumped is over
    const count = server.requests.length;
    await server.received(count + 1);
    const idleAtMs = performance.now();
    await server.received(count + 2);
    expect(performance.now() - idleAtMs).toBeGreaterThan(900);

    server.page = page(8);
    data.runtime.noteActivity();
    const wokenAtMs = performance.now();
    await expect.poll(() => data.at(0).scraped.waitingQueueSize, { interval: 2 }).toBe(8);
    expect(performance.now() - wokenAtMs).toBeLessThan(400); // 60 ms on a machine with nothing else to do
    await server.received(server.requests.length + 5);
    expect(performance.now() - wokenAtMs).toBeLessThan(900);
  });

  test('the source of the metrics is the primary one, wherever it stands', async () => {
    await using server = await startMetricsServer(page(3));
    await using exporter = await startMetricsServer('gpu 1\n');
    const [metrics] = defaultSources();
    if (metrics === undefined) throw new Error('no source');
    const plugin = metricsDataSource.create(
      metricsDataSource.params.parse({ port: exporter.port, interval: '10s' }),
      { ...context(), clock: systemClock },
    );
    const other = { source: { name: 'gpus', type: 'gpus', plugin }, extractors: [] };
    await using data = startRuntime([server.port], [other, metrics]);
    await data.runtime.firstRound(2_000);
    await server.received(5);
    expect(exporter.requests).toHaveLength(1);
    expect(data.at(0).scrapeIntervalMs).toBeLessThan(1_000);
    await exporter.refuse();
    data.runtime.reportRefused(data.at(0));
    await expect.poll(() => data.at(0).isReachable, { interval: 5 }).toBe(true);
  });

  test('a page that is no metrics page counts as a failed poll, and keeps what was known', async () => {
    await using server = await startMetricsServer(page(3));
    await using data = startRuntime([server.port]);
    await data.runtime.firstRound(2_000);
    server.page = '<html></html>';
    const key = 'datalayer_poll_errors_total{source_type="metrics-data-source"}';
    await expect.poll(() => data.instruments.counters.get(key)?.value).toBeGreaterThan(0);
    expect(data.at(0).scraped.waitingQueueSize).toBe(3);
    expect(data.at(0).isReachable).toBe(true);
  });

  test('nothing is left behind: endpoints that leave lose their connections, close ends all of them', async () => {
    await using one = await startMetricsServer(page(3));
    await using two = await startMetricsServer(page(4));
    const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
    await expect.poll(sockets).toBe(0);
    const data = startRuntime([one.port, two.port]);
    await one.received(3);
    data.store.remove(data.at(0).id);
    await expect.poll(() => one.connections).toBe(0);
    expect(two.connections).toBe(1);
    two.mode = 'stall';
    await two.received(two.requests.length + 1);
    await data.runtime.close();
    await expect.poll(() => two.connections).toBe(0);
    const count = two.requests.length;
    await expect.poll(sockets).toBe(0);
    expect(two.requests).toHaveLength(count);
  });
});

describe('wiring', () => {
  const source = (intervalMs: number): PollSource => ({
    payload: 'prometheus',
    intervalMs,
    poll: () => Promise.resolve(new Uint8Array()),
    release: () => undefined,
  });
  const extractor = (payload: Extractor['payload']): Extractor => ({ payload, extract: () => true });

  function wire(sources: Pipeline['sources'], baseIntervalMs = 50) {
    const plugin = context();
    const runtime = new DataRuntime(sources, {
      ...plugin,
      group: new PollGroup(plugin.clock),
      store: new EndpointStore(plugin.log),
      baseIntervalMs,
      stalenessMs: 2_000,
    });
    return { runtime, log: plugin.log };
  }

  test.each([
    { name: 'as asked for', baseMs: 80, intervals: [0], wantMs: 80 },
    { name: 'raised to 50 ms', baseMs: 10, intervals: [0], wantMs: 50 },
    { name: 'lowered to the shortest source interval', baseMs: 500, intervals: [200, 1_000], wantMs: 200 },
    { name: 'never lowered below 50 ms', baseMs: 500, intervals: [10], wantMs: 50 },
  ])('the base interval is $name', ({ baseMs, intervals, wantMs }) => {
    const sources = intervals.map((intervalMs, i) => ({
      source: { name: `s${i}`, type: 's', plugin: source(intervalMs) },
      extractors: [],
    }));
    expect(wire(sources, baseMs).runtime.scrapeIntervalMs).toBe(wantMs);
  });

  test.each([
    { intervalMs: 120, usedMs: 100 },
    { intervalMs: 130, usedMs: 150 },
    { intervalMs: 10, usedMs: 50 },
    { intervalMs: 1_000, usedMs: undefined },
    { intervalMs: 0, usedMs: undefined },
  ])('an interval of $intervalMs ms is rounded to base intervals and said so', ({ intervalMs, usedMs }) => {
    const { log } = wire([{ source: { name: 's', type: 's', plugin: source(intervalMs) }, extractors: [] }]);
    expect(log.lines).toEqual(
      usedMs === undefined
        ? []
        : [
            {
              level: 'info',
              fields: { source: 's', intervalMs, usedMs },
              message: 'poll interval is rounded',
            },
          ],
    );
  });

  test('no source at all is allowed', () => {
    expect(wire([]).log.lines.map((line) => line.level)).toEqual(['info']);
  });

  test.each([
    {
      name: 'another payload',
      extractors: [{ name: 'x', type: 'x', plugin: extractor('json-models') }],
      message: /extractor type mismatch: got json-models, want prometheus/,
    },
    {
      name: 'two of one type',
      extractors: [
        { name: 'x', type: 'x', plugin: extractor('prometheus') },
        { name: 'y', type: 'x', plugin: extractor('prometheus') },
      ],
      message: /duplicate extractor type configured for the same source: source=s, extractor type=x/,
    },
  ])('$name is refused', ({ extractors, message }) => {
    const sources = [{ source: { name: 's', type: 's', plugin: source(0) }, extractors }];
    expect(() => wire(sources)).toThrow(ConfigurationError);
    expect(() => wire(sources)).toThrow(message);
  });
});
