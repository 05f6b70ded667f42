import { type OptionTable, type OptionValues, optionDefaults } from '../util/command-options.ts';

/** Every setting of the dev gateway. */
export const GATEWAY_OPTIONS = {
  listen: {
    type: 'string',
    default: '127.0.0.1:8081',
    value: 'host:port',
    doc: 'where clients connect; port 0 takes a free one',
  },
  epp: {
    type: 'string',
    default: '',
    value: 'host:port',
    doc: 'the picker; without it requests go round the endpoints',
  },
  endpoints: {
    type: 'list',
    default: [],
    value: 'host:port,…',
    doc: 'model servers for round robin and as fallback',
  },
  'epp-tls': { type: 'boolean', default: false, doc: 'connect to the picker with TLS' },
  'epp-ca': {
    type: 'string',
    default: '',
    value: 'file',
    doc: 'certificates to verify the picker with; else any is taken',
  },
  'failure-mode-allow': { type: 'boolean', default: false, doc: 'go on without the picker when it fails' },
  subset: {
    type: 'list',
    default: [],
    value: 'host:port,…',
    doc: 'candidates named to the picker as the subset hint',
  },
  'connect-timeout-ms': {
    type: 'integer',
    default: 5000,
    min: 1,
    doc: 'time a model server has to accept a connection',
  },
} as const satisfies OptionTable;

/** Settings by camel-case name. */
export type GatewayOptions = OptionValues<typeof GATEWAY_OPTIONS>;

/** The defaults with `given` laid over them. */
export function gatewayOptions(given: Partial<GatewayOptions> = {}): GatewayOptions {
  return { ...optionDefaults(GATEWAY_OPTIONS), ...given };
}

/** Splits `host:port` and `[v6]:port`; throws `RangeError` for anything else. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address.trim());
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65535) {
    throw new RangeError(`address: got ${JSON.stringify(address)}, want host:port`);
  }
  return { host, port };
}
