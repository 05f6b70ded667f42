import { nextInt, type Rng } from '../../../util/rng.ts';

/** What a sample was observed of. */
export type SampleKind = 'ttft' | 'tpot';

/** Samples of one kind: of all that were added since the last take, each is here as likely as any other. */
class Reservoir {
  readonly samples: string[] = [];
  /** Added since the last take. */
  seen = 0;

  add(sample: string, capacity: number, rng: Rng): void {
    this.seen += 1;
    if (this.samples.length < capacity) {
      this.samples.push(sample);
      return;
    }
    const place = nextInt(rng, this.seen);
    if (place < capacity) this.samples[place] = sample;
  }

  /** Moves `count` of them, or as many as there are, to `out`, any ones. */
  draw(count: number, out: string[], rng: Rng): void {
    const { samples } = this;
    for (let i = 0; i < count && samples.length > 0; i += 1) {
      const at = nextInt(rng, samples.length);
      const last = samples.pop();
      const drawn = at === samples.length ? last : samples[at];
      if (drawn !== undefined) out.push(drawn);
      if (last !== undefined && at < samples.length) samples[at] = last;
    }
    samples.length = 0;
    this.seen = 0;
  }
}

/**
 * Samples between two sendings. At most `capacity` of each kind are kept, and at most `capacity` are taken, divided among
 * the kinds as they came in; at least one of each kind that has any.
 */
export class SampleBuffer {
  readonly #capacity: number;
  readonly #rng: Rng;
  readonly #kinds: Readonly<Record<SampleKind, Reservoir>> = {
    ttft: new Reservoir(),
    tpot: new Reservoir(),
  };

  /** `capacity`: 1 or more. */
  constructor(capacity: number, rng: Rng) {
    this.#capacity = capacity;
    this.#rng = rng;
  }

  get size(): number {
    return this.#kinds.ttft.samples.length + this.#kinds.tpot.samples.length;
  }

  /** `sample`: JSON text. */
  add(kind: SampleKind, sample: string): void {
    this.#kinds[kind].add(sample, this.#capacity, this.#rng);
  }

  /** Empties the buffer. */
  take(): readonly string[] {
    const { ttft, tpot } = this.#kinds;
    const taken: string[] = [];
    const seen = ttft.seen + tpot.seen;
    if (seen <= this.#capacity) {
      ttft.draw(ttft.seen, taken, this.#rng);
      tpot.draw(tpot.seen, taken, this.#rng);
      return taken;
    }
    let first = Math.round((this.#capacity * ttft.seen) / seen);
    if (ttft.seen > 0) first = Math.max(1, first);
    if (tpot.seen > 0 && this.#capacity > 1) first = Math.min(this.#capacity - 1, first);
    ttft.draw(first, taken, this.#rng);
    tpot.draw(this.#capacity - taken.length, taken, this.#rng);
    return taken;
  }
}
