import type { Resource, Selection } from './objects.ts';

/** Path of a resource's group and version, which is also where discovery of them is. */
export function groupPath({ group, version }: Pick<Resource, 'group' | 'version'>): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
}

/** Path of a collection, or of the object `name` in it; namespace '' for all, or for objects that are in none. */
export function objectPath(resource: Resource, namespace: string, name = ''): string {
  const place = namespace === '' ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  const object = name === '' ? '' : `/${encodeURIComponent(name)}`;
  return `${groupPath(resource)}${place}/${resource.plural}${object}`;
}

/** `?a=b&c=d` of the parameters that are not ''; '' when all are. */
export function query(parameters: Readonly<Record<string, string>>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== '');
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

/** Parameters of a selection. */
export function selectors({ labels = '', fields = '' }: Selection): {
  labelSelector: string;
  fieldSelector: string;
} {
  return { labelSelector: labels, fieldSelector: fields };
}

/** A resource as roles and messages name it: `pods`, `leases.coordination.k8s.io`. */
export function resourceName({ group, plural }: Resource): string {
  return group === '' ? plural : `${plural}.${group}`;
}

/** What a call is about, for messages: `list of pods in demo`, `get of leases.coordination.k8s.io demo/epp`. */
export function describeCall(verb: string, resource: Resource, namespace: string, name = ''): string {
  const kind = resourceName(resource);
  if (name !== '') return `${verb} of ${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
  return `${verb} of ${kind}${namespace === '' ? '' : ` in ${namespace}`}`;
}
