import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { BOUNDED } from '../support/bounded.ts';
import { HELM, helmTemplate, objectsOf } from '../support/deployment/render.ts';
import { ENVOY, ENVOY_NOTE, hasEnvoy, startEnvoy } from '../support/envoy.ts';

const scratch = mkdtempSync(join(tmpdir(), 'epp-test-proxy-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** What the chart gives Envoy. */
function ofChart(router: object): string {
  const manifests = objectsOf(
    helmTemplate({
      router: {
        modelServers: { matchLabels: { app: 'vllm' }, targetPorts: [{ number: 8000 }, { number: 8001 }] },
        ...router,
      },
    }),
  );
  const map = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'demo-proxy');
  return (
    (map as { readonly data?: Readonly<Record<string, string>> } | undefined)?.data?.['envoy.yaml'] ?? ''
  );
}

interface Bootstrap {
  readonly static_resources: { readonly clusters: readonly Cluster[] };
}

interface Cluster {
  readonly name: string;
  readonly type: string;
  readonly transport_socket?: object;
  readonly load_assignment?: object;
}

function cluster(text: string, name: string): Cluster | undefined {
  const { static_resources: resources } = parse(text) as Bootstrap; // Envoy judges the rest
  return resources.clusters.find((candidate) => candidate.name === name);
}

/** Every kind of configuration that an Envoy of ours may get. */
function configurations(): readonly (readonly [string, string])[] {
  const kustomized = readFileSync('config/kubernetes/standalone/envoy.yaml', 'utf8');
  if (HELM === undefined) return [['kustomize', kustomized]];
  const epp = { flags: { 'secure-serving': false } };
  return [
    ['kustomize', kustomized],
    ['sidecar', ofChart({ proxy: { enabled: true } })],
    ['sidecar without TLS', ofChart({ proxy: { enabled: true }, epp })],
    ['sidecar with IPv6', ofChart({ proxy: { enabled: true, listenAddress: '::', port: 9000 } })],
    ['proxies', ofChart({ proxy: { enabled: true, mode: 'service' } })],
    ['proxies without TLS', ofChart({ proxy: { enabled: true, mode: 'service' }, epp })],
    ['proxies that fail closed', ofChart({ proxy: { enabled: true, mode: 'service', failOpen: false } })],
  ];
}

describe.skipIf(!hasEnvoy())(`Envoy${ENVOY_NOTE}`, () => {
  test.each(configurations())('takes the configuration of %s', (name, text) => {
    const file = join(scratch, `${name.replaceAll(' ', '-')}.yaml`);
    writeFileSync(file, text);
    const flags = ['--mode', 'validate', '--config-path', file, '--log-level', 'error'];
    const said = execFileSync(ENVOY ?? '', flags, BOUNDED);
    expect(said).toContain('OK');
  });

  test('answers probes and shows its own metrics', async () => {
    const text = readFileSync('config/kubernetes/standalone/envoy.yaml', 'utf8');
    const config = text
      .replaceAll(/port_value: (8081|19001)/g, 'port_value: 0')
      .replaceAll('0.0.0.0', '127.0.0.1');
    // no admin port, so that two can run: the cluster of its metrics leads nowhere, and says so
    await using envoy = await startEnvoy({ config: config.replace('port_value: 19000', 'port_value: 0') });
    const ready = envoy.listeners.get('ready');
    expect((await fetch(`http://${ready}/ready`)).status).toBe(200);
    expect((await fetch(`http://${ready}/stats/prometheus`)).status).toBe(503);
    expect((await fetch(`http://${ready}/quitquitquit`, { method: 'POST' })).status).toBe(404);
  });
});

describe.skipIf(HELM === undefined)('what the chart tells Envoy', () => {
  test('a sidecar finds the picker on loopback, proxies by name', () => {
    const address = (host: string, port: number) => ({
      endpoints: [
        {
          lb_endpoints: [{ endpoint: { address: { socket_address: { address: host, port_value: port } } } }],
        },
      ],
    });
    const sidecar = cluster(ofChart({ proxy: { enabled: true }, epp: { extProcPort: 9500 } }), 'epp');
    expect(sidecar).toMatchObject({ type: 'STATIC', load_assignment: address('127.0.0.1', 9500) });
    const proxies = cluster(
      ofChart({ proxy: { enabled: true, mode: 'service' }, clusterDomain: 'corp' }),
      'epp',
    );
    expect(proxies).toMatchObject({
      type: 'STRICT_DNS',
      load_assignment: address('demo-epp-pickers.llm.svc.corp', 9002),
    });
  });

  test('TLS to the picker follows the flag', () => {
    const isSecure = (flags: object) =>
      cluster(ofChart({ proxy: { enabled: true }, epp: { flags } }), 'epp')?.transport_socket !== undefined;
    expect([
      isSecure({}),
      isSecure({ 'secure-serving': true }),
      isSecure({ 'secure-serving': false }),
    ]).toEqual([true, true, false]);
  });

  test('what fails open knows the model servers on every port', () => {
    const open = ofChart({ proxy: { enabled: true, mode: 'service' } });
    const hosts = JSON.stringify(cluster(open, 'pool')?.load_assignment).match(
      /"address":"[^"]+","port_value":\d+/g,
    );
    expect(hosts).toEqual(
      [8000, 8001].map(
        (port) => `"address":"demo-epp-model-servers.llm.svc.cluster.local","port_value":${port}`,
      ),
    );
    expect(open).toContain('failure_mode_allow: true');
    const closed = ofChart({ proxy: { enabled: true, mode: 'service', failOpen: false } });
    expect(cluster(closed, 'pool')).toMatchObject({ type: 'ORIGINAL_DST' });
    expect(closed).toContain('failure_mode_allow: false');
  });
});
