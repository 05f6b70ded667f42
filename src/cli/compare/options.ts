import type { OptionTable, OptionValues } from '../../util/command-options.ts';

/** Every setting of `epp demo --compare`. */
export const COMPARE_OPTIONS = {
  compare: {
    type: 'boolean',
    default: true,
    doc: 'compare policies in virtual time; all below belongs to it',
  },
  requests: {
    type: 'integer',
    default: 2000,
    min: 10,
    doc: 'requests of each workload, besides a fifth more before them to fill caches',
  },
  load: { type: 'number', default: 1, min: 0.01, max: 10, doc: 'factor on all arrival rates' },
  seed: { type: 'integer', default: 1, min: 0, doc: 'equal seeds give the same table, on any machine' },
  workloads: { type: 'list', default: [], value: 'a,b', doc: 'only these: shared, multi-turn, mixed, hot' },
  config: { type: 'string', default: '', value: 'file', doc: 'compare this configuration, too' },
  json: { type: 'boolean', default: false, doc: 'print JSON instead of tables' },
  svg: {
    type: 'string',
    default: '',
    value: 'file',
    doc: 'write the times to first token as a picture, too',
  },
} as const satisfies OptionTable;

/** Settings by camel-case name. */
export type CompareOptions = OptionValues<typeof COMPARE_OPTIONS>;
