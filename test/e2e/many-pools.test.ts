import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { hasEnvoy, startEnvoy } from '../support/envoy.ts';
import { envoyConfig } from '../support/envoy-config.ts';
import { chatBody, send } from '../support/http-client.ts';
import { PickerProcess } from '../support/picker-process.ts';
import { startUpstream } from '../support/upstream.ts';

const HEAD = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n';

/** Name that Istio gives the cluster of the InferencePool `b` of namespace `lab`. */
const ISTIO_CLUSTER = 'outbound|54321||b-ip-1a2b3c4d.lab.svc.cluster.local';

/** Sets the metadata that names the pool, for requests with `x-tenant: c`. */
const NAME_POOL = {
  name: 'envoy.filters.http.lua',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua',
    default_source_code: {
      inline_string: `function envoy_on_request(handle)
        if handle:headers():get("x-tenant") == "c" then
          handle:streamInfo():dynamicMetadata():set("llm-d.ai", "inference-pool", "c")
        end
      end`,
    },
  },
};

interface Route {
  match: object;
  route: { cluster: string };
  name?: string;
}

interface Document {
  static_resources: {
    listeners: {
      filter_chains: {
        filters: {
          typed_config: {
            route_config: { virtual_hosts: { routes: Route[] }[] };
            http_filters: {
              name: string;
              typed_config: {
                request_attributes?: readonly string[];
                metadata_options: { forwarding_namespaces: { untyped: string[] } };
              };
            }[];
          };
        }[];
      }[];
    }[];
    clusters: { name: string }[];
  };
}

/**
 * The published configuration with a route for each tenant: `a` goes to a cluster called like its pool, `b` to one as
 * Istio calls it, `named` by a route called like the pool, `c` to a cluster that says nothing, with metadata.
 */
function manyPoolsConfig(picker: string): string {
  const document = parse(envoyConfig({ picker, filters: [NAME_POOL] })) as Document;
  const connections = document.static_resources.listeners[0]?.filter_chains[0]?.filters[0]?.typed_config;
  const host = connections?.route_config.virtual_hosts[0];
  const [route] = host?.routes ?? [];
  const extProc = connections?.http_filters.find(({ name }) => name === 'envoy.filters.http.ext_proc');
  const pool = document.static_resources.clusters.find(({ name }) => name === 'pool');
  if (host === undefined || route === undefined || extProc === undefined || pool === undefined) {
    throw new Error('the published configuration has another form than expected');
  }
  const settings = extProc.typed_config;
  settings.request_attributes = ['xds.cluster_name', 'xds.route_name'];
  settings.metadata_options.forwarding_namespaces.untyped.push('llm-d.ai');
  const routeOf = (tenant: string, cluster: string, name = ''): Route => {
    const headers = [{ name: 'x-tenant', string_match: { exact: tenant } }];
    return { name, match: { prefix: '/', headers }, route: { ...route.route, cluster } };
  };
  host.routes = [routeOf('a', 'a'), routeOf('b', ISTIO_CLUSTER), routeOf('named', 'pool', 'lab/b'), route];
  document.static_resources.clusters.push({ ...pool, name: 'a' }, { ...pool, name: ISTIO_CLUSTER });
  return stringify(document);
}

describe.skipIf(!hasEnvoy())('many pools behind Envoy', () => {
  test('routes, clusters and metadata say which pool a request is for; headers of clients do not', async () => {
    await using a = await startUpstream();
    await using b = await startUpstream();
    await using c = await startUpstream();
    const pools = [
      { name: 'a', endpoints: [a.address] },
      { name: 'b', namespace: 'lab', endpoints: [b.address] },
      { name: 'c', endpoints: [c.address] },
    ];
    await using picker = await PickerProcess.start({ config: `${HEAD}pools: ${JSON.stringify(pools)}\n` });
    await using envoy = await startEnvoy({ config: manyPoolsConfig(picker.address) });
    const upstreams = { a, b, c };
    const servedBy = async (tenant: string) => {
      const before = Object.values(upstreams).map((one) => one.requests.length);
      const headers = { 'x-tenant': tenant, 'inference-pool': 'a', 'x-pool': 'a' };
      const { status } = await send(envoy.url, { body: chatBody('hello', 1), headers });
      const served = Object.entries(upstreams).filter(([, one], i) => one.requests.length > (before[i] ?? 0));
      return status === 200 ? served.map(([name]) => name).join() : status;
    };
    for (let i = 0; i < 5; i += 1) {
      expect(await servedBy('a')).toBe('a');
      expect(await servedBy('b')).toBe('b');
      expect(await servedBy('named')).toBe('b');
      expect(await servedBy('c')).toBe('c');
      expect(await servedBy('nobody')).toBe(404);
    }
  });
});
