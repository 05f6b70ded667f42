import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ExtProcClient } from '../support/extproc-client.ts';
import { MetricsServer } from '../support/metrics-server.ts';
import { PickerProcess } from '../support/picker-process.ts';

/** Two addresses of this machine with the same ports: sources reach every endpoint at one port of its own address. */
const ADDRESSES = ['127.0.0.1', '127.0.0.2'] as const;

let folder: string;
let tls: { key: string; cert: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'data-layer-'));
  const altNames = ADDRESSES.map((ip) => ({ type: 7 as const, ip }));
  const pems = await generate([{ name: 'commonName', value: 'server' }], {
    extensions: [{ name: 'subjectAltName', altNames }],
  });
  tls = { key: pems.private, cert: pems.cert };
  writeFileSync(join(folder, 'ca.pem'), pems.cert);
});

afterAll(() => rmSync(folder, { recursive: true }));

/** One server at each address, on one port. */
async function pair(started: AsyncDisposableStack, pages: readonly [string, string], isSecure = false) {
  const servers = pages.map((page) => {
    const server = started.use(new MetricsServer(isSecure ? tls : undefined));
    server.page = page;
    return server;
  });
  let port = 0;
  for (const [i, server] of servers.entries()) {
    server.port = port;
    await server.listen(ADDRESSES[i]);
    port = server.port;
  }
  return { servers, port };
}

/** A picker for endpoints at both addresses, and where it sends a request. */
async function startPicker(started: AsyncDisposableStack, config: string) {
  const endpoints = ADDRESSES.map((address) => `${address}:8000`);
  const args = ['--allow-experimental-plugins'];
  const picker = started.use(await PickerProcess.start({ config, endpoints, args }));
  const client = started.use(new ExtProcClient(picker.address));
  const destination = async () => {
    const exchange = client.open();
    const routed = await exchange.route({
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
    });
    exchange.cancel();
    return routed.destination;
  };
  return { picker, destination };
}

/** Requests go to one address, or begin to. */
async function goesTo(destination: () => Promise<string | undefined>, i: 0 | 1): Promise<void> {
  await expect.poll(destination, { timeout: 5_000, interval: 20 }).toBe(`${ADDRESSES[i]}:8000`);
}

test('metrics over TLS, of an engine of one’s own, decide; so does a custom metric', async () => {
  await using started = new AsyncDisposableStack();
  const page = (waiting: number, temperature: number) =>
    `my_queue{stage="wait"} ${waiting}\nmy_queue{stage="run"} 0\nmy_kv_ratio 0.1\nmy_gpu_temp ${temperature}\n`;
  const { servers, port } = await pair(started, [page(2, 40), page(2, 80)], true);
  const { picker, destination } = await startPicker(
    started,
    `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: metrics-data-source
  parameters: {scheme: https, port: ${port}, insecureSkipVerify: false, caCertPath: ${folder}/ca.pem, interval: 200ms}
- type: core-metrics-extractor
  parameters:
    defaultEngine: my-engine
    engineConfigs:
    - name: my-engine
      queuedRequestsSpec: 'my_queue{stage="wait"}'
      kvUsageSpec: my_kv_ratio
      customMetrics:
      - {attributeKey: gpu_temp, metricSpec: my_gpu_temp}
- type: endpoint-attribute-scorer
  parameters:
    attributeKey: gpu_temp
    algorithm: {type: linear_lower_is_better, normalization: {fixedRange: {min: 30, max: 90}}}
- type: queue-scorer
schedulingProfiles:
- name: default
  plugins: [{pluginRef: endpoint-attribute-scorer}, {pluginRef: queue-scorer, weight: 5}]
dataLayer:
  sources:
  - pluginRef: metrics-data-source
    extractors: [{pluginRef: core-metrics-extractor}]
`,
  );
  await goesTo(destination, 0);
  expect((await picker.endpoints()).map((one) => [one.isFresh, one.waitingQueueSize])).toEqual([
    [true, 2],
    [true, 2],
  ]);
  for (const [i, server] of servers.entries()) server.page = page(2, i === 0 ? 80 : 40);
  await goesTo(destination, 1);
  for (const [i, server] of servers.entries()) server.page = page(i === 0 ? 1 : 9, i === 0 ? 80 : 40);
  await goesTo(destination, 0);
  expect(await picker.total('llm_d_epp_datalayer_extract_errors_total')).toBe(0);
});

test('several sources of one endpoint, at ports and paces of their own: the GPU decides where metrics are alike', async () => {
  await using started = new AsyncDisposableStack();
  const idle = 'vllm:num_requests_running 0\nvllm:num_requests_waiting 0\nvllm:kv_cache_usage_perc 0\n';
  const gpu = (busy: number) => `# TYPE DCGM_FI_DEV_GPU_UTIL gauge\nDCGM_FI_DEV_GPU_UTIL{gpu="0"} ${busy}\n`;
  const metrics = await pair(started, [idle, idle]);
  const gpus = await pair(started, [gpu(90), gpu(10)]);
  const { picker, destination } = await startPicker(
    started,
    `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: metrics-data-source
  parameters: {port: ${metrics.port}}
- type: core-metrics-extractor
- type: dcgm-data-source
  parameters: {port: ${gpus.port}, interval: 300ms}
- type: dcgm-extractor
- type: endpoint-attribute-scorer
  parameters:
    attributeKey: GPUUtilization
    producer: dcgm-extractor
    algorithm: {type: linear_lower_is_better, normalization: {fixedRange: {min: 0, max: 1}}}
dataLayer:
  sources:
  - pluginRef: dcgm-data-source
    extractors: [{pluginRef: dcgm-extractor}]
  - pluginRef: metrics-data-source
    extractors: [{pluginRef: core-metrics-extractor}]
`,
  );
  await goesTo(destination, 1);
  gpus.servers.forEach((server, i) => {
    server.page = gpu(i === 0 ? 10 : 90);
  });
  await goesTo(destination, 0);
  const count = (servers: readonly MetricsServer[]) =>
    servers.reduce((sum, one) => sum + one.requests.length, 0);
  const before = [count(metrics.servers), count(gpus.servers)] as const;
  const until = performance.now() + 1_500;
  while (performance.now() < until) await destination();
  const scrapes = count(metrics.servers) - before[0];
  const readings = count(gpus.servers) - before[1];
  expect(readings).toBeGreaterThan(3);
  expect(scrapes).toBeGreaterThan(2 * readings);

  // an exporter that is away takes nothing from the endpoint; its metrics are as fresh as before
  for (const server of gpus.servers) await server.refuse();
  await expect
    .poll(() => picker.metric('llm_d_epp_datalayer_poll_errors_total{source_type="dcgm-data-source"}'), {
      timeout: 5_000,
    })
    .toBeGreaterThan(0);
  await destination();
  for (const one of await picker.endpoints()) expect(one).toMatchObject({ isFresh: true, isReachable: true });
});
