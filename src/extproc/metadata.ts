import type { MetadataEntry } from '../framework/response.ts';
import type { Metadata, Struct, Value } from './codec.ts';

/**
 * Names of the endpoint picker protocol (ext-proc specification, 2.1). What is read has its later name as alias; the
 * first present one wins.
 */
export const DESTINATION_HEADER = 'x-gateway-destination-endpoint';
const SCORES_KEY = 'x-gateway-destination-endpoint-scores';
/** Namespace of the destination in metadata. */
export const LB_NAMESPACE = 'envoy.lb';
const SUBSET_NAMESPACE = 'envoy.lb.subset_hint';
const SUBSET_KEYS = [
  'x-gateway-destination-endpoint-subset',
  'x-llm-d-router-destination-endpoint-subset',
] as const;
const SERVED_KEYS = [
  'x-gateway-destination-endpoint-served',
  'x-llm-d-router-destination-endpoint-served',
] as const;

/**
 * Subset hint of one message: trimmed `ip:port` or `ip` items; undefined when it has none. A list or a string;
 * both may hold items separated by commas. Items that are no strings are left out, so a list of only such is empty,
 * which matches nothing.
 */
export function subsetHint(metadata: Metadata | undefined): readonly string[] | undefined {
  const value = read(metadata, SUBSET_NAMESPACE, SUBSET_KEYS);
  if (value === undefined) return undefined;
  if (value.stringValue !== undefined) return splitItems(value.stringValue, []);
  if (value.listValue === undefined) return undefined;
  const items: string[] = [];
  for (const item of value.listValue.values ?? []) {
    if (item.stringValue !== undefined) splitItems(item.stringValue, items);
  }
  return items;
}

/**
 * The hint after one more message of the request phase: the last one with items wins, so that a data plane may send
 * it with the headers, the body or both.
 */
export function mergeSubset(
  known: readonly string[] | undefined,
  metadata: Metadata | undefined,
): readonly string[] | undefined {
  if (metadata === undefined) return known;
  const hint = subsetHint(metadata);
  if (hint === undefined || (hint.length === 0 && known !== undefined)) return known;
  return hint;
}

/** `ip:port` that served the request as the data plane reports it with the response headers; '' when it does not. */
export function servedEndpoint(metadata: Metadata | undefined): string {
  return read(metadata, LB_NAMESPACE, SERVED_KEYS)?.stringValue ?? '';
}

/** Whether one message has metadata of the load balancer's namespace. */
export function hasLoadBalancerMetadata(metadata: Metadata | undefined): boolean {
  const namespaces = metadata?.filterMetadata;
  return namespaces !== undefined && Object.hasOwn(namespaces, LB_NAMESPACE);
}

/** Dynamic metadata of `entries`; the later of two with the same key wins. */
export function entriesMetadata(entries: readonly MetadataEntry[]): Struct {
  const namespaces = new Map<string, Map<string, Value>>();
  for (const { namespace, key, value } of entries) {
    const fields = namespaces.get(namespace) ?? new Map<string, Value>();
    namespaces.set(namespace, fields.set(key, { numberValue: value }));
  }
  const structs = Array.from(
    namespaces,
    ([namespace, fields]) => [namespace, { structValue: { fields: Object.fromEntries(fields) } }] as const,
  );
  return { fields: Object.fromEntries(structs) };
}

/** Dynamic metadata that names the destination: the header's value once more, and scores if given. */
export function destinationMetadata(
  destination: string,
  scores: ReadonlyMap<string, number> | undefined,
): Struct {
  const fields: { [key: string]: Value } = { [DESTINATION_HEADER]: { stringValue: destination } };
  if (scores !== undefined && scores.size > 0) {
    const entries = Array.from(scores, ([endpoint, score]) => [endpoint, { numberValue: score }] as const);
    fields[SCORES_KEY] = { structValue: { fields: Object.fromEntries(entries) } };
  }
  return { fields: { [LB_NAMESPACE]: { structValue: { fields } } } };
}

function read(metadata: Metadata | undefined, namespace: string, keys: readonly string[]): Value | undefined {
  const namespaces = metadata?.filterMetadata;
  if (namespaces === undefined || !Object.hasOwn(namespaces, namespace)) return undefined;
  const fields = namespaces[namespace]?.fields;
  if (fields === undefined) return undefined;
  for (const key of keys) if (Object.hasOwn(fields, key)) return fields[key];
  return undefined;
}

function splitItems(text: string, into: string[]): string[] {
  for (const item of text.split(',')) {
    const trimmed = item.trim();
    if (trimmed !== '') into.push(trimmed);
  }
  return into;
}
