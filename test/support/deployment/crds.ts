import { z } from 'zod';
import { until } from '../kube-processes.ts';
import type { RealKube } from '../real-kube.ts';
import { CUSTOM_KINDS } from './custom-kinds.ts';
import type { Manifest } from './render.ts';

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
const CUSTOM_RESOURCES: readonly Resource[] = CUSTOM_KINDS.map(({ shape }) => {
  const [group = '', version = ''] = shape.apiVersion.value.split('/');
  const kind = shape.kind.value;
  return { group, version, kind, plural: pluralOf(kind.toLowerCase()) };
});

/** Plurals of the kinds of Kubernetes itself that the manifests use. */
const BUILT_IN: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  ServiceAccount: 'serviceaccounts',
  ConfigMap: 'configmaps',
  Secret: 'secrets',
  Service: 'services',
  Deployment: 'deployments',
  HorizontalPodAutoscaler: 'horizontalpodautoscalers',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
};

/** Path of the collection that an object is created in. */
export function collectionOf({ apiVersion, kind, metadata }: Manifest): string {
  const plural =
    BUILT_IN[kind] ?? CUSTOM_RESOURCES.find((resource) => resource.kind === kind)?.plural ?? kind;
  const place = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${apiVersion.includes('/') ? '/apis' : '/api'}/${apiVersion}${place}/${plural}`;
}

/** Installs the custom kinds of the manifests and waits until they are served. */
export async function installCustomKinds(kube: RealKube): Promise<void> {
  for (const definition of customResourceDefinitions()) {
    await kube.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
  }
  await until(async () => {
    for (const { group, version, plural } of CUSTOM_RESOURCES) {
      await kube.call('GET', `/apis/${group}/${version}/${plural}`);
    }
  });
}

/**
 * A CustomResourceDefinition for each custom kind: enough for an API server to refuse
 * unknown fields and wrong types, made of the schemas in `custom-kinds.ts`.
 */
function customResourceDefinitions(): readonly object[] {
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
