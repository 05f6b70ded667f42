import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FLAGS } from './flags/table.ts';
import { endpointErrors, helpText, parseFlags } from './flags.ts';

function parse(...argv: string[]) {
  return parseFlags(argv, {});
}

test('no flags: the defaults, without complaint', () => {
  const { options, warnings, errors, isHelp } = parse();
  expect({ warnings, errors, isHelp }).toEqual({ warnings: [], errors: [], isHelp: false });
  expect(options).toMatchObject({
    grpcPort: 9002,
    grpcHealthPort: 9003,
    metricsPort: 9090,
    secureServing: true,
    drainTimeoutMs: 30_000,
    poolNamespace: 'default',
    refreshMetricsIntervalMs: 50,
    refreshPoolMetricsIntervalMs: 5000,
    metricsStalenessThresholdMs: 2000,
    maxRequestBodyBytes: 67_108_864,
    grpcMaxReceiveBytes: 0,
    requestBodyMode: 'auto',
    errorFormat: 'auto',
    retryAfterSeconds: 1,
    trustClientControlHeaders: true,
    deprecatedMetrics: true,
    endpoints: [],
    verbosity: 2,
    zapDevel: undefined,
  });
});

test.each([
  { name: 'two arguments', argv: ['--grpc-port', '9100'], want: { grpcPort: 9100 } },
  { name: 'an equals sign', argv: ['--grpc-port=9100'], want: { grpcPort: 9100 } },
  { name: 'the last one wins', argv: ['--grpc-port=1', '--grpc-port=2'], want: { grpcPort: 2 } },
  { name: 'Go numbers', argv: ['--grpc-port=0x2000'], want: { grpcPort: 8192 } },
  {
    name: 'a switch',
    argv: ['--health-checking', '--tracing=false'],
    want: { healthChecking: true, tracing: false },
  },
  { name: 'Go booleans', argv: ['--secure-serving=F'], want: { secureServing: false } },
  { name: '-v 4', argv: ['-v', '4'], want: { verbosity: 4 } },
  { name: '-v=4', argv: ['-v=4'], want: { verbosity: 4 } },
  { name: '-v4', argv: ['-v4'], want: { verbosity: 4 } },
  { name: '--v=5', argv: ['--v=5'], want: { verbosity: 5 } },
  { name: '-v -1', argv: ['-v', '-1'], want: { verbosity: -1 } },
  {
    name: 'durations',
    argv: ['--drain-timeout=1m30s', '--metrics-staleness-threshold', '0'],
    want: { drainTimeoutMs: 90_000, metricsStalenessThresholdMs: 0 },
  },
  { name: 'a negative drain', argv: ['--drain-timeout=-1s'], want: { drainTimeoutMs: -1000 } },
  {
    name: 'sizes with and without B',
    argv: ['--max-request-body=1Mi', '--grpc-max-recv-msg-size=10MiB', '--grpc-max-send-msg-size=25MB'],
    want: { maxRequestBodyBytes: 1_048_576, grpcMaxReceiveBytes: 10_485_760, grpcMaxSendBytes: 25_000_000 },
  },
  {
    name: 'an empty size is the default',
    argv: ['--grpc-max-recv-msg-size='],
    want: { grpcMaxReceiveBytes: 0 },
  },
  {
    name: 'endpoints, repeated and with commas',
    argv: ['--endpoints=10.0.0.1:8000,[::1]:8001', '--endpoints', 'vllm.local:80, 10.0.0.1:8000'],
    want: {
      endpoints: [
        { host: '10.0.0.1', port: 8000 },
        { host: '::1', port: 8001 },
        { host: 'vllm.local', port: 80 },
      ],
    },
  },
  {
    name: 'ports without repetition',
    argv: ['--endpoint-target-ports=8000,8001', '--endpoint-target-ports=8000'],
    want: { endpointTargetPorts: [8000, 8001] },
  },
  {
    name: 'a TLS version',
    argv: ['--tls-min-version=VersionTLS13'],
    want: { tlsMinVersion: 'VersionTLS13' },
  },
  {
    name: 'ciphers by Go name',
    argv: ['--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
    want: {
      tlsCiphers: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
    },
  },
  {
    name: 'zap flags',
    argv: ['--zap-encoder', 'json', '--zap-devel=false', '--zap-log-level=4'],
    want: { zapEncoder: 'json', zapDevel: false, zapLogLevel: '4' },
  },
  { name: 'a value that looks like a flag', argv: ['--config-text', '--x'], want: { configText: '--x' } },
])('accepted: $name', ({ argv, want }) => {
  const { options, errors } = parse(...argv);
  expect(errors).toEqual([]);
  expect(options).toMatchObject(want);
});

test.each([
  {
    name: 'unknown, with a suggestion',
    argv: ['--grcp-port=1'],
    want: ['unknown flag --grcp-port; did you mean --grpc-port?'],
  },
  { name: 'unknown, with its value', argv: ['--nonsense', 'x'], want: ['unknown flag --nonsense'] },
  { name: 'no value', argv: ['--grpc-port'], want: ['flag --grpc-port needs a value'] },
  {
    name: 'port 0',
    argv: ['--metrics-port=0'],
    want: ['invalid --metrics-port "0": want a whole number from 1 to 65535'],
  },
  {
    name: 'port in words',
    argv: ['--grpc-port=http'],
    want: ['invalid --grpc-port "http": want a whole number from 1 to 65535'],
  },
  {
    name: 'a boolean that is none',
    argv: ['--tracing=yes'],
    want: ['invalid --tracing "yes": want true or false'],
  },
  {
    name: 'a bare duration',
    argv: ['--drain-timeout=30'],
    want: ['invalid --drain-timeout "30": want a duration such as 300ms or 1m30s'],
  },
  {
    name: 'no pool metrics interval',
    argv: ['--refresh-prometheus-metrics-interval=0'],
    want: ['invalid --refresh-prometheus-metrics-interval "0": want a duration above 0'],
  },
  {
    name: 'sizes',
    argv: ['--grpc-max-recv-msg-size=-1', '--grpc-max-send-msg-size=9E', '--max-request-body=x'],
    want: [
      'invalid --grpc-max-recv-msg-size "-1": must be non-negative',
      'invalid --grpc-max-send-msg-size "9E": overflows the largest supported size',
      'invalid --max-request-body "x": want a size such as 10485760, 25MB or 10MiB',
    ],
  },
  {
    name: 'endpoints',
    argv: ['--endpoints=10.0.0.1'],
    want: ['invalid --endpoints "10.0.0.1": "10.0.0.1" is no host:port (IPv6 in brackets, port 1 to 65535)'],
  },
  {
    name: 'IPv6 without brackets',
    argv: ['--endpoints=::1:80'],
    want: ['invalid --endpoints "::1:80": "::1:80" is no host:port (IPv6 in brackets, port 1 to 65535)'],
  },
  {
    name: 'TLS names',
    argv: ['--tls-min-version=1.2', '--tls-cipher-suites=RC4'],
    want: [
      'invalid --tls-min-version "1.2": unknown TLS version, want VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13',
      'invalid --tls-cipher-suites "RC4": unknown cipher suite "RC4"',
    ],
  },
  {
    name: 'a choice',
    argv: ['--error-format=xml'],
    want: ['invalid --error-format "xml": want one of auto, text, json'],
  },
  {
    name: 'a choice that may be empty',
    argv: ['--zap-encoder=xml'],
    want: ['invalid --zap-encoder "xml": want one of json, console'],
  },
  {
    name: 'two configurations',
    argv: ['--config-file=a', '--config-text=b'],
    want: ['both --config-file and --config-text are set, want one'],
  },
  {
    name: 'two pools',
    argv: ['--pool-name=a', '--endpoint-selector=b', '--endpoint-target-ports=1'],
    want: ['either --pool-name or --endpoint-selector must be set, got both'],
  },
  {
    name: 'a pool with two namespaces',
    argv: ['--pool-name=a/b/c'],
    want: ['invalid --pool-name "a/b/c": want name or namespace/name'],
  },
  {
    name: 'a pool header that is none',
    argv: ['--pool-header=:path'],
    want: ['invalid --pool-header ":path": want the name of a header'],
  },
  {
    name: 'a selector without ports',
    argv: ['--endpoint-selector=app=a'],
    want: ['--endpoint-target-ports: got 0 ports, want 1 to 8 with --endpoint-selector'],
  },
  {
    name: 'a selector that is none, where it has no effect',
    argv: ['--endpoint-selector=a in (', '--endpoint-target-ports=1', '--endpoints=a:1'],
    want: [`invalid --endpoint-selector: label selector "a in (": got the end at column 7, want ',' or ')'`],
  },
  {
    name: 'a client CA alone',
    argv: ['--metrics-client-ca-file=ca.pem'],
    want: ['--metrics-client-ca-file requires --metrics-cert-dir'],
  },
  {
    name: 'metrics TLS open to all',
    argv: ['--metrics-cert-dir=d', '--metrics-endpoint-auth=false'],
    want: [
      '--metrics-cert-dir enables TLS without authentication; set --metrics-client-ca-file or --metrics-endpoint-auth',
    ],
  },
  {
    name: 'a log level',
    argv: ['--zap-log-level=loud'],
    want: ['invalid --zap-log-level "loud": want debug, info, error, panic or a number above 0'],
  },
])('refused: $name', ({ argv, want }) => {
  expect(parse(...argv).errors).toEqual(want);
});

test.each([
  {
    name: 'a scrape interval below the floor',
    argv: ['--refresh-metrics-interval=10ms'],
    want: ['--refresh-metrics-interval is raised to 50ms'],
  },
  { name: 'camel case', argv: ['--grpcPort=9100'], want: ['flag --grpcPort is called --grpc-port'] },
  { name: 'one dash', argv: ['-poolName', 'a'], want: ['flag --poolName is called --pool-name'] },
  {
    name: 'compression',
    argv: ['--grpc-enable-compression'],
    want: ['flag --grpc-enable-compression is deprecated: it has no effect, compression is always accepted'],
  },
  {
    name: 'a boolean apart',
    argv: ['--tracing', 'false'],
    want: ['argument "false" is ignored; write --tracing=false'],
  },
  {
    name: 'arguments that are no flags',
    argv: ['stray', '-', '--tracing=true', '--', 'x', '--grpc-port=1'],
    want: [
      'argument "stray" is ignored',
      'argument "-" is ignored',
      'argument "x" is ignored',
      'argument "--grpc-port=1" is ignored',
    ],
  },
  { name: 'empty arguments, silently', argv: ['', '--tracing=true', '', '--', ''], want: [] },
  { name: 'one dash with a value', argv: ['-config-text=x', '-grpc-port', '9100'], want: [] },
  { name: 'a default said aloud', argv: ['--ha-enable-leader-election=false', '--tracing=true'], want: [] },
])('warned of: $name', ({ argv, want }) => {
  const { warnings, errors } = parse(...argv);
  expect(errors).toEqual([]);
  expect(warnings).toEqual(want);
});

test('the namespace comes from the environment unless a flag says otherwise', () => {
  expect(parseFlags([], { NAMESPACE: 'llm' }).options.poolNamespace).toBe('llm');
  expect(parseFlags(['--pool-namespace='], { NAMESPACE: 'llm' }).options.poolNamespace).toBe('llm');
  expect(parseFlags(['--pool-namespace=x'], { NAMESPACE: 'llm' }).options.poolNamespace).toBe('x');
});

test('metric flags of earlier releases become parameters', () => {
  const { options, warnings } = parse(
    '--total-queued-requests-metric=my_queue',
    '--model-server-metrics-port=9400',
    '--modelServerMetricsPath=/m',
    '--model-server-metrics-https-insecure-skip-verify=false',
  );
  expect(options.pluginParameters).toEqual(
    new Map<string, object>([
      [
        'core-metrics-extractor',
        {
          engineConfigs: [
            {
              name: 'vllm',
              queuedRequestsSpec: 'my_queue',
              runningRequestsSpec: 'vllm:num_requests_running',
              kvUsageSpec: 'vllm:kv_cache_usage_perc',
              loraSpec: 'vllm:lora_requests_info',
              cacheInfoSpec: 'vllm:cache_config_info',
            },
          ],
        },
      ],
      ['metrics-data-source', { port: 9400, path: '/m', insecureSkipVerify: false }],
    ]),
  );
  expect(warnings).toHaveLength(5);
});

test('the argument list of the charts is accepted', () => {
  const { errors } = parse(
    ...'--pool-name p --pool-namespace ns --pool-group inference.networking.k8s.io --zap-encoder json'.split(
      ' ',
    ),
    ...'--config-file /config/default-plugins.yaml --grpc-health-port 9003 --tracing=false --metrics-endpoint-auth=false --v=3'.split(
      ' ',
    ),
  );
  expect(errors).toEqual([]);
});

test.each([
  { argv: ['--pool-name=p'], want: { poolNames: ['p'], poolNamespace: 'default' } },
  { argv: ['--pool-name=n/p'], want: { poolNames: ['n/p'], poolNamespace: 'n' } },
  { argv: ['--pool-name=p', '--pool-name=p'], want: { poolNames: ['p'] } },
  { argv: ['--pool-name='], want: { poolNames: [] } },
  {
    argv: ['--pool-name=p', '--pool-name', 'n/q', '--pool-namespace=m'],
    want: { poolNames: ['p', 'n/q'], poolNamespace: 'm' },
  },
])('pools are named once, or many of them: $argv', ({ argv, want }) => {
  const { options, errors } = parse(...argv);
  expect(errors).toEqual([]);
  expect(options).toMatchObject(want);
});

test.each([
  {
    argv: ['--pool-name=a', '--pool-name=b', '--endpoints=a:1'],
    declared: 0,
    want: '--endpoints is for one pool',
  },
  { argv: ['--endpoints=a:1'], declared: 2, want: '--endpoints is for one pool' },
  {
    argv: ['--endpoint-selector=a', '--endpoint-target-ports=1'],
    declared: 1,
    want: 'both --endpoint-selector',
  },
  { argv: [], declared: 2, want: undefined },
  { argv: ['--pool-name=a'], declared: 2, want: undefined },
])('endpoints of many pools: $argv, $declared declared', ({ argv, declared, want }) => {
  const [error] = endpointErrors(parse(...argv).options, false, declared);
  if (want === undefined) expect(error).toBeUndefined();
  else expect(error).toContain(want);
});

test.each([
  { argv: ['--endpoints=a:1'], hasDiscovery: false, want: 0 },
  { argv: ['--endpoints=a:1', '--pool-name=p'], hasDiscovery: false, want: 0 },
  { argv: [], hasDiscovery: true, want: 0 },
  { argv: ['--pool-name=p'], hasDiscovery: true, want: 0 },
  { argv: ['--endpoints=a:1'], hasDiscovery: true, want: 1 },
  { argv: ['--pool-name=p'], hasDiscovery: false, want: 0 },
  { argv: ['--endpoint-selector=a=b', '--endpoint-target-ports=1'], hasDiscovery: false, want: 0 },
  { argv: [], hasDiscovery: false, want: 1 },
])('endpoints must come from one place: $argv, discovery $hasDiscovery', ({ argv, hasDiscovery, want }) => {
  expect(endpointErrors(parse(...argv).options, hasDiscovery)).toHaveLength(want);
});

test('help names every flag, and is asked for in both ways', () => {
  const help = helpText();
  for (const flag of FLAGS) expect(help).toContain(`--${flag.name}`);
  expect(parse('--help').isHelp).toBe(true);
  expect(parse('-h').isHelp).toBe(true);
});

test('names and keys of flags are unique', () => {
  expect(new Set(FLAGS.map((flag) => flag.name)).size).toBe(FLAGS.length);
  expect(new Set(FLAGS.map((flag) => flag.key)).size).toBe(FLAGS.length);
});

test('any argument list gives options or errors', () => {
  const argument = fc.oneof(
    fc.string(),
    fc.constantFrom(
      ...FLAGS.map((flag) => `--${flag.name}`),
      '--',
      '-',
      '-v',
      '=',
      '--=',
      '--toString',
      '--__proto__=1',
    ),
  );
  fc.assert(
    fc.property(fc.array(argument, { maxLength: 12 }), (argv) => {
      const { options, errors } = parse(...argv);
      expect(Object.keys(options)).toHaveLength(FLAGS.length + 1);
      for (const error of errors) expect(error).not.toBe('');
    }),
  );
});
