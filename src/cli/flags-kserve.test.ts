import { describe, expect, test } from 'vitest';
import { loadConfiguration } from '../config/load.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { parseFlags } from './flags.ts';

function parse(...argv: string[]) {
  return parseFlags(argv, {});
}

/** What KServe's controller passes to `/app/epp`: its template's command, then its arguments. */
const KSERVE_COMMAND = [
  '--pool-name',
  'llama-inference-pool',
  '--pool-namespace',
  'llm',
  '--zap-encoder',
  'json',
  '--grpc-port',
  '9002',
  '--grpc-health-port',
  '9003',
];
const KSERVE_CONFIG = JSON.stringify({
  apiVersion: 'llm-d.ai/v1alpha1',
  kind: 'EndpointPickerConfig',
  plugins: [{ type: 'single-profile-handler' }, { type: 'queue-scorer' }, { type: 'max-score-picker' }],
  schedulingProfiles: [
    { name: 'default', plugins: [{ pluginRef: 'queue-scorer' }, { pluginRef: 'max-score-picker' }] },
  ],
});
const KSERVE_ARGS = ['--config-text', KSERVE_CONFIG, '--tracing=true'];

describe("KServe's argument list", () => {
  const common = {
    poolNames: ['llama-inference-pool'],
    poolNamespace: 'llm',
    zapEncoder: 'json',
    grpcPort: 9002,
    grpcHealthPort: 9003,
    configText: KSERVE_CONFIG,
    tracing: true,
    secureServing: true,
  };

  test('with TLS', () => {
    const { options, errors, warnings } = parse(
      ...KSERVE_COMMAND,
      '--enable-cert-reload=true',
      '--secure-serving=true',
      '--model-server-metrics-scheme=https',
      '--cert-path=/var/run/kserve/tls',
      ...KSERVE_ARGS,
    );
    expect(errors).toEqual([]);
    expect(options).toMatchObject({ ...common, certReload: true, certPath: '/var/run/kserve/tls' });
    expect(options.pluginParameters).toEqual(new Map([['metrics-data-source', { scheme: 'https' }]]));
    expect(warnings).toEqual([
      'flag --model-server-metrics-scheme is deprecated: it becomes scheme of metrics-data-source',
    ]);
  });

  test('without TLS: four empty arguments', () => {
    const { options, errors, warnings } = parse(...KSERVE_COMMAND, '', '', '', '', ...KSERVE_ARGS);
    expect({ errors, warnings }).toEqual({ errors: [], warnings: [] });
    expect(options).toMatchObject({ ...common, certReload: false, certPath: '' });
  });

  test('with several replicas', () => {
    const { options, errors } = parse(...KSERVE_COMMAND, '--ha-enable-leader-election', ...KSERVE_ARGS);
    expect(errors).toEqual([]);
    expect(options).toMatchObject({ ...common, leaderElection: true });
  });

  test('with the names of its older templates', () => {
    const { options, errors, warnings } = parse(
      ...'--poolName p --poolNamespace ns --zap-encoder json --grpcPort 9002 --grpcHealthPort 9003'.split(
        ' ',
      ),
      ...'--secureServing --modelServerMetricsScheme https --certPath /etc/ssl/certs'.split(' '),
      '-configText',
      KSERVE_CONFIG,
    );
    expect(errors).toEqual([]);
    expect(options).toMatchObject({
      poolNames: ['p'],
      poolNamespace: 'ns',
      grpcPort: 9002,
      grpcHealthPort: 9003,
      secureServing: true,
      certPath: '/etc/ssl/certs',
      configText: KSERVE_CONFIG,
    });
    expect(warnings).toContain('flag --certPath is called --cert-path');
  });

  test('its configuration in JSON is read as YAML is', () => {
    const { document, problems } = loadConfiguration(KSERVE_CONFIG, {
      catalogue: CATALOGUE,
      allowExperimental: false,
      pluginParameters: new Map(),
    });
    expect(problems.filter((problem) => problem.severity === 'error')).toEqual([]);
    expect(document?.plugins.map((plugin) => plugin.definition.type)).toContain('queue-scorer');
  });
});
