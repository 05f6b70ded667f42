import { describe, expect, test } from 'vitest';
import { EXT_PROC_SERVICE } from '../../src/extproc/codec.ts';
import type { HealthInputs } from '../../src/extproc/health.ts';
import { HEALTHY, startExtProcServer } from '../support/extproc-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { HealthClient, type HealthStatus } from '../support/health-client.ts';

const NAMES = ['liveness', 'readiness', '', EXT_PROC_SERVICE, 'inference-extension', 'any-other'] as const;
const UP = 'SERVING';
const DOWN = 'NOT_SERVING';

const UNKNOWN = 'SERVICE_UNKNOWN';
const READY = [UP, UP, UP, UP, UP, UP];
/** Liveness stands, everything else does not. */
const ALIVE = [UP, DOWN, DOWN, DOWN, DOWN, DOWN];
const ALIVE_UNDER_ELECTION = [UP, DOWN, DOWN, DOWN, DOWN, UNKNOWN];

describe('each name', () => {
  test.each<{ name: string; inputs: Partial<HealthInputs>; want: readonly string[] }>([
    { name: 'healthy', inputs: {}, want: READY },
    { name: 'no pool yet', inputs: { isLive: false }, want: ALIVE },
    { name: 'protocol', inputs: { isProtocolSupported: false }, want: ALIVE },
    { name: 'plugins', inputs: { arePluginsReady: false }, want: [UP, DOWN, DOWN, DOWN, DOWN, UP] },
    { name: 'leader', inputs: { leadership: 'leader' }, want: [UP, UP, UP, UP, UP, UNKNOWN] },
    { name: 'follower', inputs: { leadership: 'follower' }, want: ALIVE_UNDER_ELECTION },
    {
      name: 'leader without pool',
      inputs: { leadership: 'leader', isLive: false },
      want: ALIVE_UNDER_ELECTION,
    },
    {
      name: 'leader without protocol',
      inputs: { leadership: 'leader', isProtocolSupported: false },
      want: ALIVE_UNDER_ELECTION,
    },
    {
      name: 'leader without plugins',
      inputs: { leadership: 'leader', arePluginsReady: false },
      want: ALIVE_UNDER_ELECTION,
    },
  ])('$name', async ({ inputs, want }) => {
    await using server = await startExtProcServer({ health: () => ({ ...HEALTHY, ...inputs }) });
    for (const address of [server.healthAddress, server.address]) {
      using client = new HealthClient(address);
      expect(await Promise.all(NAMES.map((service) => client.check(service)))).toEqual(want);
    }
  });

  test.each<{ leadership: HealthInputs['leadership']; want: readonly string[] }>([
    { leadership: 'off', want: ALIVE },
    { leadership: 'leader', want: ALIVE_UNDER_ELECTION },
    { leadership: 'follower', want: ALIVE_UNDER_ELECTION },
  ])('draining, leader election $leadership: alive and not ready', async ({ leadership, want }) => {
    const clock = new FakeClock();
    await using server = await startExtProcServer({ health: () => ({ ...HEALTHY, leadership }), clock });
    using client = new HealthClient(server.healthAddress);
    await client.check('');
    const drained = server.server.drain(1000);
    expect(await Promise.all(NAMES.map((service) => client.check(service)))).toEqual(want);
    await clock.advanceAsync(3000, 100);
    await drained; // the serving port is closed, the health port answers until the end
    expect(await Promise.all(NAMES.map((service) => client.check(service)))).toEqual(want);
  });
});

test('changes of readiness are logged with the reason, answers are not', async () => {
  const clock = new FakeClock();
  let inputs: HealthInputs = { ...HEALTHY, isLive: false };
  await using server = await startExtProcServer({ health: () => inputs, clock });
  using client = new HealthClient(server.healthAddress);
  const ask = async (next: Partial<HealthInputs>) => {
    inputs = { ...HEALTHY, ...next };
    for (const service of [...NAMES, ...NAMES]) await client.check(service);
  };
  await ask({ isLive: false });
  await ask({ leadership: 'follower' });
  await ask({ leadership: 'leader' });
  await ask({ isProtocolSupported: false });
  await ask({ arePluginsReady: false });
  await ask({});
  void server.server.drain(60_000);
  await ask({});
  const lines = server.log.lines.filter(({ message }) => /^(?:not )?ready$/.test(message));
  expect(lines.map(({ level }) => level)).toEqual(lines.map(() => 'info'));
  expect(lines.map(({ message, fields }) => (fields as { reason?: string }).reason ?? message)).toEqual([
    'the pool is not known',
    'not the leader',
    'ready',
    'no parser for the protocol of the pool',
    'plugins are not ready',
    'ready',
    'draining',
  ]);
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
