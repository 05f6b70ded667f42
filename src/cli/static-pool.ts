import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { staticEndpoints } from '../data/static-endpoints.ts';
import type { EndpointMetadata } from '../framework/endpoint.ts';
import { ConfigurationError } from '../framework/errors.ts';
import type { ServeOptions } from './flags.ts';

/**
 * The pool of listed endpoints. A host name becomes its first address: Envoy takes only addresses as destination. Rejects
 * with `ConfigurationError` for a name that has none.
 */
export async function resolveEndpoints(
  list: ServeOptions['endpoints'],
): Promise<readonly EndpointMetadata[]> {
  return Promise.all(staticEndpoints(list).map(resolveAddress));
}

async function resolveAddress(metadata: EndpointMetadata): Promise<EndpointMetadata> {
  if (isIP(metadata.address) !== 0) return metadata;
  try {
    const { address } = await lookup(metadata.address);
    return { ...metadata, address };
  } catch (cause) {
    throw new ConfigurationError(`cannot resolve endpoint ${metadata.address}`, { cause });
  }
}
