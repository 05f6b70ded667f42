import { Session } from 'node:inspector/promises';
import { type Clock, sleep } from '../util/clock.ts';

/** Kinds of profile and the file type each is offered as. */
export type ProfileKind = 'cpu' | 'heap';

/** A profile is being taken already; only one runs at a time. */
export class ProfilerBusyError extends Error {
  override readonly name = 'ProfilerBusyError';

  constructor() {
    super('a profile is being taken already');
  }
}

/** Bytes between two samples of the allocation profile; V8's default is 32 KiB. */
const HEAP_SAMPLING_BYTES = 65_536;
/** 1 ms: a tenth of V8's default rate, so that a profile of a busy process stays small and disturbs little. */
const CPU_SAMPLING_US = 1000;

/** Takes profiles of this process on demand; nothing is connected to the runtime in between. */
export class Profiler {
  readonly #clock: Clock;
  #isBusy = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * JSON text of a `.cpuprofile` or `.heapprofile` over `durationMs`, or less when `signal` aborts. Rejects with
   * `ProfilerBusyError` while another runs.
   */
  async take(kind: ProfileKind, durationMs: number, signal: AbortSignal): Promise<string> {
    if (this.#isBusy) throw new ProfilerBusyError();
    this.#isBusy = true;
    const session = new Session();
    session.connect();
    try {
      const profile = await (kind === 'cpu'
        ? this.#cpu(session, durationMs, signal)
        : this.#heap(session, durationMs, signal));
      return JSON.stringify(profile);
    } finally {
      session.disconnect();
      this.#isBusy = false;
    }
  }

  async #cpu(session: Session, durationMs: number, signal: AbortSignal): Promise<object> {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: CPU_SAMPLING_US });
    await session.post('Profiler.start');
    await sleep(this.#clock, durationMs, signal);
    return (await session.post('Profiler.stop')).profile;
  }

  async #heap(session: Session, durationMs: number, signal: AbortSignal): Promise<object> {
    await session.post('HeapProfiler.startSampling', { samplingInterval: HEAP_SAMPLING_BYTES });
    await sleep(this.#clock, durationMs, signal);
    return (await session.post('HeapProfiler.stopSampling')).profile;
  }
}
