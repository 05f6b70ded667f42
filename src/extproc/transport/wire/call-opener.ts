import type { Clock } from '../../../util/clock.ts';
import type { OpenByteStream } from '../transport.ts';
import { decompressor } from './compression.ts';
import { ERROR } from './frames.ts';
import { httpAnswer, STATUS, timeoutMs } from './grpc.ts';
import { LIMITS } from './limits.ts';
import { MessageReader } from './message-reader.ts';
import type { RequestHead } from './request-head.ts';
import { WireStream } from './stream.ts';
import type { StreamOwner } from './stream-owner.ts';

/** What calls are opened with. */
export interface CallServices {
  readonly methods: ReadonlyMap<string, OpenByteStream>;
  readonly maxReceiveBytes: number;
  readonly clock: Clock;
}

/** From the header block of a request to its call, or to the answer that it gets instead. */
export class CallOpener {
  readonly #owner: StreamOwner;
  readonly #head: RequestHead;
  readonly #services: CallServices;

  /** `head` holds the fields of the block that was decoded last. */
  constructor(owner: StreamOwner, head: RequestHead, services: CallServices) {
    this.#owner = owner;
    this.#head = head;
    this.#services = services;
  }

  /** The stream for the current head. */
  create(id: number, sendWindowBytes: number): WireStream {
    const { encoding, declaredBytes } = this.#head;
    return new WireStream(id, this.#owner, new MessageReader(this.#services.maxReceiveBytes, encoding), {
      send: sendWindowBytes,
      receive: LIMITS.streamWindowBytes,
      declared: declaredBytes,
    });
  }

  /** Gives `stream` its handler, or its answer. `isWhole` is false when its header list was too long. */
  open(stream: WireStream, isWhole: boolean): void {
    const head = this.#head;
    if (!isWhole) {
      stream.refuse(httpAnswer(431));
      return;
    }
    if (head.isMalformed) {
      stream.breakOff(ERROR.PROTOCOL_ERROR);
      return;
    }
    if (head.method !== 'POST') {
      stream.refuse(httpAnswer(405));
      return;
    }
    if (!head.contentType.startsWith('application/grpc')) {
      stream.refuse(httpAnswer(415));
      return;
    }
    const open = this.#services.methods.get(head.path);
    if (open === undefined) {
      stream.fail(STATUS.UNIMPLEMENTED, `unknown method ${head.path}`);
      return;
    }
    const isPlain = head.encoding === '' || head.encoding === 'identity';
    if (!isPlain && decompressor(head.encoding) === undefined) {
      stream.fail(STATUS.UNIMPLEMENTED, `unknown grpc-encoding ${head.encoding}`);
      return;
    }
    if (head.timeout !== '' && !this.#limit(stream, head.timeout)) return;
    try {
      stream.attach(open(stream));
    } catch (error) {
      this.#owner.handlerFailed(error);
      stream.reset(ERROR.INTERNAL_ERROR);
    }
  }

  #limit(stream: WireStream, timeout: string): boolean {
    const delayMs = timeoutMs(timeout);
    if (delayMs === undefined) {
      stream.fail(STATUS.INTERNAL, `grpc-timeout: got ${timeout}`);
      return false;
    }
    stream.cancelDeadline = this.#services.clock.after(Math.min(delayMs, MAX_DELAY_MS), () => {
      stream.fail(STATUS.DEADLINE_EXCEEDED, 'deadline exceeded');
    });
    return true;
  }
}

/** Longest delay of a timer; a deadline beyond 24 days is none. */
const MAX_DELAY_MS = 2 ** 31 - 1;
