import { z } from 'zod';
import { CUSTOM_KINDS } from './custom-kinds.ts';

/** A part of a JSON schema. */
interface Node {
  readonly [keyword: string]: unknown;
}

/** What is said of a custom resource besides its fields. */
interface Resource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
}

/** Group, version and name of each custom kind that the manifests use. */
export const CUSTOM_RESOURCES: readonly Resource[] = CUSTOM_KINDS.map(({ shape }) => {
  const [group = '', version = ''] = shape.apiVersion.value.split('/');
  const kind = shape.kind.value;
  return { group, version, kind, plural: pluralOf(kind.toLowerCase()) };
});

/**
 * A CustomResourceDefinition for each custom kind: enough for an API server to refuse
 * unknown fields and wrong types, made of the schemas in `custom-kinds.ts`.
 */
export function customResourceDefinitions(): readonly object[] {
  return CUSTOM_RESOURCES.flatMap(({ group, version, kind, plural }, i) => {
    const shape = CUSTOM_KINDS[i]?.shape;
    if (shape === undefined) return [];
    const openAPIV3Schema = {
      type: 'object',
      properties: { spec: structural(z.toJSONSchema(shape.spec) as Node) },
    };
    const protectedGroup = group.endsWith('.k8s.io')
      ? { 'api-approved.kubernetes.io': 'unapproved, a test' }
      : {};
    return [
      {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: `${plural}.${group}`, annotations: protectedGroup },
        spec: {
          group,
          scope: 'Namespaced',
          names: { kind, plural, singular: kind.toLowerCase() },
          versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema } }],
        },
      },
    ];
  });
}

/** English enough for these kinds. */
function pluralOf(kind: string): string {
  if (kind.endsWith('y')) return kind.endsWith('ay') ? `${kind}s` : `${kind.slice(0, -1)}ies`;
  return kind.endsWith('s') ? `${kind}es` : `${kind}s`;
}

/** What a CustomResourceDefinition may say of what `z.toJSONSchema` says. */
function structural(node: Node): Node {
  const {
    type,
    enum: choices,
    const: only,
    properties,
    items,
    prefixItems,
    anyOf,
    minItems,
    maxItems,
  } = node;
  if (anyOf !== undefined) return { 'x-kubernetes-int-or-string': true };
  if (prefixItems !== undefined)
    return { type: 'array', items: structural((prefixItems as readonly Node[])[0] ?? {}) };
  if (type === 'array') {
    return { type, items: structural(items as Node), ...defined({ minItems, maxItems }) };
  }
  if (type !== 'object') {
    const { minimum, maximum, pattern, minLength } = node;
    const allowed = only === undefined ? choices : [only];
    return { type, ...defined({ enum: allowed, minimum, maximum, pattern, minLength }) };
  }
  const { additionalProperties, required } = node;
  const entries = Object.entries((properties ?? {}) as Readonly<Record<string, Node>>);
  if (entries.length > 0) {
    const inner = Object.fromEntries(entries.map(([name, one]) => [name, structural(one)]));
    return { type, properties: inner, ...defined({ required }) };
  }
  const rest = additionalProperties as Node | boolean | undefined;
  if (typeof rest === 'object' && Object.keys(rest).length > 0) {
    return { type, additionalProperties: structural(rest) };
  }
  return rest === false ? { type } : { type, 'x-kubernetes-preserve-unknown-fields': true };
}

function defined(keywords: Node): Node {
  return Object.fromEntries(Object.entries(keywords).filter(([, value]) => value !== undefined));
}
