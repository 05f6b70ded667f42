import { z } from 'zod';
import { definePlugin } from '../../framework/plugin.ts';
import { LabelFilter, type LabelRule, ROLE_LABEL } from './by-label/label-filter.ts';

const RULE: LabelRule = {
  label: ROLE_LABEL,
  validValues: new Set(['encode', 'encode-prefill', 'encode-prefill-decode']),
  allowsNoLabel: false,
};

/** `encode-filter`: keeps endpoints whose role includes encode. llm-d-router: pkg/epp/framework/plugins/scheduling/filter/bylabel */
export const encodeFilter = definePlugin({
  type: 'encode-filter',
  kinds: ['filter'],
  stability: 'beta',
  summary: 'Keeps endpoints that encode media.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new LabelFilter(RULE),
});
