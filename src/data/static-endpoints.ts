import { type EndpointMetadata, hostPort } from '../framework/endpoint.ts';
import { endpointId } from '../framework/ids.ts';

const NAMESPACE = 'default';

/**
 * The pool of `--endpoints`, in the same order. Names come from host and port (`10-0-0-1-8000`) and are unique. Nothing
 * is resolved. `host`: IP address or host name, IPv6 without brackets; no (host, port) twice.
 */
export function staticEndpoints(
  addresses: readonly { readonly host: string; readonly port: number }[],
): EndpointMetadata[] {
  const names = new Set<string>();
  return addresses.map(({ host, port }) => {
    const name = uniqueName(host, port, names);
    return {
      id: endpointId(NAMESPACE, name),
      namespace: NAMESPACE,
      name,
      address: host,
      port,
      nodeAddress: '',
      metricsHost: hostPort(host, port),
      labels: new Map(),
      rankIndex: 0,
    };
  });
}

function uniqueName(host: string, port: number, names: Set<string>): string {
  const base = `${host.toLowerCase().replace(/[^a-z0-9]+/g, '-')}-${port}`.replace(/^-/, '');
  let name = base;
  for (let i = 2; names.has(name); i += 1) name = `${base}-${i}`;
  names.add(name);
  return name;
}
