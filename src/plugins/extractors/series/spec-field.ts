import { z } from 'zod';
import { parseMetricSpec } from '../../../util/metric-spec.ts';

/** A metric specification, `name` or `name{label=value,…}`; '' for none. */
export function metricSpec() {
  return z.string().superRefine((text, context) => {
    try {
      parseMetricSpec(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    }
  });
}
