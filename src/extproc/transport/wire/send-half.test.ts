import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { grpcMessage, TYPE } from '../../../../test/support/http2-frames.ts';
import { FakeStreamOwner } from '../../../../test/support/wire-stream.ts';
import { SendHalf } from './send-half.ts';

const part = fc.uint8Array({ maxLength: 40 });
const message = fc.record({
  before: part,
  body: fc.oneof(part, fc.uint8Array({ minLength: 16_000, maxLength: 40_000 })),
  after: part,
});
const windowBytes = fc.oneof(fc.nat({ max: 60 }), fc.integer({ min: 10_000, max: 50_000 }));

/** Bytes of DATA of stream 7 that have left. */
function sent(owner: FakeStreamOwner): Buffer {
  const frames = owner.frames().filter(({ type }) => type === TYPE.DATA);
  for (const { streamId, flags, payload } of frames) {
    expect([streamId, flags]).toEqual([7, 0]);
    expect(payload.length).toBeGreaterThan(0);
    expect(payload.length).toBeLessThanOrEqual(16_384);
  }
  return Buffer.concat(frames.map(({ payload }) => payload));
}

test('bytes out are the messages with their prefixes, in order, never beyond the windows', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('message' as const), message }),
    fc.record({ kind: fc.constant('stream window' as const), bytes: windowBytes }),
    fc.record({ kind: fc.constant('connection window' as const), bytes: windowBytes }),
    fc.record({ kind: fc.constant('narrower' as const), bytes: windowBytes }),
  );
  fc.assert(
    fc.property(
      windowBytes,
      windowBytes,
      fc.array(step, { maxLength: 25 }),
      (streamBytes, connectionBytes, steps) => {
        const owner = new FakeStreamOwner();
        owner.sendWindowBytes = connectionBytes;
        const half = new SendHalf(7, owner, streamBytes);
        let streamWindow = streamBytes;
        let connectionWindow = connectionBytes;
        let written = Buffer.alloc(0);
        let out = Buffer.alloc(0);
        for (const step of steps) {
          switch (step.kind) {
            case 'message': {
              const { before, body, after } = step.message;
              // All of them are used again at once, and `before` is longer than what of it counts.
              const parts = [
                Buffer.from([...before, 1, 2, 3]),
                Buffer.from(body),
                Buffer.from(after),
              ] as const;
              half.message(parts[0], before.length, parts[1], parts[2]);
              for (const used of parts) used.fill(0xee);
              written = Buffer.concat([written, grpcMessage(Buffer.from([...before, ...body, ...after]))]);
              break;
            }
            case 'stream window':
              streamWindow += step.bytes;
              expect(half.widen(step.bytes)).toBe(streamWindow);
              half.pump();
              break;
            case 'connection window':
              connectionWindow += step.bytes;
              owner.sendWindowBytes += step.bytes;
              half.pump();
              break;
            case 'narrower':
              streamWindow -= step.bytes;
              half.widen(-step.bytes);
          }
          const bytes = sent(owner);
          out = Buffer.concat([out, bytes]);
          streamWindow -= bytes.length;
          connectionWindow -= bytes.length;
          expect(out.equals(written.subarray(0, out.length))).toBe(true);
          // Never beyond a window, and nothing is kept back that may go.
          if (bytes.length > 0) expect(Math.min(streamWindow, connectionWindow)).toBeGreaterThanOrEqual(0);
          if (half.queuedBytes > 0) expect(Math.min(streamWindow, connectionWindow)).toBeLessThanOrEqual(0);
          expect(half.queuedBytes).toBe(written.length - out.length);
          expect(owner.heldBytes).toBe(half.queuedBytes);
          expect(owner.sendWindowBytes).toBe(connectionWindow);
          expect(half.widen(0)).toBe(streamWindow);
        }
      },
    ),
    { numRuns: 150 },
  );
});

describe('a message', () => {
  const AROUND = [Buffer.from('<<x'), 2, Buffer.from('body'), Buffer.from('>')] as const;
  const FRAMED = grpcMessage(Buffer.from('<<body>'));

  test('begins the answer, the next does not', () => {
    const owner = new FakeStreamOwner();
    const half = new SendHalf(7, owner, 1000);
    expect(half.hasHeaders).toBe(false);
    half.message(...AROUND);
    half.message(...AROUND);
    expect(half.hasHeaders).toBe(true);
    const frames = owner.frames();
    expect(frames.map(({ type, flags, streamId }) => [type, flags, streamId])).toEqual([
      [TYPE.HEADERS, 4, 7],
      [TYPE.DATA, 0, 7],
    ]);
    expect(frames[1]?.payload).toEqual(Buffer.concat([FRAMED, FRAMED]));
  });

  test('without a window leaves headers alone', () => {
    const owner = new FakeStreamOwner();
    const half = new SendHalf(7, owner, 0);
    half.message(...AROUND);
    expect(owner.frames().map(({ type }) => type)).toEqual([TYPE.HEADERS]);
    expect(half.queuedBytes).toBe(FRAMED.length);
  });

  test('of nothing is five bytes', () => {
    const owner = new FakeStreamOwner();
    const half = new SendHalf(7, owner, 5);
    half.message(Buffer.alloc(0), 0, Buffer.alloc(0), Buffer.alloc(0));
    expect(sent(owner)).toEqual(Buffer.alloc(5));
    expect(half.widen(0)).toBe(0);
  });

  test('that fits does not overtake what waits', () => {
    const owner = new FakeStreamOwner();
    const half = new SendHalf(7, owner, 0);
    half.message(...AROUND);
    half.widen(1000);
    half.message(Buffer.alloc(0), 0, Buffer.from('second'), Buffer.alloc(0));
    expect(sent(owner)).toEqual(Buffer.concat([FRAMED, grpcMessage(Buffer.from('second'))]));
  });
});

test('what is dropped does not leave any more, and is not held', () => {
  const owner = new FakeStreamOwner();
  const half = new SendHalf(7, owner, 6);
  half.message(Buffer.alloc(0), 0, Buffer.alloc(100), Buffer.alloc(0));
  expect(sent(owner)).toHaveLength(6);
  expect(owner.heldBytes).toBe(99);
  half.clear();
  half.clear();
  expect([half.queuedBytes, owner.heldBytes]).toEqual([0, 0]);
  half.widen(1000);
  half.pump();
  expect(sent(owner)).toHaveLength(0);
});
