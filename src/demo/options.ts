import type { OptionTable, OptionValues } from '../util/command-options.ts';

/** Every setting of the demo. */
export const DEMO_OPTIONS = {
  requests: { type: 'integer', default: 480, min: 1, doc: 'requests of each of the two runs' },
  rate: { type: 'number', default: 24, min: 0.1, doc: 'requests a second' },
  servers: { type: 'integer', default: 4, min: 1, max: 64, doc: 'simulated model servers' },
  seed: { type: 'integer', default: 1, min: 0, doc: 'equal seeds give the same workload' },
  gateway: {
    type: 'string',
    default: 'auto',
    value: 'auto|envoy|dev',
    doc: 'Envoy, the dev gateway, or Envoy when it is found',
  },
  envoy: {
    type: 'string',
    default: '',
    value: 'file',
    doc: 'the Envoy program, when it is not on the PATH or in .venv',
  },
  svg: { type: 'string', default: '', value: 'file', doc: 'write the comparison as a picture, too' },
  keep: { type: 'boolean', default: false, doc: 'leave everything running at the end' },
} as const satisfies OptionTable;

/** Settings by camel-case name. */
export type DemoOptions = OptionValues<typeof DEMO_OPTIONS>;
