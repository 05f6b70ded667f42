import { expect, test } from 'vitest';
import { loadKubeApi } from '../../src/kube/client.ts';
import { LeaderElection, leaseName } from '../../src/kube/lease.ts';
import type { Resource } from '../../src/kube/objects.ts';
import { SeededRng } from '../../src/util/rng.ts';
import { RecordingLog } from '../support/builders.ts';
import { eventually } from '../support/eventually.ts';
import { fastClock } from '../support/fast-clock.ts';
import { KubeApiServer } from '../support/kube-api-server.ts';
import { collectionOf } from '../support/kube-store.ts';

const LEASES: Resource = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' };
const EVENTS: Resource = { group: '', version: 'v1', plural: 'events' };
const NAME = leaseName('lab', 'pool');

/** Ten seconds become one and a quarter. */
const SPEED = 8;

/** A replica with a client of its own; it stops when disposed. */
async function startReplica(server: KubeApiServer, identity: string) {
  const clock = fastClock(SPEED);
  const api = await loadKubeApi({ ...server.access, clock });
  const log = new RecordingLog();
  const stop = new AbortController();
  const election = new LeaderElection({
    api,
    namespace: 'lab',
    name: NAME,
    identity,
    clock,
    rng: new SeededRng(1),
    log,
  });
  const outcome = election.run(stop.signal);
  return {
    election,
    outcome,
    log,
    stop: () => stop.abort(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await outcome;
      await api[Symbol.asyncDispose]();
    },
  };
}

/** Who the server says leads. */
function holder(server: KubeApiServer): string | undefined {
  const lease = server.store.get(collectionOf(LEASES), 'lab', NAME);
  return (lease?.spec as { holderIdentity?: string } | undefined)?.holderIdentity; // written by elections only
}

test('over the wire: one leads, stops, and the other follows within three seconds', async () => {
  await using server = await KubeApiServer.start([LEASES, EVENTS]);
  await using a = await startReplica(server, 'a');
  await eventually(() => expect(a.election.isLeader).toBe(true));
  await using b = await startReplica(server, 'b');
  await eventually(() => expect(server.count('replace')).toBeGreaterThan(3));
  expect([a.election.isLeader, b.election.isLeader]).toEqual([true, false]);
  a.stop();
  expect(await a.outcome).toBe('released');
  expect(holder(server)).not.toBe('a');
  await eventually(() => expect(b.election.isLeader).toBe(true), 3000 / SPEED + 500);
});

test('while the API server is gone for longer than ten seconds nobody leads; one of the two when it is back', async () => {
  await using server = await KubeApiServer.start([LEASES, EVENTS]);
  await using a = await startReplica(server, 'a');
  await eventually(() => expect(a.election.isLeader).toBe(true));
  await using b = await startReplica(server, 'b');
  await server.suspend();
  await eventually(() => expect(a.election.isLeader).toBe(false), 10_000);
  expect(b.election.isLeader).toBe(false);
  await server.resume();
  await eventually(() => expect([a, b].filter(({ election }) => election.isLeader)).toHaveLength(1), 10_000);
  expect(holder(server)).toBe(a.election.isLeader ? 'a' : 'b');
  if (b.election.isLeader) expect(await a.outcome).toBe('lost');
});
