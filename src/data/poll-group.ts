import type { CancelTimer, Clock } from '../util/clock.ts';
import { CPU_SHARE } from './pace.ts';

/** Granularity of the timetables: fine enough to spread the polls of a 50 ms interval, and 100 wake-ups cost nothing. */
export const TICK_MS = 10;

/**
 * Polls begun in one tick, so that a thousand that are due at once, as at the start and after a stall, do not keep the
 * event loop busy for 100 ms. Twice what the share of the core allows over time.
 */
const MAX_POLLS_PER_TICK = 50;

/** Ticks after which the sums are made anew, so that no error of rounding adds up. */
const SUM_TICKS = 100;

/** Share of the polls' CPU time that pools without requests keep, whatever the others take. */
const IDLE_SHARE = CPU_SHARE / 3;

/** A poller in its group. */
export interface PollSeat {
  /** Position at the time of joining; staggers what pollers do every few ticks. */
  readonly index: number;
  /** To be called when the poller has nothing more to do. */
  leave(): void;
  /** What the poller's polls cost as planned, as a share of one core; `isIdle`: no requests flow there. */
  weigh(share: number, isIdle: boolean): void;
  /** What the whole group's polls cost, as far as this poller's intervals depend on it; as a share of one core. */
  readonly load: number;
}

interface Member {
  readonly tick: () => void;
  share: number;
  isIdle: boolean;
}

/**
 * What the pollers of all pools of the process share: one timer, a limit of polls per tick, and the CPU time that polls
 * may take. Pools with requests come first; the others get what is left, or a third.
 */
export class PollGroup {
  readonly #clock: Clock;
  readonly #members: Member[] = [];
  #cancelTimer: CancelTimer | undefined = undefined;
  #ticks = 0;
  /** Polls begun since the last tick. */
  #begun = 0;
  #busyShare = 0;
  #idleShare = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `tick` is called every `TICK_MS` from now on. */
  join(tick: () => void): PollSeat {
    const member: Member = { tick, share: 0, isIdle: false };
    const index = this.#members.push(member) - 1;
    this.#cancelTimer ??= this.#clock.every(TICK_MS, () => this.#tick());
    const loadOf = () => this.#loadOf(member);
    return {
      index,
      leave: () => this.#leave(member),
      weigh: (share, isIdle) => this.#weigh(member, share, isIdle),
      get load() {
        return loadOf();
      },
    };
  }

  /** Whether one more poll may begin before the next tick; counts it if so. */
  takes(): boolean {
    if (this.#begun >= MAX_POLLS_PER_TICK) return false;
    this.#begun += 1;
    return true;
  }

  /** Another member begins each time, so that all get their turn where there is not enough for all. */
  #tick(): void {
    this.#begun = 0;
    this.#ticks += 1;
    if (this.#ticks % SUM_TICKS === 0) this.#sum();
    const members = this.#members;
    const start = this.#ticks % members.length;
    for (let i = start; i < members.length; i += 1) members[i]?.tick();
    for (let i = 0; i < start; i += 1) members[i]?.tick();
  }

  #weigh(member: Member, share: number, isIdle: boolean): void {
    this.#add(member, -1);
    member.share = share;
    member.isIdle = isIdle;
    this.#add(member, 1);
  }

  #add({ share, isIdle }: Member, sign: number): void {
    if (isIdle) this.#idleShare += sign * share;
    else this.#busyShare += sign * share;
  }

  #sum(): void {
    this.#idleShare = 0;
    this.#busyShare = 0;
    for (const member of this.#members) this.#add(member, 1);
  }

  #loadOf({ isIdle }: Member): number {
    if (!isIdle) return this.#busyShare;
    return (this.#idleShare * CPU_SHARE) / Math.max(IDLE_SHARE, CPU_SHARE - this.#busyShare);
  }

  #leave(member: Member): void {
    const at = this.#members.indexOf(member);
    if (at < 0) return;
    this.#members.splice(at, 1);
    this.#add(member, -1);
    if (this.#members.length > 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
