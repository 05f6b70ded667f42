import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXT_PROC_SERVICE } from '../../src/extproc/codec.ts';
import { ENVOY_NOTE, hasEnvoy, startEnvoy } from '../support/envoy.ts';
import { envoyConfig } from '../support/envoy-config.ts';
import { freePorts } from '../support/free-port.ts';
import { HealthClient } from '../support/health-client.ts';
import { chatBody, send } from '../support/http-client.ts';
import { hasKubeApiserver, KUBE_NOTE, startKubeApiserver } from '../support/kube-apiserver.ts';
import { allowed, CRDS, KubeNamespace, POOL_LABELS, shippedRules } from '../support/kube-namespace.ts';
import type { PickerProcess } from '../support/picker-process.ts';
import type { RealKube } from '../support/real-kube.ts';
import { startUpstream, type Upstream, type UpstreamHandler } from '../support/upstream.ts';

/** Time for what is said to the API server to arrive, on a busy machine. */
const HEARD = { timeout: 10_000, interval: 20 };

const READER = 'endpoint-picker-metrics-reader';

describe.skipIf(!hasEnvoy() || !hasKubeApiserver())(`in a cluster${ENVOY_NOTE}${KUBE_NOTE}`, () => {
  let kube: RealKube;

  beforeAll(async () => {
    kube = await startKubeApiserver();
    await kube.applyCrds(CRDS);
  }, 180_000);

  afterAll(async () => {
    await kube?.[Symbol.asyncDispose]();
  });

  /** A namespace with a picker, as the shipped roles let it work, behind Envoy; one model server for each port. */
  async function startCluster(options: {
    ports: readonly number[];
    args?: readonly string[];
    handler?: UpstreamHandler;
  }) {
    const { ports, args, handler } = options;
    await using started = new AsyncDisposableStack();
    const namespace = started.use(await KubeNamespace.create(kube));
    const servers: Upstream[] = [];
    for (const port of ports) servers.push(started.use(await startUpstream(handler, port)));
    const picker = started.use(await namespace.startPicker(args === undefined ? {} : { args }));
    const envoy = started.use(await startEnvoy({ config: envoyConfig({ picker: picker.address }) }));
    const kept = started.move();
    return {
      namespace,
      servers,
      picker,
      envoy,
      /** Waits until the picker knows these endpoints, without their namespace. */
      expectEndpoints: async (...want: readonly string[]) => {
        const read = async () =>
          (await picker.endpoints()).map(({ id }) => id.slice(namespace.name.length + 1)).sort();
        await expect.poll(read, HEARD).toEqual(want);
      },
      /** What a client is told, and how many requests each server got. */
      ask: async (times: number) => {
        for (const server of servers) server.requests.length = 0;
        const answers = await Promise.all(
          Array.from({ length: times }, () => send(envoy.url, { body: chatBody('x', 1) })),
        );
        return [
          [...new Set(answers.map(({ status }) => status))],
          ...servers.map(({ requests }) => requests.length),
        ];
      },
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }

  test('a selector and ports make a pool of pods, without an InferencePool', async () => {
    const ports = await freePorts(2);
    const selector = '--endpoint-selector=app in (vllm,sglang),!canary';
    await using cluster = await startCluster({
      ports,
      args: [selector, `--endpoint-target-ports=${ports.join(',')}`],
    });
    const { namespace, picker } = cluster;
    await namespace.createPod({ name: 'a', podIP: '127.0.0.1', labels: { app: 'sglang' } });
    await namespace.createPod({ name: 'b', podIP: '127.0.0.1', labels: { app: 'tgi' } });
    await cluster.expectEndpoints('a-rank-0', 'a-rank-1');
    expect(await cluster.ask(20)).toEqual([[200], expect.any(Number), expect.any(Number)]);
    expect(cluster.servers.every(({ requests }) => requests.length > 0)).toBe(true);
    await kube.call('PATCH', namespace.podPath('a'), { metadata: { labels: { canary: '' } } });
    await cluster.expectEndpoints();
    expect(await cluster.ask(1)).toEqual([[503], 0, 0]);
    expect(await picker.metric('llm_d_epp_ready_endpoints{name="epp"}')).toBe(0);
    expectNoDenial(picker);
  });

  test('annotations say which ports of a pod are at work', async () => {
    const ports = await freePorts(2);
    await using cluster = await startCluster({ ports });
    const { namespace } = cluster;
    await namespace.createPool(ports);
    const annotations = { 'llm-d.ai/active-ports': String(ports[1]) };
    await namespace.createPod({ name: 'a', podIP: '127.0.0.1', annotations });
    await cluster.expectEndpoints('a-rank-1');
    expect(await cluster.ask(8)).toEqual([[200], 0, 8]);
    const annotate = (value: string | null) =>
      kube.call('PATCH', namespace.podPath('a'), {
        metadata: { annotations: { 'llm-d.ai/active-ports': value } },
      });
    await annotate(`${ports[0]}, 1`);
    await cluster.expectEndpoints('a-rank-0');
    expect(await cluster.ask(8)).toEqual([[200], 8, 0]);
    await annotate('');
    await cluster.expectEndpoints();
    expect(await cluster.ask(1)).toEqual([[503], 0, 0]);
    await annotate(null);
    await cluster.expectEndpoints('a-rank-0', 'a-rank-1');
    expectNoDenial(cluster.picker);
  });

  const answerAsAsked: UpstreamHandler = ({ body }, response) => {
    const { model, stream } = JSON.parse(body.toString()) as { model: string; stream: boolean }; // of `chatBody`
    const document = JSON.stringify({ id: 'c', model, choices: [] });
    if (!stream) response.writeHead(200, { 'content-type': 'application/json' }).end(document);
    else {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`data: ${document}\n\ndata: ${document}\n\ndata: [DONE]\n\n`);
    }
  };

  test.each([
    { group: 'llm-d.ai', poolGroup: 'inference.networking.k8s.io', isOlder: false },
    { group: 'inference.networking.x-k8s.io', poolGroup: 'inference.networking.x-k8s.io', isOlder: true },
  ])('objectives and rewrites of $group are seen in requests', async ({ group, poolGroup, isOlder }) => {
    await using _restored = isOlder ? await withoutNewerGroups() : undefined;
    const ports = await freePorts(1);
    const [port = 0] = ports;
    const args = ['--pool-name=pool', `--pool-group=${poolGroup}`];
    await using cluster = await startCluster({ ports, args, handler: answerAsAsked });
    const { namespace, picker, envoy, servers } = cluster;
    if (isOlder) {
      const extensionRef = { name: 'epp' };
      const spec = { selector: POOL_LABELS, targetPortNumber: port, extensionRef };
      await namespace.create(`${poolGroup}/v1alpha2`, 'InferencePool', { name: 'pool', spec });
    } else await namespace.createPool(ports);
    await namespace.createPod({ name: 'a', podIP: '127.0.0.1' });
    const poolRef = { name: 'pool', group: poolGroup };
    const rules = [
      { matches: [{ model: { value: 'llama' } }], targets: [{ modelRewrite: 'llama-v2', weight: 1 }] },
    ];
    const version = `${group}/v1alpha2`;
    await namespace.create(version, 'InferenceObjective', { name: 'gold', spec: { poolRef, priority: 7 } });
    await namespace.create(version, 'InferenceModelRewrite', { name: 'canary', spec: { poolRef, rules } });
    await cluster.expectEndpoints('a-rank-0');
    await expect
      .poll(() => picker.page('/debug/plugins/state'), HEARD)
      .toMatch(/"objectives":1,"rewriteRules":1/);

    for (const stream of [false, true]) {
      const headers = { 'x-llm-d-inference-objective': 'gold' };
      const body = chatBody('x', 1, { model: 'llama', stream });
      const answer = await send(envoy.url, { headers, body });
      expect(answer.status).toBe(200);
      expect(answer.body.toString()).toContain('"model":"llama"');
      expect(answer.body.toString()).not.toContain('llama-v2');
      expect(JSON.parse(servers[0]?.requests.at(-1)?.body.toString() ?? '')).toEqual({
        ...body,
        model: 'llama-v2',
      });
    }
    const labels = 'model_name="llama",target_model_name="llama-v2",fairness_id="default-flow",priority="7"';
    expect(await picker.metric(`llm_d_epp_request_total{${labels}}`)).toBe(2);
    expectNoDenial(picker);
  });

  test('the metrics port is for those whom the cluster lets in', async () => {
    await using cluster = await startCluster({
      ports: [],
      args: ['--pool-name=pool', '--metrics-endpoint-auth'],
    });
    const { namespace, picker } = cluster;
    const reader = await kube.serviceAccount(
      namespace.name,
      READER,
      shippedRules('monitoring/reader/reader'),
    );
    const nobody = await kube.serviceAccount(namespace.name, 'nobody', {});
    await allowed(kube, {
      user: `system:serviceaccount:${namespace.name}:${READER}`,
      nonResourceAttributes: { path: '/metrics', verb: 'get' },
    });
    const status = async (path: string, authorization?: string) => {
      const headers = authorization === undefined ? {} : { authorization };
      const url = `http://127.0.0.1:${picker.ports.metricsPort}${path}`;
      const response = await fetch(url, { headers });
      const text = await response.text();
      expect(text.includes('llm_d_epp_')).toBe(response.status === 200 && path === '/metrics');
      return response.status;
    };
    const bearer = async ({ serviceAccountFolder }: { readonly serviceAccountFolder: string }) =>
      `Bearer ${await readFile(join(serviceAccountFolder, 'token'), 'utf8')}`;
    expect(await status('/metrics')).toBe(401);
    expect(await status('/metrics', 'Bearer nonsense')).toBe(401);
    expect(await status('/metrics', 'Basic dTpw')).toBe(401);
    expect(await status('/metrics', await bearer(nobody))).toBe(403);
    expect(await status('/metrics', await bearer(reader))).toBe(200);
    for (const path of ['/debug/endpoints', '/debug/config', '/metrics/', '/nowhere']) {
      expect([path, await status(path, await bearer(reader))]).toEqual([path, 403]);
    }
    expect(await status('/debug/endpoints', await bearer(kube.access))).toBe(200);
    // By a role of Kubernetes itself everybody it knows may see this one.
    expect(await status('/healthz', await bearer(nobody))).toBe(200);
    expect(await status('/healthz')).toBe(401);
    expectNoDenial(picker);
  });

  test('a picker is ready from when its pool is known until the pool is gone, and alive all the time', async () => {
    const ports = await freePorts(1);
    await using cluster = await startCluster({ ports });
    const { namespace, picker } = cluster;
    using health = new HealthClient(`127.0.0.1:${picker.ports.healthPort}`);
    const services = [EXT_PROC_SERVICE, '', 'readiness', 'inference-extension', 'liveness'];
    const statuses = () => Promise.all(services.map((service) => health.check(service)));
    const not = 'NOT_SERVING';
    expect(await statuses()).toEqual([not, not, not, not, 'SERVING']);
    expect(await cluster.ask(1)).toEqual([[503], 0]);
    await namespace.createPool(ports);
    await expect.poll(statuses, HEARD).toEqual(services.map(() => 'SERVING'));
    await namespace.patchPool({ appProtocol: 'kubernetes.io/h2c' });
    await expect.poll(() => picker.page('/debug/plugins/state'), HEARD).toContain('"kubernetes.io/h2c"');
    expect(await statuses()).toEqual(services.map(() => 'SERVING'));
    await namespace.deletePool();
    await expect.poll(statuses, HEARD).toEqual([not, not, not, not, 'SERVING']);
    expectNoDenial(picker);
  });

  /** The picker was never told that it may not; the time of a line may end with any digits. */
  function expectNoDenial({ lines }: PickerProcess): void {
    expect(
      lines.filter((line) => /forbidden|permission|\b403\b/i.test(line.replace(/"ts":[\d.]+/, ''))),
    ).toEqual([]);
  }

  /** The server does not have the kinds in the newer groups until disposed. */
  async function withoutNewerGroups(): Promise<AsyncDisposable> {
    const newer = [
      'inferencepools.inference.networking.k8s.io',
      'inferenceobjectives.llm-d.ai',
      'inferencemodelrewrites.llm-d.ai',
    ];
    const serve = async (served: boolean) => {
      for (const name of newer) {
        const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`;
        const { spec } = await kube.call('GET', path);
        const { group, names, versions } = spec as Definition;
        await kube.call('PATCH', path, { spec: { versions: versions.map((one) => ({ ...one, served })) } });
        const version = versions[0]?.name ?? '';
        const isThere = () =>
          kube.call('GET', `/apis/${group}/${version}/${names.plural}`).then(
            () => true,
            () => false,
          );
        await expect.poll(isThere, HEARD).toBe(served);
      }
    };
    await serve(false);
    return { [Symbol.asyncDispose]: () => serve(true) };
  }
});

/** `spec` of a CustomResourceDefinition. */
interface Definition {
  readonly group: string;
  readonly names: { readonly plural: string };
  readonly versions: readonly { readonly name: string }[];
}
