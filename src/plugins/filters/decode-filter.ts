import { z } from 'zod';
import { definePlugin } from '../../framework/plugin.ts';
import { LabelFilter, type LabelRule, ROLE_LABEL } from './by-label/label-filter.ts';

/** `both` is the older name of `prefill-decode`. */
const RULE: LabelRule = {
  label: ROLE_LABEL,
  validValues: new Set(['decode', 'prefill-decode', 'both', 'encode-prefill-decode']),
  allowsNoLabel: true,
};

/** `decode-filter`: keeps endpoints whose role includes decode, and unlabelled ones. llm-d-router: pkg/epp/framework/plugins/scheduling/filter/bylabel */
export const decodeFilter = definePlugin({
  type: 'decode-filter',
  kinds: ['filter'],
  stability: 'beta',
  summary: 'Keeps endpoints that decode, and those without a role.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new LabelFilter(RULE),
});
