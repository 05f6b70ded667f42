import { z } from 'zod';
import { definePlugin } from '../../framework/plugin.ts';
import { LabelFilter } from './by-label/label-filter.ts';

const params = z
  .strictObject({
    label: z
      .string({ error: (issue) => (issue.input === undefined ? "'label' must be specified" : undefined) })
      .min(1, "'label' must be specified")
      .describe('Label to look at; required.'),
    validValues: z.array(z.string()).default([]).describe('Values that let an endpoint through.'),
    allowsNoLabel: z.boolean().default(false).describe('Whether endpoints without the label stay.'),
  })
  .refine((value) => value.validValues.length > 0 || value.allowsNoLabel, {
    path: ['validValues'],
    message: "either 'validValues' must be non-empty or 'allowsNoLabel' must be true",
  });

/** `by-label`. llm-d-router: pkg/epp/framework/plugins/scheduling/filter/bylabel */
export const byLabel = definePlugin({
  type: 'by-label',
  kinds: ['filter'],
  stability: 'beta',
  summary: 'Keeps endpoints whose label has one of the given values.',
  replacedBy: 'label-selector-filter',
  params,
  create: (config) =>
    new LabelFilter({
      label: config.label,
      validValues: new Set(config.validValues),
      allowsNoLabel: config.allowsNoLabel,
    }),
});
