import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { AT_ONCE, type Fate, LeaseServer } from '../../test/support/lease-api.ts';
import { KEY, NAME, Replica } from '../../test/support/lease-replica.ts';
import { microTime, readRecord } from './lease-record.ts';
import type { KubeObject } from './objects.ts';

const BROKEN: Fate = { thereMs: 0, backMs: 0, outcome: 'refused' };
const HANGS: Fate = { thereMs: 0, backMs: 0, outcome: 'hangs' };

async function settle(clock: FakeClock): Promise<void> {
  await clock.advanceAsync(10, 1);
}

async function world(...identities: string[]) {
  const clock = new FakeClock();
  const server = new LeaseServer(clock);
  const replicas: Replica[] = [];
  for (const identity of identities) {
    replicas.push(new Replica(server, clock, identity));
    await settle(clock);
  }
  const [a, b] = replicas;
  if (a === undefined) throw new Error('a world needs a replica');
  return { clock, server, a, b: b ?? a };
}

function spec(server: LeaseServer): Record<string, unknown> {
  return server.leases.get(KEY)?.spec as Record<string, unknown>;
}

test('the lease is the one of the reference', async () => {
  const { server, a } = await world('host_1');
  expect(NAME).toBe('epp-llm-pool.llm-d.ai');
  expect(a.isLeader).toBe(true);
  expect(server.leases.get(KEY)).toMatchObject({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: NAME, namespace: 'llm' },
    spec: { holderIdentity: 'host_1', leaseDurationSeconds: 15, leaseTransitions: 0 },
  });
  expect(spec(server)['renewTime']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  expect(spec(server)['acquireTime']).toBe(spec(server)['renewTime']);
  expect(server.events).toMatchObject([
    {
      reason: 'LeaderElection',
      message: 'host_1 became leader',
      involvedObject: { kind: 'Lease', name: NAME, namespace: 'llm' },
    },
  ]);
});

test('the first one leads and goes on leading by one write every two seconds', async () => {
  const { clock, server, a, b } = await world('a', 'bb');
  const acquired = spec(server)['acquireTime'];
  server.calls.length = 0;
  await clock.advanceAsync(60_000, 100);
  expect([a.isLeader, b.isLeader]).toEqual([true, false]);
  expect(spec(server)).toMatchObject({ holderIdentity: 'a', acquireTime: acquired, leaseTransitions: 0 });
  expect(spec(server)['renewTime']).not.toBe(acquired);
  const writes = server.calls.filter((call) => call === 'replace leases').length;
  expect(writes).toBeGreaterThan(24);
  expect(writes).toBeLessThan(40);
  // the leader does not read before it writes: every read is the other's
  expect(server.calls.filter((call) => call === 'get leases').length).toBeLessThan(40);
});

test('a leader that is cut off stands down within ten seconds, and the other takes over after fifteen', async () => {
  const { clock, server, a, b } = await world('a', 'bb');
  await clock.advanceAsync(5000, 100);
  a.fate = () => BROKEN;
  await clock.advanceAsync(7500, 100);
  expect([a.isLeader, b.isLeader]).toEqual([true, false]);
  await clock.advanceAsync(2600, 100);
  expect([a.isLeader, b.isLeader]).toEqual([false, false]);
  await clock.advanceAsync(10_000, 100);
  expect([a.isLeader, b.isLeader]).toEqual([false, true]);
  expect(spec(server)).toMatchObject({ holderIdentity: 'bb', leaseTransitions: 1 });
  // It cannot know; it learns that it has lost when it can read again.
  expect(a.ended).toBe('');
  a.fate = () => AT_ONCE;
  await clock.advanceAsync(3000, 100);
  expect(await a.outcome).toBe('lost');
  expect(a.messages('error')).toEqual([
    'not the leader any more: the lease was not renewed in time',
    'leadership lost',
  ]);
  expect(a.messages('warn')).toEqual(['the lease of the leader cannot be read or written']);
});

test('calls that hang count as failures: three of them fit before the deadline', async () => {
  const { clock, a } = await world('a');
  let tries = 0;
  a.fate = () => {
    tries += 1;
    return HANGS;
  };
  await clock.advanceAsync(10_100, 100);
  expect(a.isLeader).toBe(false);
  expect(tries).toBeGreaterThanOrEqual(2);
});

test('when nobody can reach the lease nobody leads, and one does soon after the return', async () => {
  const { clock, a, b } = await world('a', 'bb');
  a.fate = () => BROKEN;
  b.fate = () => BROKEN;
  await clock.advanceAsync(60_000, 100);
  expect([a.isLeader, b.isLeader, a.ended, b.ended]).toEqual([false, false, '', '']);
  a.fate = () => AT_ONCE;
  await clock.advanceAsync(3000, 100);
  b.fate = () => AT_ONCE;
  await clock.advanceAsync(60_000, 100);
  expect([a.isLeader, b.isLeader, a.ended]).toEqual([true, false, '']);
  expect(a.messages('error')).toEqual(['not the leader any more: the lease was not renewed in time']);
  expect(a.messages('info')).toContain('leads again, nobody else did meanwhile');
});

test('a short outage changes nothing and is logged once', async () => {
  const { clock, a, b } = await world('a', 'bb');
  a.fate = () => BROKEN;
  b.fate = () => BROKEN;
  await clock.advanceAsync(7000, 100);
  a.fate = () => AT_ONCE;
  b.fate = () => AT_ONCE;
  await clock.advanceAsync(20_000, 100);
  expect([a.isLeader, b.isLeader]).toEqual([true, false]);
  expect(a.messages('warn')).toHaveLength(1);
  expect(a.messages('info')).toContain('the lease of the leader is read and written again');
});

test('a leader that stops gives the lease up, and the other leads within three seconds', async () => {
  const { clock, server, a, b } = await world('a', 'bb');
  await clock.advanceAsync(5000, 100);
  a.stop();
  expect(a.isLeader).toBe(true);
  await settle(clock);
  expect(a.isLeader).toBe(false);
  expect(await a.outcome).toBe('released');
  expect(server.events.map((event) => (event as { message?: string }).message)).toContain(
    'a stopped leading',
  );
  expect(spec(server)).toMatchObject({
    holderIdentity: '',
    leaseDurationSeconds: 1,
    leaseTransitions: 0,
  });
  await clock.advanceAsync(3000, 100);
  expect(b.isLeader).toBe(true);
  expect(spec(server)).toMatchObject({
    holderIdentity: 'bb',
    leaseDurationSeconds: 15,
    leaseTransitions: 1,
  });
});

test('a replica that never led stops without touching the lease', async () => {
  const { clock, server, a, b } = await world('a', 'bb');
  server.calls.length = 0;
  b.stop();
  expect(await b.outcome).toBe('released');
  expect(server.calls).toEqual([]);
  await clock.advanceAsync(5000, 100);
  expect(a.isLeader).toBe(true);
});

test('a takeover whose answer did not come in time is given up too', async () => {
  const clock = new FakeClock();
  const server = new LeaseServer(clock);
  const a = new Replica(server, clock, 'a');
  a.fate = () => ({ thereMs: 5, backMs: 1000, outcome: 'ok' });
  await clock.advanceAsync(500, 100);
  expect([server.holder(KEY), a.isLeader]).toEqual(['a', false]);
  a.fate = () => AT_ONCE;
  a.stop();
  expect(await a.outcome).toBe('released');
  expect(server.holder(KEY)).toBe('');
});

test('somebody who edits the lease makes a conflict, not a loss', async () => {
  const { clock, server, a } = await world('a');
  const lease = server.leases.get(KEY);
  if (lease === undefined) throw new Error('no lease');
  server.put(KEY, { ...lease, metadata: { ...lease.metadata, annotations: { note: 'x' } } });
  await clock.advanceAsync(5000, 100);
  expect(a.isLeader).toBe(true);
  expect(server.leases.get(KEY)?.metadata.annotations).toEqual({ note: 'x' });
  expect(a.messages('warn')).toEqual([]);
});

test('a leader that finds another one in the lease stands down at once', async () => {
  const { clock, server, a } = await world('a');
  server.put(KEY, {
    metadata: { name: NAME },
    spec: { holderIdentity: 'stranger', leaseDurationSeconds: 15 },
  });
  await clock.advanceAsync(2500, 100);
  expect(a.isLeader).toBe(false);
  expect(await a.outcome).toBe('lost');
  expect(server.holder(KEY)).toBe('stranger');
});

test('a lease that is deleted comes back under the same leader, and nobody else leads meanwhile', async () => {
  const { clock, server, a, b } = await world('a', 'bb');
  await clock.advanceAsync(5000, 100);
  server.leases.delete(KEY);
  for (let i = 0; i < 50; i += 1) {
    await clock.advanceAsync(100);
    expect([a.isLeader, b.isLeader]).toEqual([true, false]);
  }
  expect(server.holder(KEY)).toBe('a');
});

test("another holder's lease counts from when it was last seen to change, whatever its times say", async () => {
  const clock = new FakeClock();
  const server = new LeaseServer(clock);
  const inTheFuture = microTime(clock.wallMs() + 3_600_000);
  server.put(KEY, {
    metadata: { name: NAME },
    spec: { holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime: inTheFuture, leaseTransitions: 7 },
  });
  const a = new Replica(server, clock, 'a');
  await clock.advanceAsync(14_900, 100);
  expect(a.isLeader).toBe(false);
  await clock.advanceAsync(3000, 100);
  expect(a.isLeader).toBe(true);
  expect(spec(server)['leaseTransitions']).toBe(8);
});

describe('garbage in the lease does not keep the pool without leader', () => {
  test.each<{ name: string; garbage: Partial<KubeObject> }>([
    { name: 'no spec', garbage: {} },
    { name: 'a spec that is text', garbage: { spec: 'x' } },
    { name: 'a null spec', garbage: { spec: null } },
    {
      name: 'wrong types',
      garbage: {
        spec: { holderIdentity: 7, leaseDurationSeconds: 'x', leaseTransitions: -1, renewTime: {} },
      },
    },
    { name: 'a lease for a year', garbage: { spec: { holderIdentity: 'x', leaseDurationSeconds: 3e7 } } },
    { name: 'a lease for no time', garbage: { spec: { holderIdentity: 'x', leaseDurationSeconds: 0 } } },
  ])('$name', async ({ garbage }) => {
    const clock = new FakeClock();
    const server = new LeaseServer(clock);
    server.put(KEY, { metadata: { name: NAME }, ...garbage });
    const a = new Replica(server, clock, 'a');
    await clock.advanceAsync(18_000, 100);
    expect(a.isLeader).toBe(true);
    expect(readRecord(server.leases.get(KEY) ?? { metadata: {} })).toMatchObject({
      holder: 'a',
      durationMs: 15_000,
    });
  });
});

test('a lease without version is never written: two writers could not tell each other', async () => {
  const clock = new FakeClock();
  const server = new LeaseServer(clock);
  server.leases.set(KEY, { metadata: { name: NAME } });
  const a = new Replica(server, clock, 'a');
  await clock.advanceAsync(5000, 100);
  expect(a.isLeader).toBe(false);
  expect(server.calls).not.toContain('replace leases');
  expect(a.messages('warn')).toEqual(['the lease of the leader cannot be read or written']);
});

test('without permission for leases it stays a follower, says which one is missing once, and leads when it has it', async () => {
  const clock = new FakeClock();
  const server = new LeaseServer(clock);
  server.refusals.set('leases', 403);
  const a = new Replica(server, clock, 'a');
  await clock.advanceAsync(30_000, 100);
  expect(a.isLeader).toBe(false);
  expect(a.log.lines).toMatchObject([
    {
      level: 'error',
      message: 'Kubernetes permission is missing',
      fields: { permission: 'get, create, update leases.coordination.k8s.io in llm' },
    },
  ]);
  server.refusals.clear();
  await clock.advanceAsync(3000, 100);
  expect(a.isLeader).toBe(true);
});

test('without permission for events it leads all the same and says so once', async () => {
  const clock = new FakeClock();
  const server = new LeaseServer(clock);
  server.refusals.set('events', 403);
  const a = new Replica(server, clock, 'a');
  await clock.advanceAsync(5000, 100);
  expect(a.isLeader).toBe(true);
  a.stop();
  expect(await a.outcome).toBe('released');
  expect(a.messages('error')).toEqual(['Kubernetes permission is missing']);
});

test('a lease that cannot be given up is left to expire', async () => {
  const { clock, a } = await world('a');
  a.fate = () => HANGS;
  a.stop();
  await clock.advanceAsync(6000, 100);
  expect(await a.outcome).toBe('released');
  expect(a.messages('warn')).toContain('the lease was not given up, it expires by itself');
});

test('the gauge follows, and stays when the election is over', async () => {
  const { clock, a, b } = await world('a', 'bb');
  const value = (replica: Replica) => replica.instruments.gauges.get(`leader{name="${NAME}"}`)?.();
  expect([value(a), value(b)]).toEqual([1, 0]);
  a.stop();
  await a.outcome;
  await clock.advanceAsync(3000, 100);
  expect([value(a), value(b)]).toEqual([0, 1]);
});
