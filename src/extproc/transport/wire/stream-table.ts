import { IdTable } from '../../../util/id-table.ts';
import type { WireStream } from './stream.ts';

/** Streams that ended last and are remembered, to tell a late frame from a wrong one. */
const REMEMBERED = 64;

/** The streams of one connection, and which of them wait for what. */
export class StreamTable {
  readonly #streams = new IdTable<WireStream>();
  /** Ended on this side and not on the peer's; under overload every refused call is for a moment. */
  readonly #lingering = new IdTable<WireStream>();
  /** Kept back by the connection's window, the longest first. */
  readonly #blocked = new Set<WireStream>();
  /** Told to wait for the socket. */
  readonly #congested = new Set<WireStream>();
  readonly #recent = new Uint32Array(REMEMBERED);
  #recentAt = 0;

  /** Streams that have not ended on both sides. */
  get size(): number {
    return this.#streams.size;
  }

  get(id: number): WireStream | undefined {
    return this.#streams.get(id);
  }

  add(stream: WireStream): void {
    this.#streams.set(stream.id, stream);
  }

  /** False when it is not there. */
  delete(stream: WireStream): boolean {
    if (this.#streams.delete(stream.id) === undefined) return false;
    this.#lingering.delete(stream.id);
    this.#blocked.delete(stream);
    this.#congested.delete(stream);
    this.#recent[this.#recentAt] = stream.id;
    this.#recentAt = (this.#recentAt + 1) % REMEMBERED;
    return true;
  }

  /** A stream with this id ended not long ago. */
  hasEnded(id: number): boolean {
    return this.#recent.includes(id);
  }

  /** All of them, the oldest first; those deleted meanwhile are still visited. */
  all(): WireStream[] {
    return this.#streams.values().sort((a, b) => a.id - b.id);
  }

  linger(stream: WireStream): void {
    this.#lingering.set(stream.id, stream);
  }

  /** Those that linger since `sinceMs` or before, the longest first. */
  overdue(sinceMs: number): WireStream[] {
    const overdue = this.#lingering.values().filter((stream) => stream.lingersSinceMs <= sinceMs);
    return overdue.sort((a, b) => a.lingersSinceMs - b.lingersSinceMs);
  }

  block(stream: WireStream): void {
    this.#blocked.add(stream);
  }

  /** Lets blocked streams send while `hasWindow`; one that is blocked again goes behind the others. */
  unblock(hasWindow: () => boolean): void {
    // Visits those that are blocked again too, which is when the window is used up.
    for (const stream of this.#blocked) {
      if (!hasWindow()) return;
      this.#blocked.delete(stream);
      stream.unblock();
    }
  }

  congest(stream: WireStream): void {
    this.#congested.add(stream);
  }

  /** The socket has room: those told to wait go on. */
  relieve(): void {
    const waiting = [...this.#congested];
    this.#congested.clear();
    for (const stream of waiting) stream.relieved();
  }
}
