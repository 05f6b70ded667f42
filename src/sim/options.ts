import { type OptionTable, type OptionValues, optionDefaults, UsageError } from '../util/command-options.ts';

/** Every setting of the simulator. The defaults resemble a 30-billion-parameter model on one large GPU. */
export const SIM_OPTIONS = {
  host: { type: 'string', default: '127.0.0.1', doc: 'address to listen on' },
  port: {
    type: 'integer',
    default: 8000,
    min: 0,
    max: 65535,
    doc: 'port of the first server; 0 takes free ones',
  },
  count: { type: 'integer', default: 1, min: 1, max: 256, doc: 'number of servers, on consecutive ports' },
  ports: {
    type: 'list',
    default: [],
    value: 'a,b',
    doc: 'ports, one server each; instead of --port and --count',
  },
  model: { type: 'string', default: 'sim-model', doc: 'name of the served base model' },
  'lora-modules': {
    type: 'list',
    default: [],
    value: 'a,b',
    doc: 'names of LoRA adapters that are served too',
  },
  'max-loras': { type: 'integer', default: 4, min: 1, doc: 'adapters that can be in one batch' },
  'max-model-len': { type: 'integer', default: 32768, min: 16, doc: 'most tokens of prompt and answer' },
  'max-num-seqs': { type: 'integer', default: 256, min: 1, doc: 'most sequences that run at a time' },
  'max-num-batched-tokens': {
    type: 'integer',
    default: 8192,
    min: 1,
    doc: 'most tokens computed in one step',
  },
  'block-size': { type: 'integer', default: 16, min: 1, doc: 'tokens in a KV-cache block' },
  'num-gpu-blocks': { type: 'integer', default: 16384, min: 1, doc: 'KV-cache blocks of a server' },
  'prefix-caching': {
    type: 'boolean',
    default: true,
    doc: 'keep blocks of finished requests for later prompts',
  },
  'prefill-tokens-per-second': {
    type: 'number',
    default: 8000,
    min: 1,
    doc: 'speed of prompt tokens not cached',
  },
  'decode-step-ms': { type: 'number', default: 15, min: 0, doc: 'milliseconds of a step with nothing in it' },
  'decode-ms-per-sequence': {
    type: 'number',
    default: 0.15,
    min: 0,
    doc: 'milliseconds a decoding sequence adds',
  },
  jitter: { type: 'number', default: 0.05, min: 0, max: 1, doc: 'step times vary by this fraction' },
  'output-tokens': { type: 'number', default: 200, min: 1, doc: 'mean answer length without max_tokens' },
  'data-parallel-size': {
    type: 'integer',
    default: 1,
    min: 1,
    max: 64,
    doc: 'ranks of each server, on consecutive ports',
  },
  sidecar: {
    type: 'boolean',
    default: false,
    doc: 'obey the routing headers of disaggregated serving and data parallelism',
  },
  'kv-connector': {
    type: 'string',
    default: 'nixlv2',
    value: 'name',
    doc: 'how prefill and decode share keys and values: nixlv2, sglang, shared-storage',
  },
  'ec-connector': {
    type: 'string',
    default: '',
    value: 'name',
    doc: 'how encoders hand over embeddings: ec-nixl, ec-example; empty: no encode stage',
  },
  'allowed-hosts': {
    type: 'list',
    default: [],
    value: 'a,b',
    doc: 'hosts or host:port that routing headers may name; empty: any',
  },
  'prefill-max-retries': {
    type: 'integer',
    default: 0,
    min: 0,
    doc: 'further attempts when a prefill server answers 502, 503 or 504',
  },
  'kv-transfer-tokens-per-second': {
    type: 'number',
    default: 400_000,
    min: 1,
    doc: 'speed of keys and values from another server',
  },
  'encode-ms': { type: 'number', default: 40, min: 0, doc: 'milliseconds to encode an image or a sound' },
  'time-scale': {
    type: 'number',
    default: 1,
    min: 0,
    doc: 'factor on all simulated times; 0.1 is ten times faster',
  },
  seed: { type: 'integer', default: 1, min: 0, doc: 'equal seeds give equal answers' },
} as const satisfies OptionTable;

/** Settings by camel-case name; units as in the option names. */
export type SimOptions = OptionValues<typeof SIM_OPTIONS>;

/** Names of the ways in which prefill and decode servers share keys and values. */
const KV_CONNECTORS = ['nixlv2', 'sglang', 'shared-storage'];
/** Names of the ways in which encoders hand over embeddings; '' for none. */
const EC_CONNECTORS = ['', 'ec-nixl', 'ec-example'];

/** Throws `UsageError` for settings that no option table can refuse. */
export function checkSimOptions({ kvConnector, ecConnector }: SimOptions): void {
  const check = (name: string, got: string, known: readonly string[]) => {
    if (known.includes(got)) return;
    const wanted = known.filter((one) => one !== '').join(', ');
    throw new UsageError(`--${name}: got ${JSON.stringify(got)}, want one of ${wanted}`);
  };
  check('kv-connector', kvConnector, KV_CONNECTORS);
  check('ec-connector', ecConnector, EC_CONNECTORS);
}

/** The defaults with `given` laid over them. */
export function simOptions(given: Partial<SimOptions> = {}): SimOptions {
  return { ...optionDefaults(SIM_OPTIONS), ...given };
}
