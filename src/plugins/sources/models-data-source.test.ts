import { expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import { startMetricsServer } from '../../../test/support/metrics-server.ts';
import { endpointAt, pollFailure, pollText } from '../../../test/support/polls.ts';
import type { PollSource } from '../../framework/data-source.ts';
import { modelsDataSource } from './models-data-source.ts';

const LIST = '{"object":"list","data":[{"id":"m"}]}';

function source(parameters: object = {}): PollSource {
  return modelsDataSource.create(modelsDataSource.params.parse(parameters), context());
}

test('reads the list of models where the endpoint serves, and asks for JSON', async () => {
  await using server = await startMetricsServer(LIST);
  const subject = source();
  const endpoint = endpointAt({ port: server.port });
  expect(await pollText(subject, endpoint)).toBe(LIST);
  expect(server.requests[0]).toMatchObject({
    path: '/v1/models',
    headers: { accept: 'application/json,*/*;q=0.1' },
  });
  expect(subject.payload).toBe('json-models');
  subject.release(endpoint);
});

test('a server that is gone is refused where it serves', async () => {
  const server = await startMetricsServer(LIST);
  await server.refuse();
  const subject = source({ path: 'models' });
  const endpoint = endpointAt({ port: server.port });
  const error = await pollFailure(subject, endpoint);
  expect(error).toMatchObject({ isRefused: true });
  expect(error.message).toContain('/models: ');
  subject.release(endpoint);
});

test.each([
  { given: {}, wantMs: 5_000 },
  { given: { interval: '' }, wantMs: 5_000 },
  { given: { interval: '0' }, wantMs: 0 },
  { given: { interval: '30s' }, wantMs: 30_000 },
])('interval: $given is $wantMs ms', ({ given, wantMs }) => {
  expect(source(given).intervalMs).toBe(wantMs);
});

test.each([
  { name: 'a port, which is the endpoint’s own', given: { port: 1 }, message: /port/ },
  { name: 'a negative interval', given: { interval: '-1s' }, message: /must not be negative/ },
  { name: 'a key without certificate', given: { clientKeyPath: 'k' }, message: /give both or neither/ },
  { name: 'another protocol', given: { scheme: 'ftp' }, message: /http/ },
])('$name is refused', ({ given, message }) => {
  expect(() => source(given)).toThrow(message);
});
