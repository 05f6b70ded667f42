/** Parts of Kubernetes objects as the API server sends them; whatever is read is checked where it is read. */

/** `metadata` of every object. */
export interface ObjectMeta {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly labels?: { readonly [key: string]: string };
  readonly annotations?: { readonly [key: string]: string };
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
}

/** Any object. In lists `apiVersion` and `kind` are absent. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** A page of a list. */
export interface ObjectList {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: readonly KubeObject[];
}

/** A kind of objects at the API server. */
export interface Resource {
  /** '' for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

/** A value that has fields, each to be checked where it is read. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether `value` is a JSON object. */
export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `value` itself when it is a JSON object, else one without fields. */
export function fieldsOf(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

/** Which objects of a resource. */
export interface Selection {
  /** '' for all namespaces, or for objects that are in none. */
  readonly namespace: string;
  /** As `labelSelector` and `fieldSelector` of the API; absent for all. */
  readonly labels?: string;
  readonly fields?: string;
}
