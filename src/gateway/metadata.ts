import type { Metadata, Struct, Value } from '../extproc/codec.ts';
import type { HeaderList } from './header-list.ts';

/** Header and metadata key of the endpoint picker protocol. */
export const DESTINATION = 'x-gateway-destination-endpoint';

/** Metadata key under which the data plane tells which endpoint served. */
export const SERVED_DESTINATION = 'x-gateway-destination-endpoint-served';

const SUBSET = 'x-gateway-destination-endpoint-subset';

/** Metadata of one exchange that travels to the picker. */
export interface ServedMetadata {
  /** Namespace `envoy.lb`. */
  lb: Readonly<Record<string, Value>>;
  /** `ip:port` items of `envoy.lb.subset_hint`. */
  subset: readonly string[];
}

/** The message's metadata; undefined when there is none. */
export function metadataOf({ lb, subset }: ServedMetadata): Metadata | undefined {
  const filterMetadata: Record<string, Struct> = {};
  if (Object.keys(lb).length > 0) filterMetadata['envoy.lb'] = { fields: lb };
  if (subset.length > 0) {
    const listValue = { values: subset.map((stringValue) => ({ stringValue })) };
    filterMetadata['envoy.lb.subset_hint'] = { fields: { [SUBSET]: { listValue } } };
  }
  return Object.keys(filterMetadata).length === 0 ? undefined : { filterMetadata };
}

/** Members of a struct; a fresh object without a prototype. */
export function fieldsOf(struct: Struct): Record<string, Value> {
  const fields: Record<string, Value> = Object.create(null) as Record<string, Value>; // filled right below
  for (const [name, value] of Object.entries(struct.fields ?? {})) fields[name] = value;
  return fields;
}

/** Addresses the picker chose, best first: from the header, else from the metadata. */
export function destinationsOf(headers: HeaderList, { lb }: ServedMetadata): string[] {
  const text = headers.get(DESTINATION) ?? lb[DESTINATION]?.stringValue ?? '';
  return text
    .split(',')
    .map((address) => address.trim())
    .filter((address) => address !== '');
}
