import { expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import { startMetricsServer } from '../../../test/support/metrics-server.ts';
import { endpointAt, type Place, pollFailure, pollText } from '../../../test/support/polls.ts';
import type { PollSource } from '../../framework/data-source.ts';
import { dcgmDataSource } from './dcgm-data-source.ts';

const PAGE = 'DCGM_FI_DEV_GPU_UTIL{gpu="0"} 35\n';

/** Where nobody answers. */
const ELSEWHERE = '127.0.0.2';

function source(parameters: object = {}): PollSource {
  return dcgmDataSource.create(dcgmDataSource.params.parse(parameters), context());
}

const CASES: readonly {
  readonly name: string;
  readonly place: (port: number) => Place;
  readonly given: (port: number) => object;
}[] = [
  {
    name: 'the address of the endpoint at the given port',
    place: () => ({ port: 1 }),
    given: (port) => ({ port }),
  },
  {
    name: 'the node',
    place: () => ({ address: ELSEWHERE, port: 1, nodeAddress: '127.0.0.1' }),
    given: (port) => ({ port, useNodeAddress: true }),
  },
  {
    name: 'the endpoint where its node is not known',
    place: () => ({ port: 1 }),
    given: (port) => ({ port, useNodeAddress: true }),
  },
  {
    name: 'the metrics page of the endpoint with port 0',
    place: (port) => ({ address: ELSEWHERE, port: 1, metricsHost: `127.0.0.1:${port}` }),
    given: () => ({ port: 0 }),
  },
];

test.each(CASES)('reads $name', async ({ place, given }) => {
  await using server = await startMetricsServer(PAGE);
  const subject = source(given(server.port));
  const endpoint = endpointAt(place(server.port));
  expect(await pollText(subject, endpoint)).toBe(PAGE);
  expect(server.requests[0]?.path).toBe('/metrics');
  subject.release(endpoint);
});

test('an exporter that is gone says nothing about the endpoint', async () => {
  const server = await startMetricsServer(PAGE);
  await server.refuse();
  const subject = source({ port: server.port });
  const endpoint = endpointAt({ port: 1 });
  expect(await pollFailure(subject, endpoint)).toMatchObject({ isRefused: false });
  subject.release(endpoint);
});

test('without parameters: port 9400, once a second', async () => {
  const subject = source();
  expect(subject.intervalMs).toBe(1_000);
  const endpoint = endpointAt({ address: ELSEWHERE, port: 1 });
  expect((await pollFailure(subject, endpoint)).message).toContain('http://127.0.0.2:9400/metrics');
  subject.release(endpoint);
});

test.each([
  { name: 'the node at the port of the endpoint', given: { useNodeAddress: true, port: 0 }, message: /port/ },
  { name: 'a port out of range', given: { port: 70_000 }, message: /port/ },
  { name: 'an authority, which it does not verify by', given: { caCertPath: 'x' }, message: /caCertPath/ },
])('$name is refused', ({ given, message }) => {
  expect(() => source(given)).toThrow(message);
});
