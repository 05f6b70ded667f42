import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { dashboardJson } from './dashboard.ts';
import { proxyConfiguration } from './envoy.ts';
import { chartReadme } from './values-table.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const KUSTOMIZE = 'config/kubernetes';
const CHART = 'charts/endpoint-picker';
const MADE_BY = 'by npm run docs: Envoy in a pod.';

/** Files of the manifests that are made of others, with the content they should have, by path in the repository. */
export function generatedManifests(): ReadonlyMap<string, string> {
  const byHeader = read('config/envoy/standalone-header.yaml');
  const byOverride = read('config/envoy/override-host.yaml');
  const dashboard = dashboardJson();
  return new Map([
    [`${KUSTOMIZE}/base/default-plugins.yaml`, withoutSchemaLine(read('config/examples/default.yaml'))],
    [`${KUSTOMIZE}/monitoring/dashboard/endpoint-picker.json`, dashboard],
    [
      `${KUSTOMIZE}/standalone/envoy.yaml`,
      proxyConfiguration(byHeader, {
        title: `Made of config/envoy/standalone-header.yaml ${MADE_BY}`,
        edits: [[address('127.0.0.1', 8081), address('0.0.0.0', 8081)]],
      }),
    ],
    [
      `${CHART}/files/envoy.yaml.tpl`,
      templated(
        proxyConfiguration(byHeader, {
          title: `Made of config/envoy/standalone-header.yaml ${MADE_BY}`,
          edits: PICKER_AND_LISTENER,
        }),
      ),
    ],
    [
      `${CHART}/files/envoy-fail-open.yaml.tpl`,
      templated(
        proxyConfiguration(byOverride, {
          title: `Made of config/envoy/override-host.yaml ${MADE_BY}`,
          edits: [...PICKER_AND_LISTENER, ...FAIL_OPEN],
        }),
      ),
    ],
    [`${CHART}/files/dashboard.json`, dashboard],
    [`${CHART}/files/alerts.yaml`, alerts()],
    [`${CHART}/README.md`, chartReadme()],
  ]);
}

function read(file: string): string {
  return readFileSync(`${ROOT}${file}`, 'utf8');
}

function address(host: string, port: number | string): string {
  return `{ socket_address: { address: ${host}, port_value: ${port} } }`;
}

const PICKER_CLUSTER = `- name: epp
      # EDIT: STRICT_DNS when the picker has a name instead of an address.
      type: STATIC`;

/** What the chart puts into both examples. */
const PICKER_AND_LISTENER: readonly (readonly [string, string])[] = [
  [
    address('127.0.0.1', 8081),
    address('{{ .Values.router.proxy.listenAddress | quote }}', '{{ .Values.router.proxy.port }}'),
  ],
  [address('0.0.0.0', 19_001), address('{{ .Values.router.proxy.listenAddress | quote }}', 19_001)],
  [PICKER_CLUSTER, '- name: epp\n      type: {{ .picker.clusterType }}'],
  [address('127.0.0.1', 9002), address('{{ .picker.address }}', '{{ .picker.port }}')],
];

const SERVER_LIST = /(?: +- endpoint: .*port_value: 800\d .*\n)+/;

/** Requests go round the model servers while no picker answers. */
const FAIL_OPEN: readonly (readonly [string, string])[] = [
  ['      # EDIT: STRICT_DNS for names.\n      type: STATIC', '      type: STRICT_DNS'],
  ['failure_mode_allow: false', 'failure_mode_allow: true'],
  ['# With failure_mode_allow add this line too: once the checks', '# Once the checks'],
  [
    '# common_lb_config: { healthy_panic_threshold: { value: 0 } }',
    'common_lb_config: { healthy_panic_threshold: { value: 0 } }',
  ],
];

/** Makes the lines for TLS and the list of model servers depend on the chart's values. */
function templated(configuration: string): string {
  const tls = /^ +transport_socket:\n(?: {8,}.*\n)+/m;
  const servers = `              {{- range .picker.ports }}
              - endpoint: ${address('{{ $.picker.servers }}', '{{ .number }}').replace('{ ', '{ address: { ').concat(' }')}
              {{- end }}
`;
  return configuration
    .replace(tls, (lines) => `      {{- if .picker.isSecure }}\n${lines}      {{- end }}\n`)
    .replace(SERVER_LIST, () => servers);
}

/** The groups of the PrometheusRule, without what makes them an object. */
function alerts(): string {
  const rule: unknown = parse(read(`${KUSTOMIZE}/monitoring/rules/prometheus-rule.yaml`));
  const { spec } = rule as { readonly spec: object }; // our own file, whose shape a test checks
  return stringify(spec, { lineWidth: 0 });
}

/** The line for editors names a file beside the examples. */
function withoutSchemaLine(text: string): string {
  return text.replace(/^# yaml-language-server: .*\n/, '');
}
