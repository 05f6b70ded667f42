import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import type { EndpointMetadata } from '../../framework/endpoint.ts';
import { ConfigurationError } from '../../framework/errors.ts';
import { multiclusterFileDiscovery as definition } from './multicluster-file-discovery.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'clusters-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function read(text: string, more: object = {}): Promise<readonly EndpointMetadata[]> {
  const path = join(folder, 'clusters.yaml');
  writeFileSync(path, text);
  const plugin = context('multicluster-file-discovery');
  let found: readonly EndpointMetadata[] = [];
  const stop = new AbortController();
  await definition.create(definition.params.parse({ path, ...more }), plugin).start(
    {
      replaceAll: (all) => {
        found = all;
      },
      replaceObjectives: () => {},
    },
    stop.signal,
  );
  stop.abort();
  return found;
}

const entry = (members: string) => `endpoints:\n- {name: east, port: "443", ${members}}`;

test.each([
  {
    name: 'a host name, and metrics elsewhere',
    members: 'address: east.example.com, labels: {metricsAddress: epp.east.example.com, metricsPort: "9090"}',
    want: { address: 'east.example.com', metricsHost: 'epp.east.example.com:9090' },
  },
  {
    name: 'metrics at the same port',
    members: 'address: 10.0.0.1, labels: {metricsAddress: 10.0.0.2}',
    want: { address: '10.0.0.1', metricsHost: '10.0.0.2:443' },
  },
  {
    name: 'metrics at another port',
    members: 'address: "2001:db8::1", labels: {metricsPort: "9090"}',
    want: { address: '2001:db8::1', metricsHost: '[2001:db8::1]:9090' },
  },
  {
    name: 'members go before labels',
    members: 'address: 10.0.0.1, metricsPort: 1, labels: {metricsPort: "2"}',
    want: { metricsHost: '10.0.0.1:1' },
  },
  { name: 'no labels', members: 'address: 10.0.0.1', want: { metricsHost: '10.0.0.1:443' } },
])('$name', async ({ members, want }) => {
  expect(await read(entry(members))).toMatchObject([want]);
});

test('labels stay labels', async () => {
  const [east] = await read(entry('address: 10.0.0.1, labels: {metricsPort: "9090", zone: a}'));
  expect(east?.labels).toEqual(
    new Map([
      ['metricsPort', '9090'],
      ['zone', 'a'],
    ]),
  );
});

test('an entry whose labels say no address is left out, or with strict all of them are', async () => {
  const text = `${entry('address: 10.0.0.1, labels: {metricsPort: "0"}')}\n- {name: west, address: w, port: 1}`;
  expect((await read(text)).map(({ name }) => name)).toEqual(['west']);
  await expect(read(text, { strict: true })).rejects.toThrow(ConfigurationError);
  await expect(read(text, { strict: true })).rejects.toThrow(
    /^multicluster-file-discovery: initial load failed: .*invalid metricsPort "0"/,
  );
});

test('the path is required', () => {
  expect(() => definition.params.parse({})).toThrow(
    /multicluster-file-discovery: 'path' parameter is required/,
  );
});
