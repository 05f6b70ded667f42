import { setFlagsFromString } from 'node:v8';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBlock } from '../../../../test/support/hpack.ts';
import { FLAGS, grpcMessage, type RawFrame, TYPE } from '../../../../test/support/http2-frames.ts';
import { FakeStreamOwner, openStream } from '../../../../test/support/wire-stream.ts';
import { ERROR } from './frames.ts';
import { httpAnswer, STATUS } from './grpc.ts';
import { HpackDecoder } from './hpack/decoder.ts';

setFlagsFromString('--allow-natives-syntax');
const sameShape = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean;

/** What a stream waits for at most before its writer is to wait. */
const QUEUE_BYTES = 64 * 1024;

const EMPTY = Buffer.alloc(0);

/** Frames in a few words: `HEADERS :status 200`, `DATA 12`, `RST 8`. */
function told(frames: readonly RawFrame[]): string[] {
  return frames.map(({ type, flags, payload }) => {
    const end = (flags & FLAGS.END_STREAM) === 0 ? '' : ', the last';
    if (type === TYPE.DATA) return `DATA ${payload.length}${end}`;
    if (type === TYPE.RST_STREAM) return `RST ${payload.readUInt32BE()}`;
    const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 65_536 });
    const { fields } = decodeBlock(decoder, payload);
    const first = fields.find(([name]) => name !== 'content-type' && name !== 'grpc-accept-encoding');
    const status = fields.find(([name]) => name === 'grpc-status' && name !== first?.[0]);
    return `HEADERS ${[first, status].flat().join(' ').trim()}${end}`;
  });
}

describe('a call', () => {
  test('begins with its first message and ends with OK', () => {
    const { owner, stream, handler } = openStream();
    expect(stream.write(Buffer.from('abc'))).toBe(true);
    expect(stream.writeAround(Buffer.from('12x'), 2, Buffer.from('3'), Buffer.from('4'))).toBe(true);
    stream.end();
    stream.end();
    expect(told(owner.frames())).toEqual([
      'HEADERS :status 200',
      'DATA 17',
      'HEADERS grpc-status 0, the last',
    ]);
    expect(owner.lingering).toEqual([stream]);
    expect(owner.closedStreams).toEqual([]);
    stream.peerEnded();
    expect(owner.closedStreams).toEqual([stream]);
    expect(handler.take()).toEqual([]);
  });

  test('without messages is one block of headers', () => {
    const { owner, stream } = openStream();
    stream.peerEnded();
    stream.end();
    expect(told(owner.frames())).toEqual(['HEADERS :status 200 grpc-status 0, the last']);
    expect(owner.closedStreams).toEqual([stream]);
    expect(owner.lingering).toEqual([]);
  });

  test('that has ended takes no message', () => {
    const { owner, stream } = openStream();
    stream.end();
    owner.frames();
    expect(stream.write(Buffer.alloc(1_000_000))).toBe(true);
    expect(owner.frames()).toEqual([]);
    expect(owner.heldBytes).toBe(0);
  });

  test('that ends while it is opened is given no handler', () => {
    const { owner, stream, handler } = openStream();
    stream.receiving.handler = undefined;
    stream.end();
    stream.attach(handler);
    const bytes = grpcMessage(Buffer.from('a'));
    stream.receiving.receive(bytes, 0, bytes.length);
    stream.peerEnded();
    owner.runWoken();
    expect(handler.take()).toEqual([]);
    expect(owner.closedStreams).toEqual([stream]);
  });

  test('cancels its deadline, however it ends', () => {
    for (const end of ['end', 'lost', 'reset', 'fail'] as const) {
      const { stream } = openStream();
      let cancelled = 0;
      stream.cancelDeadline = () => {
        cancelled += 1;
      };
      if (end === 'fail') stream.fail(STATUS.INTERNAL, '');
      else if (end === 'reset') stream.reset(ERROR.CANCEL);
      else stream[end]();
      expect(cancelled).toBe(1);
      expect(stream.cancelDeadline).toBeUndefined();
    }
  });
});

describe('an answer in place of a call', () => {
  test('waits for the end of the request', () => {
    const { owner, stream } = openStream();
    stream.receiving.handler = undefined;
    stream.refuse(httpAnswer(415));
    const content = Buffer.alloc(100);
    stream.receiving.receive(content, 0, content.length);
    expect(owner.frames()).toEqual([]);
    stream.peerEnded();
    expect(told(owner.frames())).toEqual(['HEADERS :status 415, the last']);
    expect(owner.closedStreams).toEqual([stream]);
  });

  test('to a request that breaks a rule is a reset, and the stream is over with its end', () => {
    const { owner, stream } = openStream({ declaredBytes: 3 });
    stream.receiving.handler = undefined;
    stream.refuse(httpAnswer(415));
    stream.receiving.receive(Buffer.alloc(4), 0, 4);
    expect(owner.lingering).toEqual([stream]);
    stream.peerEnded();
    expect(told(owner.frames())).toEqual([`RST ${ERROR.PROTOCOL_ERROR}`]);
    expect(owner.closedStreams).toEqual([stream]);
  });
});

describe('windows', () => {
  test('of any size: all that was written leaves in order, and OK after it', () => {
    const sizes = fc.array(fc.nat({ max: 40_000 }), { minLength: 1, maxLength: 10 });
    const windows = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 30_000 })), { maxLength: 60 });
    fc.assert(
      fc.property(sizes, windows, (messages, steps) => {
        const { owner, stream } = openStream({ sendBytes: 0 });
        owner.sendWindowBytes = 0;
        const all = messages.map((size, i) => grpcMessage(Buffer.alloc(size, i)));
        for (const message of all) stream.write(message.subarray(5));
        stream.end();
        stream.peerEnded();
        expect(owner.closedStreams).toEqual([]);
        for (const [isStream, bytes] of steps) {
          if (!isStream) {
            owner.widen(bytes);
          } else {
            stream.sending.widen(bytes);
            stream.unblock();
          }
        }
        stream.sending.widen(1 << 20);
        stream.unblock();
        owner.widen(1 << 20);
        const frames = owner.frames();
        const content = frames.filter(({ type }) => type === TYPE.DATA);
        expect(Buffer.concat(content.map(({ payload }) => payload)).equals(Buffer.concat(all))).toBe(true);
        expect(told(frames).at(-1)).toBe('HEADERS grpc-status 0, the last');
        expect(owner.closedStreams).toEqual([stream]);
        expect(owner.blockedStreams.size).toBe(0);
        expect(owner.heldBytes).toBe(0);
      }),
    );
  });

  test('a stream waits for the connection only when that has no window', () => {
    const { owner, stream } = openStream({ sendBytes: 0 });
    stream.write(Buffer.from('a'));
    expect(owner.blockedStreams.size).toBe(0);
    owner.sendWindowBytes = 0;
    stream.sending.widen(100);
    stream.unblock();
    expect(owner.blockedStreams.size).toBe(1);
    owner.widen(100);
    expect(told(owner.frames())).toEqual(['HEADERS :status 200', 'DATA 6']);
  });

  test('what leaves in part is flushed', () => {
    const { owner, stream } = openStream({ sendBytes: 0 });
    stream.write(Buffer.alloc(100));
    const { writtenCalls } = owner;
    stream.sending.widen(50);
    stream.unblock();
    expect(owner.writtenCalls).toBeGreaterThan(writtenCalls);
  });
});

describe('a writer is to wait', () => {
  test('above 64 kB of its own, and told once when there is room', () => {
    const { owner, stream, handler } = openStream({ sendBytes: 0 });
    expect(stream.write(Buffer.alloc(QUEUE_BYTES - 5))).toBe(true);
    expect(stream.write(EMPTY)).toBe(false);
    expect(stream.write(EMPTY)).toBe(false);
    stream.sending.widen(9);
    stream.unblock();
    expect(handler.take()).toEqual([]);
    stream.sending.widen(1);
    stream.unblock();
    expect(handler.take()).toEqual(['drained']);
    stream.sending.widen(QUEUE_BYTES);
    stream.unblock();
    stream.relieved();
    expect(handler.take()).toEqual([]);
    expect(owner.heldBytes).toBe(0);
  });

  test('once for each time it was told so, whatever it writes meanwhile', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 90_000 })), { maxLength: 40 }),
        (steps) => {
          const { stream, handler } = openStream({ sendBytes: 0 });
          let isWaiting = false;
          let wasTold = 0;
          for (const [writes, bytes] of steps) {
            if (writes) {
              if (!stream.write(Buffer.alloc(bytes)) && !isWaiting) {
                isWaiting = true;
                wasTold += 1;
              }
              continue;
            }
            stream.sending.widen(bytes);
            stream.unblock();
            const hasRoom = stream.sending.queuedBytes <= QUEUE_BYTES;
            expect(handler.take()).toEqual(isWaiting && hasRoom ? ['drained'] : []);
            if (hasRoom) isWaiting = false;
          }
          expect(wasTold).toBeGreaterThanOrEqual(isWaiting ? 1 : 0);
        },
      ),
    );
  });

  test('while the socket is full, for the next after it too', () => {
    const { owner, stream, handler } = openStream();
    owner.socket.isFluent = false;
    let writes = 1;
    for (; stream.write(Buffer.alloc(10_000)); writes += 1) {}
    expect(writes * 10_000).toBeLessThan(500_000);
    const other = openStream({ owner, id: 3 });
    expect(other.stream.write(EMPTY)).toBe(false);
    expect([...owner.congestedStreams]).toEqual([stream, other.stream]);
    owner.writer.flush();
    while (owner.writer.waitingBytes > 0) owner.socket.drain();
    expect(handler.take()).toEqual(['drained']);
    expect(other.handler.take()).toEqual(['drained']);
  });

  test('but is told nothing once it has ended', () => {
    const { owner, stream, handler } = openStream({ sendBytes: 0 });
    expect(stream.write(Buffer.alloc(2 * QUEUE_BYTES))).toBe(false);
    stream.end();
    stream.sending.widen(1 << 20);
    stream.unblock();
    expect(handler.take()).toEqual([]);
    expect(told(owner.frames()).at(-1)).toBe('HEADERS grpc-status 0, the last');
  });

  test('`drained` may write, and be told to wait again', () => {
    const { stream, handler } = openStream({ sendBytes: 0 });
    handler.onEvent = () => stream.write(Buffer.alloc(2 * QUEUE_BYTES));
    stream.write(Buffer.alloc(2 * QUEUE_BYTES));
    for (let i = 1; i <= 3; i += 1) {
      stream.sending.widen(2 * QUEUE_BYTES + 5);
      stream.unblock();
      expect(handler.events).toHaveLength(i);
    }
  });
});

describe('a call that fails', () => {
  test('ends with its status, and without what waits', () => {
    const { owner, stream, handler } = openStream({ sendBytes: 10 });
    stream.write(Buffer.alloc(100));
    stream.fail(STATUS.DEADLINE_EXCEEDED, 'too late');
    stream.fail(STATUS.INTERNAL, 'again');
    expect(told(owner.frames())).toEqual([
      'HEADERS :status 200',
      'DATA 10',
      'HEADERS grpc-status 4, the last',
    ]);
    expect(handler.take()).toEqual(['cancelled']);
    expect(owner.heldBytes).toBe(0);
    expect(owner.lingering).toEqual([stream]);
  });

  test('before anything was answered is one block of headers', () => {
    const { owner, stream } = openStream();
    stream.fail(STATUS.UNIMPLEMENTED, 'unknown');
    expect(told(owner.frames())).toEqual(['HEADERS :status 200 grpc-status 12, the last']);
  });

  test('after its end does nothing, though not all has left', () => {
    const { owner, stream, handler } = openStream({ sendBytes: 0 });
    stream.write(Buffer.from('a'));
    stream.end();
    stream.fail(STATUS.DEADLINE_EXCEEDED, '');
    stream.sending.widen(6);
    stream.unblock();
    expect(told(owner.frames())).toEqual([
      'HEADERS :status 200',
      'DATA 6',
      'HEADERS grpc-status 0, the last',
    ]);
    expect(handler.take()).toEqual([]);
  });

  test('and whose handler throws at that has ended all the same', () => {
    const { owner, stream, handler } = openStream();
    handler.onEvent = () => {
      throw new Error('bug');
    };
    stream.peerEnded();
    stream.fail(STATUS.INTERNAL, '');
    expect(told(owner.frames())).toEqual(['HEADERS :status 200 grpc-status 13, the last']);
    expect(owner.errors).toEqual([new Error('bug')]);
    expect(owner.closedStreams).toEqual([stream]);
  });
});

describe('a stream that is broken off', () => {
  test('here: one RST_STREAM, and nothing after it', () => {
    const { owner, stream, handler } = openStream({ sendBytes: 10 });
    stream.write(Buffer.alloc(100));
    stream.reset(ERROR.CANCEL);
    stream.reset(ERROR.INTERNAL_ERROR);
    stream.end();
    stream.write(EMPTY);
    stream.sending.widen(1000);
    stream.unblock();
    expect(told(owner.frames())).toEqual(['HEADERS :status 200', 'DATA 10', `RST ${ERROR.CANCEL}`]);
    expect(handler.take()).toEqual(['cancelled']);
    expect([owner.lingering, owner.offenders, owner.heldBytes]).toEqual([[stream], [], 0]);
  });

  test('for what the peer did: it is counted', () => {
    const { owner, stream } = openStream();
    stream.breakOff(ERROR.FLOW_CONTROL_ERROR);
    expect(told(owner.frames())).toEqual([`RST ${ERROR.FLOW_CONTROL_ERROR}`]);
    expect(owner.offenders).toEqual([stream]);
  });

  test('by the peer: nothing leaves, and the handler is told once, also while paused', () => {
    const { owner, stream, handler } = openStream({ sendBytes: 0 });
    const bytes = grpcMessage(Buffer.from('a'));
    stream.pause();
    stream.receiving.receive(bytes, 0, bytes.length);
    stream.write(Buffer.alloc(100));
    stream.lost();
    stream.resume();
    owner.runWoken();
    expect(handler.take()).toEqual(['cancelled']);
    expect(told(owner.frames())).toEqual(['HEADERS :status 200']);
    expect([owner.closedStreams, owner.heldBytes]).toEqual([[stream], 0]);
  });

  test('by the peer, and whose handler throws at that: nothing leaves', () => {
    const { owner, stream, handler } = openStream();
    handler.onEvent = () => {
      throw new Error('bug');
    };
    stream.lost();
    expect(owner.frames()).toEqual([]);
    expect(owner.errors).toEqual([new Error('bug')]);
    expect(owner.closedStreams).toEqual([stream]);
  });
});

describe('a peer that does not end its side', () => {
  test('is told that nothing more is wanted', () => {
    const { owner, stream } = openStream();
    stream.end();
    owner.frames();
    stream.expire();
    expect(told(owner.frames())).toEqual([`RST ${ERROR.NO_ERROR}`]);
    expect(owner.closedStreams).toEqual([stream]);
  });

  test('is not told twice', () => {
    const { owner, stream } = openStream();
    stream.reset(ERROR.CANCEL);
    owner.frames();
    stream.expire();
    expect(owner.frames()).toEqual([]);
    expect(owner.closedStreams).toEqual([stream]);
  });
});

test('streams keep the shape of a new one, whatever becomes of them', () => {
  const used = openStream({ sendBytes: 10, declaredBytes: 6 });
  const bytes = grpcMessage(Buffer.from('a'));
  used.stream.pause();
  used.stream.receiving.receive(bytes, 0, bytes.length);
  used.stream.cancelDeadline = () => {};
  used.stream.write(Buffer.alloc(1 << 17));
  used.stream.resume();
  used.owner.runWoken();
  used.stream.sending.widen(-100);
  used.stream.lingersSinceMs = 12.5;
  used.stream.end();
  const refused = openStream();
  refused.stream.refuse(httpAnswer(405));
  refused.stream.peerEnded();
  const reset = openStream();
  reset.stream.reset(ERROR.CANCEL);
  const fresh = openStream({ owner: new FakeStreamOwner() });
  for (const { stream } of [used, refused, reset]) {
    expect(sameShape(stream, fresh.stream)).toBe(true);
    expect(sameShape(stream.sending, fresh.stream.sending)).toBe(true);
    expect(sameShape(stream.receiving, fresh.stream.receiving)).toBe(true);
  }
});
