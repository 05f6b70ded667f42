import { LeaderElection, leaseName } from '../../src/kube/lease.ts';
import type { Clock } from '../../src/util/clock.ts';
import { SeededRng } from '../../src/util/rng.ts';
import { RecordingInstruments, RecordingLog } from './builders.ts';
import { AT_ONCE, type Fate, type LeaseServer } from './lease-api.ts';

/** The lease that replicas are after. */
export const NAME = leaseName('llm', 'pool');
/** Where `LeaseServer` keeps it. */
export const KEY = `llm/${NAME}`;

/** One replica that takes part from the start. */
export class Replica {
  readonly log = new RecordingLog();
  readonly instruments = new RecordingInstruments();
  readonly election: LeaderElection;
  readonly outcome: Promise<'released' | 'lost'>;
  ended = '';
  fate: () => Fate = () => AT_ONCE;
  readonly #stop = new AbortController();

  constructor(server: LeaseServer, clock: Clock, identity: string) {
    this.election = new LeaderElection({
      api: server.client(clock, () => this.fate()),
      namespace: 'llm',
      name: NAME,
      identity,
      clock,
      rng: new SeededRng(identity.length),
      log: this.log,
      instruments: this.instruments,
    });
    this.outcome = this.election.run(this.#stop.signal).then((outcome) => {
      this.ended = outcome;
      return outcome;
    });
  }

  get isLeader(): boolean {
    return this.election.isLeader;
  }

  stop(): void {
    this.#stop.abort();
  }

  messages(level: string): string[] {
    return this.log.lines.filter((line) => line.level === level).map((line) => line.message);
  }
}
