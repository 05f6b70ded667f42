import { PollError, type PollSource } from '../../src/framework/data-source.ts';
import { Endpoint, hostPort } from '../../src/framework/endpoint.ts';
import { endpointId } from '../../src/framework/ids.ts';

const NEVER = new AbortController().signal;

/** Where an endpoint is; what is not given is the address itself, or nothing. */
export interface Place {
  readonly address?: string;
  readonly port: number;
  readonly metricsHost?: string;
  readonly nodeAddress?: string;
}

/** An endpoint at a place of this machine. */
export function endpointAt({ address = '127.0.0.1', port, metricsHost, nodeAddress = '' }: Place): Endpoint {
  return new Endpoint(
    {
      id: endpointId('default', 'e'),
      namespace: 'default',
      name: 'e',
      address,
      port,
      nodeAddress,
      metricsHost: metricsHost ?? hostPort(address, port),
      labels: new Map(),
      rankIndex: 0,
    },
    0,
  );
}

/** What a source reads of an endpoint, as text. */
export async function pollText(source: PollSource, endpoint: Endpoint): Promise<string> {
  return Buffer.from(await source.poll(endpoint, NEVER)).toString();
}

/** Why a poll fails; anything but a `PollError` is thrown. */
export async function pollFailure(
  source: PollSource,
  endpoint: Endpoint,
  signal = NEVER,
): Promise<PollError> {
  const error: unknown = await source.poll(endpoint, signal).then(
    () => new Error('the poll succeeded'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PollError)) throw error;
  return error;
}
