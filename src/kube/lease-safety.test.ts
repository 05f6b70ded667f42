import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { LeaseServer } from '../../test/support/lease-api.ts';
import { KEY, Replica } from '../../test/support/lease-replica.ts';
import type { CancelTimer, Clock } from '../util/clock.ts';
import { SeededRng } from '../util/rng.ts';
import { readRecord } from './lease-record.ts';

/** A clock whose owner can freeze, as a process does that gets no CPU: its timers run when it thaws. */
class FreezingClock implements Clock {
  readonly #inner: FakeClock;
  readonly #missed: (() => void)[] = [];
  #isFrozen = false;

  constructor(inner: FakeClock) {
    this.#inner = inner;
  }

  nowMs(): number {
    return this.#inner.nowMs();
  }

  wallMs(): number {
    return this.#inner.wallMs();
  }

  after(delayMs: number, callback: () => void): CancelTimer {
    let isCancelled = false;
    const run = () => {
      if (isCancelled) return;
      if (this.#isFrozen) this.#missed.push(run);
      else callback();
    };
    const cancel = this.#inner.after(delayMs, run);
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  every(): CancelTimer {
    throw new Error('not used by elections');
  }

  freeze(isFrozen: boolean): void {
    this.#isFrozen = isFrozen;
    if (!isFrozen) for (const callback of this.#missed.splice(0)) callback();
  }
}

/** What happens to one replica at some time: how its calls fare from then on, or what becomes of its process. */
const incident = fc.record({
  atMs: fc.nat(60_000),
  replica: fc.nat(2),
  kind: fc.constantFrom('ok', 'refused', 'answer-lost', 'hangs', 'freeze', 'thaw', 'stop', 'restart'),
  thereMs: fc.nat(6000),
  backMs: fc.nat(6000),
});

test('whatever fails and however late answers are, no two replicas lead at the same time', async () => {
  let led = 0;
  let handovers = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(incident, { maxLength: 24 }), fc.nat(), async (incidents, seed) => {
      const rng = new SeededRng(seed);
      const clock = new FakeClock();
      const server = new LeaseServer(clock);
      const all: Replica[] = [];
      const start = (own: FreezingClock) => {
        const replica = new Replica(server, own, 'r'.repeat(all.length + 1));
        all.push(replica);
        return replica;
      };
      const hosts = [0, 1, 2].map(() => {
        const own = new FreezingClock(clock);
        return { own, replica: start(own) };
      });
      const pending = incidents.toSorted((x, y) => x.atMs - y.atMs);
      for (let nowMs = 0; nowMs <= 90_000; nowMs += 250) {
        for (let next = pending[0]; next !== undefined && next.atMs <= nowMs; next = pending[0]) {
          pending.shift();
          const host = hosts[next.replica];
          if (host === undefined) continue;
          const { kind, thereMs, backMs } = next;
          if (kind === 'freeze' || kind === 'thaw') host.own.freeze(kind === 'freeze');
          else if (kind === 'stop' || kind === 'restart') host.replica.stop();
          else {
            host.replica.fate = () => ({
              thereMs: thereMs * rng.next(),
              backMs: backMs * rng.next(),
              outcome: kind,
            });
          }
          if (kind === 'restart') host.replica = start(host.own);
        }
        await clock.advanceAsync(250, 125);
        const leaders = all.filter((replica) => replica.isLeader);
        led += leaders.length;
        expect(leaders.length).toBeLessThanOrEqual(1);
      }
      const lease = server.leases.get(KEY);
      if (lease !== undefined) handovers += readRecord(lease).transitions;
    }),
    { numRuns: 150 },
  );
  expect(led).toBeGreaterThan(1000); // otherwise the property would be about nobody
  expect(handovers).toBeGreaterThan(20);
}, 60_000);
