import { describe, expect, test } from 'vitest';
import { EXT_PROC_SERVICE } from '../../src/extproc/codec.ts';
import type { HealthInputs } from '../../src/extproc/health.ts';
import { HEALTHY, startExtProcServer } from '../support/extproc-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { HealthClient, type HealthStatus } from '../support/health-client.ts';

const NAMES = ['liveness', 'readiness', '', EXT_PROC_SERVICE, 'inference-extension'] as const;
const UP = 'SERVING';
const DOWN = 'NOT_SERVING';

describe('each name', () => {
  test.each<{ name: string; inputs: Partial<HealthInputs>; want: readonly string[] }>([
    { name: 'healthy', inputs: {}, want: [UP, UP, UP, UP, UP] },
    { name: 'no pool yet', inputs: { isLive: false }, want: [UP, DOWN, DOWN, DOWN, DOWN] },
    { name: 'protocol', inputs: { isProtocolSupported: false }, want: [UP, DOWN, DOWN, DOWN, DOWN] },
    { name: 'plugins', inputs: { arePluginsReady: false }, want: [UP, DOWN, DOWN, DOWN, UP] },
    { name: 'leader', inputs: { leadership: 'leader' }, want: [UP, UP, UP, UP, 'SERVICE_UNKNOWN'] },
    { name: 'follower', inputs: { leadership: 'follower' }, want: [UP, DOWN, DOWN, DOWN, 'SERVICE_UNKNOWN'] },
  ])('$name', async ({ inputs, want }) => {
    await using server = await startExtProcServer({ health: () => ({ ...HEALTHY, ...inputs }) });
    for (const address of [server.healthAddress, server.address]) {
      using client = new HealthClient(address);
      expect(await Promise.all(NAMES.map((service) => client.check(service)))).toEqual(want);
    }
  });
});

test('list', async () => {
  let inputs = HEALTHY;
  await using server = await startExtProcServer({ health: () => inputs });
  using client = new HealthClient(server.healthAddress);
  expect(await client.list()).toEqual({ [EXT_PROC_SERVICE]: UP });
  inputs = { ...HEALTHY, leadership: 'follower' };
  expect(await client.list()).toEqual({ [EXT_PROC_SERVICE]: DOWN, liveness: UP, readiness: DOWN });
});

test('watch tells the status at once and each change once', async () => {
  const clock = new FakeClock();
  let inputs: HealthInputs = { ...HEALTHY, isLive: false };
  await using server = await startExtProcServer({ health: () => inputs, clock });
  using client = new HealthClient(server.healthAddress);
  await client.check('');
  const before = clock.pendingTimers;
  const stream = client.watch('');
  const statuses = stream[Symbol.asyncIterator]() as AsyncIterator<HealthStatus>;
  const next = async () => ((await statuses.next()).value as HealthStatus).status;
  expect(await next()).toBe(DOWN);
  expect(clock.pendingTimers).toBe(before + 1);
  clock.advance(5000);
  inputs = HEALTHY;
  clock.advance(1000);
  expect(await next()).toBe(UP);
  void server.server.drain(60_000);
  expect(await next()).toBe(DOWN);
  stream.on('error', () => {});
  stream.cancel();
});

test('a health check is not an exchange', async () => {
  await using server = await startExtProcServer();
  using client = new HealthClient(server.address);
  await client.check('');
  expect(server.server.openStreams).toBe(0);
});
