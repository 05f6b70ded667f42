import { type Rng, SeededRng } from '../../src/util/rng.ts';
import type { Call, CallHandler, GrpcConnection } from './grpc-connection.ts';
import { ID_BYTES, type PreparedExchange } from './messages.ts';
import { ReplyReader } from './reply-reader.ts';

/** How requests come and go. */
export interface Pace {
  /** Closed loop: requests in flight at all times. Used when `ratePerSecond` is 0. */
  readonly inFlight: number;
  /**
   * Open loop: mean requests a second, arriving at random times, whatever the server does; those of one millisecond
   * come together.
   */
  readonly ratePerSecond: number;
  /** Time between two chunks of a response; 0 sends them at once. */
  readonly chunkGapMs: number;
  /** Keeps this many requests open after their first chunk, and starts no more; 0 ends each. */
  readonly hold: number;
}

/** What happened since `reset`. */
export class Tally {
  completed = 0;
  /** Answered by a refusal. */
  rejected = 0;
  /** Reset, or answered with other bytes than were sent. */
  failed = 0;
  /** From the last body byte sent to the answer of the headers, in milliseconds. */
  readonly latenciesMs: number[] = [];

  reset(): void {
    this.completed = 0;
    this.rejected = 0;
    this.failed = 0;
    this.latenciesMs.length = 0;
  }
}

const reader = new ReplyReader();

/** One request on its way: sends each phase when the server has answered the one before. */
class Exchange implements CallHandler {
  readonly conversation: number;
  readonly turn: number;
  readonly #prepared: PreparedExchange;
  readonly #workload: Workload;
  readonly #connection: GrpcConnection;
  readonly #call: Call;
  #sentAtMs: number;
  #isDecided = false;
  #isRejected = false;
  #isWhole = false;
  #requestBytesBack = 0;
  #responseBytesBack = 0;
  #chunksSent = 0;

  constructor(
    workload: Workload,
    connection: GrpcConnection,
    what: { readonly prepared: PreparedExchange; readonly conversation: number; readonly turn: number },
  ) {
    this.#workload = workload;
    this.#connection = connection;
    this.#prepared = what.prepared;
    this.conversation = what.conversation;
    this.turn = what.turn;
    this.#call = connection.open(this);
    connection.send(this.#call, what.prepared.request, what.prepared.idAt + ID_BYTES);
    this.#sentAtMs = performance.now();
  }

  message(bytes: Buffer, start: number, end: number): void {
    reader.read(bytes, start, end);
    switch (reader.kind) {
      case 'request-headers':
        if (!this.#isDecided) this.#workload.tally.latenciesMs.push(performance.now() - this.#sentAtMs);
        this.#isDecided = true;
        return;
      case 'request-body':
        this.#requestBytesBack += reader.bodyBytes;
        if (reader.isLast) this.#answer();
        return;
      case 'response-body':
        this.#responseBytesBack += reader.bodyBytes;
        if (this.#workload.pace.hold > 0) this.#workload.held();
        if (reader.isLast) this.#finish();
        return;
      case 'immediate':
        this.#isRejected = true;
        this.#connection.halfClose(this.#call);
        return;
      case 'response-headers':
      case 'other':
        return;
      default:
        reader.kind satisfies never;
    }
  }

  unblocked(): void {
    if (!this.#isDecided) this.#sentAtMs = performance.now();
  }

  ended(isReset: boolean): void {
    const { tally } = this.#workload;
    if (this.#isRejected) tally.rejected += 1;
    else if (this.#isWhole && !isReset) tally.completed += 1;
    else tally.failed += 1;
    this.#workload.ended(this);
  }

  /** Sends the next chunk; false when it was the last. */
  sendChunk(): boolean {
    const chunk = this.#prepared.responseChunks[this.#chunksSent];
    if (chunk === undefined || this.#call.isHalfClosed) return false;
    this.#connection.send(this.#call, chunk, 0);
    this.#chunksSent += 1;
    return this.#chunksSent < this.#prepared.responseChunks.length;
  }

  #answer(): void {
    this.#connection.send(this.#call, this.#prepared.responseHead, 0);
    if (this.#workload.pace.hold > 0) this.sendChunk();
    else if (this.#workload.pace.chunkGapMs > 0) this.#workload.pacer.add(this);
    else while (this.sendChunk());
  }

  #finish(): void {
    this.#isWhole =
      this.#isDecided &&
      this.#requestBytesBack === this.#prepared.requestBodyBytes &&
      this.#responseBytesBack === this.#prepared.responseBodyBytes;
    this.#connection.halfClose(this.#call);
  }
}

/** Sends chunks of many responses, each at the same distance from its last: a queue in order of time. */
class Pacer {
  readonly #gapMs: number;
  #due: { readonly atMs: number; readonly exchange: Exchange }[] = [];

  constructor(gapMs: number) {
    this.#gapMs = gapMs;
  }

  add(exchange: Exchange): void {
    if (exchange.sendChunk()) this.#due.push({ atMs: performance.now() + this.#gapMs, exchange });
  }

  tick(nowMs: number): void {
    let done = 0;
    for (const { atMs, exchange } of this.#due) {
      if (atMs > nowMs) break;
      done += 1;
      if (exchange.sendChunk()) this.#due.push({ atMs: Math.max(atMs + this.#gapMs, nowMs), exchange });
    }
    if (done > 0) this.#due = this.#due.slice(done);
  }
}

/** Keeps requests going until told to stop. */
export class Workload {
  readonly tally = new Tally();
  readonly pace: Pace;
  readonly pacer: Pacer;
  /** Resolves when as many requests are held open as `pace.hold` says. */
  readonly allHeld: Promise<void>;
  readonly #resolveHeld: () => void;
  readonly #connections: readonly GrpcConnection[];
  readonly #turns: readonly PreparedExchange[];
  readonly #rng: Rng = new SeededRng(1);
  #conversations = 0;
  #nextArrivalMs = 0;
  #held = 0;
  #isStopped = false;

  constructor(connections: readonly GrpcConnection[], turns: readonly PreparedExchange[], pace: Pace) {
    this.#connections = connections;
    this.#turns = turns;
    this.pace = pace;
    this.pacer = new Pacer(pace.chunkGapMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.allHeld = promise;
    this.#resolveHeld = resolve;
  }

  start(): void {
    this.#nextArrivalMs = performance.now();
    if (this.pace.ratePerSecond === 0) {
      for (let i = 0; i < this.pace.inFlight; i += 1) this.#startConversation();
    }
    if (this.pace.ratePerSecond > 0 || this.pace.chunkGapMs > 0) this.#tick();
  }

  /** Starts no more requests and sends no more chunks. */
  stop(): void {
    this.#isStopped = true;
  }

  /** An exchange is over: the next turn of its conversation follows, or in a closed loop another conversation. */
  ended(exchange: Exchange): void {
    const turn = exchange.turn + 1;
    if (turn < this.#turns.length) this.#startOne(exchange.conversation, turn);
    else if (this.pace.ratePerSecond === 0) this.#startConversation();
  }

  /** One more request stays open. */
  held(): void {
    this.#held += 1;
    if (this.#held === this.pace.hold) this.#resolveHeld();
    else if (this.#conversations < this.pace.hold) this.#startConversation();
  }

  #tick(): void {
    if (this.#isStopped) return;
    const nowMs = performance.now();
    this.pacer.tick(nowMs);
    const conversationsPerMs = this.pace.ratePerSecond / this.#turns.length / 1000;
    while (conversationsPerMs > 0 && this.#nextArrivalMs <= nowMs) {
      this.#startConversation();
      this.#nextArrivalMs += -Math.log(1 - this.#rng.next()) / conversationsPerMs;
    }
    // polling for arrivals that are closer would take a core, and turns of the scheduler away from the server
    setTimeout(() => this.#tick(), 1);
  }

  #startConversation(): void {
    this.#conversations += 1;
    this.#startOne(this.#conversations, 0);
  }

  #startOne(conversation: number, turn: number): void {
    const prepared = this.#turns[turn];
    const connection = this.#connections[conversation % this.#connections.length];
    if (this.#isStopped || prepared === undefined || connection === undefined) return;
    prepared.request.write(String(conversation).padStart(ID_BYTES, '0'), prepared.idAt, 'latin1');
    new Exchange(this, connection, { prepared, conversation, turn });
  }
}
