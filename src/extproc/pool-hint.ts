import type { Headers } from '../framework/headers.ts';
import type { PoolHint } from '../framework/pool-hint.ts';
import type { ProcessingRequest, Struct } from './codec.ts';

/** Namespace and key of the dynamic metadata by which a gateway names the pool. */
export const POOL_NAMESPACE = 'llm-d.ai';
export const POOL_KEY = 'inference-pool';

/** Attributes that are looked at; a message with more is not what a gateway sends. */
const MAX_ATTRIBUTES = 32;

/** Where requests say which pool they are for, besides metadata and attributes. */
export interface PoolHintOptions {
  /** Header by which clients, or what stands before the gateway, name the pool; lower case, '' for none. */
  readonly header: string;
}

/**
 * What a request says of its pool: the gateway's metadata, then its attributes in their order, then the header, which
 * ends here. `message`: the one with the request's headers.
 */
export function readPoolHints(
  message: ProcessingRequest,
  headers: Headers,
  { header }: PoolHintOptions,
): readonly PoolHint[] {
  const hints: PoolHint[] = [];
  const named = textOf(membersOf(message.metadataContext?.filterMetadata, POOL_NAMESPACE), POOL_KEY);
  if (named !== '') hints.push({ from: 'metadata', name: `${POOL_NAMESPACE}/${POOL_KEY}`, value: named });
  for (const filter of Object.values(message.attributes ?? {})) {
    const fields = filter.fields ?? {};
    for (const name of Object.keys(fields)) {
      const value = textOf(fields, name);
      if (value !== '' && hints.length < MAX_ATTRIBUTES) hints.push({ from: 'attribute', name, value });
    }
  }
  if (header === '') return hints;
  const asked = (headers.get(header) ?? '').trim();
  if (asked !== '') hints.push({ from: 'header', name: header, value: asked });
  headers.remove(header);
  return hints;
}

function membersOf(
  namespaces: { readonly [name: string]: Struct } | undefined,
  name: string,
): Struct['fields'] {
  if (namespaces === undefined || !Object.hasOwn(namespaces, name)) return undefined;
  return namespaces[name]?.fields;
}

/** Trimmed; '' for what is absent or no text. */
function textOf(fields: Struct['fields'], name: string): string {
  if (fields === undefined || !Object.hasOwn(fields, name)) return '';
  return fields[name]?.stringValue?.trim() ?? '';
}
