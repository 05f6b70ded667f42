/** Flags of earlier releases of the reference that only took part in reading metrics: they become parameters. */
export interface OldFlag {
  readonly name: string;
  readonly kind: 'text' | 'port' | 'boolean';
  /** Type of the plugin it configures; '' when it has no effect. */
  readonly plugin: '' | 'core-metrics-extractor' | 'metrics-data-source';
  /** Parameter of the plugin, or of its engine `vllm`. */
  readonly parameter: string;
  readonly doc: string;
}

/** Still accepted, each with a warning. */
export const OLD_FLAGS: readonly OldFlag[] = [
  metric('total-queued-requests-metric', 'queuedRequestsSpec'),
  metric('total-running-requests-metric', 'runningRequestsSpec'),
  metric('kv-cache-usage-percentage-metric', 'kvUsageSpec'),
  metric('lora-info-metric', 'loraSpec'),
  metric('cache-info-metric', 'cacheInfoSpec'),
  source('model-server-metrics-port', 'port', 'port'),
  source('model-server-metrics-path', 'path', 'text'),
  source('model-server-metrics-scheme', 'scheme', 'text'),
  source('model-server-metrics-https-insecure-skip-verify', 'insecureSkipVerify', 'boolean'),
  {
    name: 'grpc-enable-compression',
    kind: 'boolean',
    plugin: '',
    parameter: '',
    doc: 'has no effect, compression is always accepted',
  },
];

/** The engine as the extractor knows it; naming one metric of it replaces the whole engine. */
const VLLM: Readonly<Record<string, string>> = {
  name: 'vllm',
  queuedRequestsSpec: 'vllm:num_requests_waiting',
  runningRequestsSpec: 'vllm:num_requests_running',
  kvUsageSpec: 'vllm:kv_cache_usage_perc',
  loraSpec: 'vllm:lora_requests_info',
  cacheInfoSpec: 'vllm:cache_config_info',
};

function metric(name: string, parameter: string): OldFlag {
  const doc = `becomes ${parameter} of the engine vllm of core-metrics-extractor`;
  return { name, kind: 'text', plugin: 'core-metrics-extractor', parameter, doc };
}

function source(name: string, parameter: string, kind: OldFlag['kind']): OldFlag {
  return {
    name,
    kind,
    plugin: 'metrics-data-source',
    parameter,
    doc: `becomes ${parameter} of metrics-data-source`,
  };
}

/** Parameters by plugin type, from old flags and their values. */
export function parametersOf(given: ReadonlyMap<OldFlag, unknown>): ReadonlyMap<string, object> {
  const engine: Record<string, unknown> = { ...VLLM };
  const source: Record<string, unknown> = {};
  const parameters = new Map<string, object>();
  for (const [flag, value] of given) {
    if (flag.plugin === 'metrics-data-source') {
      source[flag.parameter] = value;
      parameters.set(flag.plugin, source);
    } else if (flag.plugin === 'core-metrics-extractor') {
      engine[flag.parameter] = value;
      parameters.set(flag.plugin, { engineConfigs: [engine] });
    }
  }
  return parameters;
}
