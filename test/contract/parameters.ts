import type { AnyPluginDefinition } from '../../src/framework/plugin.ts';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';
import { context } from '../support/builders.ts';

/** Parameters for types that cannot be created without any; a type that is missing here fails its contract. */
export const REQUIRED: ReadonlyMap<string, object> = new Map([
  ['k8s-notification-source', { version: 'v1', kind: 'Pod' }],
  [
    'request-attribute-reporter',
    { attributes: [{ key: { name: 'cost' }, expression: 'usage.total_tokens' }] },
  ],
  [
    'disaggregatedset-rollout-screener',
    { scope: { labelSelector: 'a=b' }, revisionGating: { mode: 'disabled' } },
  ],
  ['by-label', { label: 'llm-d.ai/role', validValues: ['decode'] }],
  ['utilization-filter', { conditions: [{ metric: 'waiting-queue', maxValue: 1000 }] }],
  [
    'endpoint-attribute-filter',
    { attribute: 'x', algorithm: { type: 'threshold', threshold: { operator: 'LessThan' } } },
  ],
  ['endpoint-attribute-scorer', { attributeKey: 'x', algorithm: { type: 'linear_lower_is_better' } }],
  ['session-id-producer', { headerName: 'x-session-token' }],
  ['header-label-affinity-scorer', { headerName: 'x-zone', labelKey: 'zone' }],
]);

/** Built-in plugins that serve `kind`, as rows of a contract test. */
export function ofKind(
  kind: AnyPluginDefinition['kinds'][number],
): { type: string; d: AnyPluginDefinition }[] {
  return CATALOGUE.filter((d) => d.kinds.includes(kind)).map((d) => ({ type: d.type, d }));
}

/** A fresh instance with the least parameters it takes. */
export function create(d: AnyPluginDefinition): object {
  return d.create(d.params.parse(REQUIRED.get(d.type) ?? {}), context(d.type));
}
