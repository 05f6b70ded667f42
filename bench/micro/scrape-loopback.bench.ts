// How much CPU a whole scrape costs, sockets and HTTP included, and how much an idle pool costs, with 100 endpoints and
// with 1,000. The pages come from another process over loopback, so that this process's CPU time is the picker's share
// alone. The delay of the event loop says how long a request would wait.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { PollGroup } from '../../src/data/poll-group.ts';
import { DataRuntime } from '../../src/data/runtime.ts';
import { staticEndpoints } from '../../src/data/static-endpoints.ts';
import { EndpointStore } from '../../src/data/store.ts';
import { coreMetricsExtractor } from '../../src/plugins/extractors/core-metrics-extractor.ts';
import { metricsDataSource } from '../../src/plugins/sources/metrics-data-source.ts';
import { systemClock } from '../../src/util/clock.ts';
import { SeededRng } from '../../src/util/rng.ts';
import { context, RecordingInstruments, RecordingLog } from '../../test/support/builders.ts';

const POOLS = [100, 1_000];
const MEASURED_MS = 5_000;

/** Answers every read with the page: what a client costs must not be hidden behind what a server costs. */
async function servePages(endpoints: number): Promise<void> {
  const page = readFileSync(new URL('../../test/fixtures/vllm-0.32.0/metrics-idle.txt', import.meta.url));
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=1.0.0; charset=utf-8\r\ncontent-length: ${page.length}\r\n\r\n`;
  const answer = Buffer.concat([Buffer.from(head), page]);
  const ports: number[] = [];
  for (let i = 0; i < endpoints; i += 1) {
    const server = createServer((socket) => {
      socket.on('data', () => socket.write(answer));
      socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port);
  }
  process.send?.(ports);
  process.on('disconnect', () => process.exit());
}

async function measure(endpoints: number): Promise<void> {
  const child = fork(new URL(import.meta.url), [`--serve=${endpoints}`]);
  const [ports] = (await once(child, 'message')) as [number[]];
  const store = new EndpointStore(new RecordingLog());
  const source = metricsDataSource.create(metricsDataSource.params.parse({}), {
    ...context(),
    clock: systemClock,
  });
  const extractor = coreMetricsExtractor.create(coreMetricsExtractor.params.parse({}), context());
  let pages = 0;
  const runtime = new DataRuntime(
    [
      {
        source: { name: 'source', type: 'metrics-data-source', plugin: source },
        extractors: [
          {
            name: 'extractor',
            type: 'core-metrics-extractor',
            plugin: {
              payload: 'prometheus',
              extract: (bytes, endpoint, nowMs) => {
                pages += 1;
                return extractor.extract(bytes, endpoint, nowMs);
              },
            },
          },
        ],
      },
    ],
    {
      store,
      clock: systemClock,
      rng: new SeededRng(1),
      log: new RecordingLog(),
      instruments: new RecordingInstruments(),
      group: new PollGroup(systemClock),
      baseIntervalMs: 50,
      stalenessMs: 2_000,
    },
  );
  runtime.start();
  store.replaceAll(staticEndpoints(ports.map((port) => ({ host: '127.0.0.1', port }))));
  const activity = setInterval(() => runtime.noteActivity(), 100);
  await wait(2_000);
  await report(`${endpoints} endpoints, requests flow`, () => pages);
  clearInterval(activity);
  await wait(7_000);
  await report(`${endpoints} endpoints, idle`, () => pages);
  await runtime.close();
  child.disconnect();
}

async function report(phase: string, pages: () => number): Promise<void> {
  const cpuBefore = process.cpuUsage();
  const pagesBefore = pages();
  const startedAt = performance.now();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await wait(MEASURED_MS);
  const { user, system } = process.cpuUsage(cpuBefore);
  delay.disable();
  const seconds = (performance.now() - startedAt) / 1_000;
  const count = pages() - pagesBefore;
  console.log(
    `${phase}: ${(count / seconds).toFixed(0)} pages/s, ${((user + system) / count).toFixed(1)} µs CPU a page ` +
      `(${(user / count).toFixed(1)} user, ${(system / count).toFixed(1)} system), ` +
      `${((user + system) / 1e6 / seconds).toFixed(3)} cores, event loop delay p50 ` +
      `${(delay.percentile(50) / 1e6 - 1).toFixed(1)} ms, p99 ${(delay.percentile(99) / 1e6 - 1).toFixed(1)} ms`,
  );
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const serve = process.argv.find((argument) => argument.startsWith('--serve='));
if (serve !== undefined) await servePages(Number(serve.slice('--serve='.length)));
else for (const endpoints of POOLS) await measure(endpoints);
