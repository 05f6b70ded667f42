import { z } from 'zod';
import { definePlugin } from '../../framework/plugin.ts';
import { LabelFilter, type LabelRule, ROLE_LABEL } from './by-label/label-filter.ts';

/** `both` is the older name of `prefill-decode`. */
const RULE: LabelRule = {
  label: ROLE_LABEL,
  validValues: new Set(['prefill', 'encode-prefill', 'prefill-decode', 'both', 'encode-prefill-decode']),
  allowsNoLabel: false,
};

/** `prefill-filter`: keeps endpoints whose role includes prefill. llm-d-router: pkg/epp/framework/plugins/scheduling/filter/bylabel */
export const prefillFilter = definePlugin({
  type: 'prefill-filter',
  kinds: ['filter'],
  stability: 'beta',
  summary: 'Keeps endpoints that prefill.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new LabelFilter(RULE),
});
