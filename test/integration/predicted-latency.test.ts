import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type Gateway, startGateway } from '../../src/gateway/gateway.ts';
import { LISTEN } from '../support/gateway.ts';
import { chatBody, send } from '../support/http-client.ts';
import { type LatencyPredictor, startLatencyPredictor } from '../support/latency-predictor.ts';
import { PickerProcess } from '../support/picker-process.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

/** Waiting requests and KV cache use of the three servers; the predictor goes by what waits. */
const LOADS = [
  { waiting: 0, kvCacheUsage: 0.1 },
  { waiting: 5, kvCacheUsage: 0.5 },
  { waiting: 10, kvCacheUsage: 1 },
] as const;

/** Model servers, a predictor, a picker in a process of its own, and a gateway that asks it. */
class Setting implements AsyncDisposable {
  readonly servers: readonly Upstream[];
  readonly predictor: LatencyPredictor;
  readonly picker: PickerProcess;
  readonly #gateway: Gateway;
  readonly #disposal: AsyncDisposableStack;
  #prompts = 0;

  private constructor(
    parts: {
      servers: readonly Upstream[];
      predictor: LatencyPredictor;
      picker: PickerProcess;
      gateway: Gateway;
    },
    disposal: AsyncDisposableStack,
  ) {
    this.servers = parts.servers;
    this.predictor = parts.predictor;
    this.picker = parts.picker;
    this.#gateway = parts.gateway;
    this.#disposal = disposal;
  }

  /** `discovery` is written to a file of endpoints beside the addresses of the servers. */
  static async start(discovery?: object): Promise<Setting> {
    await using started = new AsyncDisposableStack();
    const predictor = started.use(await startLatencyPredictor());
    predictor.predict = ({ num_request_waiting: waiting }) => ({ ttft: 50 + 100 * waiting, tpot: 20 });
    const servers: Upstream[] = [];
    for (const load of LOADS) {
      const server = started.use(await startUpstream());
      Object.assign(server.load, load);
      servers.push(server);
    }
    let config = await readFile('config/examples/predicted-latency.yaml', 'utf8');
    if (discovery !== undefined) {
      const folder = await mkdtemp(join(tmpdir(), 'predicted-latency-'));
      started.defer(() => rm(folder, { recursive: true, force: true }));
      const path = join(folder, 'endpoints.yaml');
      const endpoints = servers.map(({ address }, i) => {
        const [host, port] = address.split(':');
        return { name: `server-${i}`, address: host, port };
      });
      await writeFile(path, stringify({ ...discovery, endpoints }));
      config = config.replace(
        'plugins:',
        `dataLayer: {discovery: {pluginRef: endpoints}}\nplugins:\n- {name: endpoints, type: file-discovery, parameters: {path: ${path}}}`,
      );
    }
    const picker = started.use(
      await PickerProcess.start({
        config,
        ...(discovery === undefined ? { endpoints: servers.map(({ address }) => address) } : {}),
        env: { PREDICTION_SERVER_URL: predictor.url, TRAINING_SERVER_URL: predictor.url },
      }),
    );
    const gateway = started.use(await startGateway({ ...LISTEN, epp: picker.address }));
    await expect
      .poll(async () => (await picker.endpoints()).map((one) => one.waitingQueueSize).toSorted())
      .toEqual([0, 10, 5]);
    return new Setting({ servers, predictor, picker, gateway }, started.move());
  }

  /** Requests that each server has got. */
  get served(): number[] {
    return this.servers.map(({ requests }) => requests.length);
  }

  /** Asks for something nobody has asked for before. */
  async ask(headers: Record<string, string> = {}) {
    this.#prompts += 1;
    const prompt = Array.from({ length: 200 }, (_, i) => `prompt ${this.#prompts} word ${i}`).join(' ');
    const startMs = performance.now();
    const answer = await send(`http://${this.#gateway.address}`, { body: chatBody(prompt, 1), headers });
    return { answer, tookMs: performance.now() - startMs };
  }

  /** Asks `count` times one after the other, and wants every request answered. */
  async askAll(count: number, headers: Record<string, string>): Promise<void> {
    for (let i = 0; i < count; i += 1) expect((await this.ask(headers)).answer.status).toBe(200);
  }

  calls(outcome: string): Promise<number> {
    const labels = `plugin_name="predicted-latency-producer",plugin_type="predicted-latency-producer",call="predict",outcome="${outcome}"`;
    return this.picker.metric(`llm_d_epp_latency_predictor_calls_total{${labels}}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposal.disposeAsync();
  }
}

/** A predictor that was away is found again after a pause that grows. */
const TIMEOUT_MS = 60_000;

const STRICT = { 'x-llm-d-slo-ttft-ms': '300' };

test(
  'requests go where their objective is met; without the predictor they go by load, and back when it is back',
  async () => {
    await using setting = await Setting.start();
    await setting.askAll(10, STRICT);
    expect(setting.served).toEqual([10, 0, 0]);
    expect(setting.servers[0]?.requests[0]?.headers).not.toHaveProperty('x-llm-d-slo-ttft-ms');

    await setting.askAll(20, { 'x-slo-ttft-ms': '800' });
    expect(setting.served[2]).toBe(0);
    expect(setting.served[1]).toBeGreaterThan(10);
    await expect.poll(() => setting.predictor.samples.length, { timeout: 5000 }).toBe(30);
    expect(setting.predictor.samples.every(({ actual_ttft_ms: ms }) => ms > 0)).toBe(true);

    await setting.predictor.close();
    const before = setting.served;
    await setting.askAll(20, STRICT);
    const [first = 0, second = 0, third = 0] = setting.served.map((count, i) => count - (before[i] ?? 0));
    expect([first + second, third]).toEqual([20, 0]);
    expect(second).toBeGreaterThan(0);
    expect(await setting.calls('failed')).toBeGreaterThanOrEqual(3);
    expect(await setting.calls('skipped')).toBeGreaterThan(0);

    await setting.predictor.listen();
    const answered = await setting.calls('ok');
    await expect
      .poll(
        async () => {
          await setting.ask(STRICT);
          return setting.calls('ok');
        },
        { timeout: 10_000, interval: 100 },
      )
      .toBeGreaterThan(answered);
    const then = setting.served;
    await setting.askAll(5, STRICT);
    expect(setting.served.map((count, i) => count - (then[i] ?? 0))).toEqual([5, 0, 0]);
  },
  TIMEOUT_MS,
);

test(
  'a predictor that hangs holds up three requests for its budget, and no more',
  async () => {
    await using setting = await Setting.start();
    setting.predictor.mode = 'stall';
    const waits: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      const { answer, tookMs } = await setting.ask(STRICT);
      expect(answer.status).toBe(200);
      waits.push(tookMs);
    }
    expect(waits.filter((ms) => ms >= 350).length).toBeGreaterThanOrEqual(3);
    expect(waits.filter((ms) => ms < 350).length).toBeGreaterThanOrEqual(4);
    expect(Math.max(...waits)).toBeLessThan(3000);
    expect(await setting.calls('abandoned')).toBeGreaterThanOrEqual(3);
  },
  TIMEOUT_MS,
);

test(
  'a request that may be shed is refused when all would be late and none is idle',
  async () => {
    const objectives = [{ name: 'batch', priority: -1 }];
    await using setting = await Setting.start({ objectives });
    const held: ServerResponse[] = [];
    for (const server of setting.servers) {
      server.handler = (_request, response) => held.push(response);
      Object.assign(server.load, { waiting: 1, kvCacheUsage: 0.5 }); // far from saturated, and warm
    }
    await expect
      .poll(async () => (await setting.picker.endpoints()).map((one) => one.waitingQueueSize))
      .toEqual([1, 1, 1]);
    const open: Promise<unknown>[] = [];
    const isBusy = async () =>
      (await setting.picker.endpoints()).every(({ inFlightRequests }) => inFlightRequests > 0);
    for (let i = 0; i < 60 && !(await isBusy()); i += 1) {
      const sent = setting.served.reduce((sum, count) => sum + count, 0);
      open.push(setting.ask());
      await expect.poll(() => setting.served.reduce((sum, count) => sum + count, 0)).toBe(sent + 1);
    }
    expect(await isBusy()).toBe(true);

    const late = { 'x-llm-d-slo-ttft-ms': '1' };
    const { answer } = await setting.ask({ ...late, 'x-llm-d-inference-objective': 'batch' });
    expect([answer.status, answer.headers['x-llm-d-request-dropped-reason']]).toEqual([
      429,
      'rejected-saturated',
    ]);
    expect(answer.body.toString()).toContain('no valid endpoint available to serve the request');
    open.push(setting.ask(late));
    await expect.poll(() => held.length).toBe(open.length);
    for (const response of held) response.writeHead(200).end();
    await Promise.all(open);
  },
  TIMEOUT_MS,
);
