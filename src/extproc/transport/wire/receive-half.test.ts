import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyCuts, splitAt } from '../../../../test/support/chunks.ts';
import { grpcMessage } from '../../../../test/support/http2-frames.ts';
import { openStream, type StreamOptions } from '../../../../test/support/wire-stream.ts';
import { ERROR } from './frames.ts';

/** A receiving half of a stream with a handler, and content to give to it. */
function receiver(options: StreamOptions = {}) {
  const { owner, stream, handler } = openStream(options);
  const { receiving } = stream;
  const receive = (...texts: readonly string[]) => {
    const bytes = Buffer.concat(texts.map((text) => grpcMessage(Buffer.from(text))));
    receiving.receive(bytes, 0, bytes.length);
  };
  return { owner, stream, handler, receiving, receive };
}

describe('messages', () => {
  test('reach the handler at once, and nothing of them is held', () => {
    const { owner, handler, receive } = receiver();
    receive('a', 'b');
    receive('');
    expect(handler.take()).toEqual(['message a', 'message b', 'message ']);
    expect(owner.heldBytes).toBe(0);
  });

  test('arrive in order, each once, however the handler pauses and content is cut', () => {
    const texts = fc.array(fc.string({ unit: 'binary-ascii', maxLength: 30 }), { maxLength: 12 });
    fc.assert(
      fc.property(
        texts,
        anyCuts,
        fc.array(fc.nat({ max: 3 }), { maxLength: 40 }),
        (messages, cuts, pauses) => {
          const { owner, handler, receiving } = receiver();
          let at = 0;
          handler.onEvent = () => {
            // 0: pauses; 1: pauses and goes on before it returns.
            const what = pauses[at++];
            if (what !== undefined && what < 2) receiving.pause();
            if (what === 1) receiving.resume();
          };
          for (const piece of splitAt(
            Buffer.concat(messages.map((text) => grpcMessage(Buffer.from(text)))),
            cuts,
          )) {
            if (piece.length > 0) receiving.receive(piece, 0, piece.length);
            if (pauses[at++] === 2) receiving.resume();
            if (pauses[at++] === 3) owner.runWoken();
            expect(receiving.isReadOut).toBe(owner.heldBytes === 0);
          }
          receiving.end();
          for (let i = 0; i <= messages.length; i += 1) {
            receiving.resume();
            owner.runWoken();
          }
          expect(handler.take()).toEqual([...messages.map((text) => `message ${text}`), 'half-closed']);
          expect(owner.heldBytes).toBe(0);
          expect(owner.errors).toEqual([]);
        },
      ),
    );
  });

  test('that were read while paused come after `resume`, in a turn of their own, before later ones', () => {
    const { owner, handler, receiving, receive } = receiver();
    receiving.pause();
    receive('a', 'b');
    expect(owner.heldBytes).toBe(12);
    expect(receiving.isReadOut).toBe(false);
    expect(owner.runWoken()).toBe(0);
    receiving.resume();
    receive('c');
    expect(handler.take()).toEqual([]);
    expect(owner.runWoken()).toBe(1);
    expect(handler.take()).toEqual(['message a', 'message b', 'message c']);
    expect(owner.heldBytes).toBe(0);
    receive('d');
    expect(handler.take()).toEqual(['message d']);
  });

  test('are not copied again for each time that the handler pauses', () => {
    const { owner, handler, receiving } = receiver({ maxMessageBytes: 1 << 20 });
    const given: Buffer[] = [];
    handler.message = (bytes) => {
      given.push(bytes);
      receiving.pause();
    };
    receiving.pause();
    const bytes = Buffer.concat(Array.from({ length: 1000 }, () => grpcMessage(Buffer.alloc(500))));
    receiving.receive(bytes, 0, bytes.length);
    for (let i = 0; i < 1000; i += 1) {
      expect(owner.heldBytes).toBe((1000 - i) * 505);
      receiving.resume();
      owner.runWoken();
    }
    expect(given).toHaveLength(1000);
    expect(new Set(given).size).toBe(1);
    expect(receiving.isReadOut).toBe(true);
  });

  test('after the call has ended are dropped, paused or not', () => {
    const { owner, stream, handler, receiving, receive } = receiver();
    receiving.pause();
    receive('a');
    stream.end();
    expect([owner.heldBytes, receiving.isReadOut]).toEqual([0, true]);
    receive('b');
    receiving.resume();
    owner.runWoken();
    expect([handler.take(), owner.heldBytes]).toEqual([[], 0]);
  });

  test('after one that ends the call are dropped', () => {
    const { owner, stream, handler, receiving, receive } = receiver();
    handler.onEvent = () => stream.end();
    receive('a', 'b');
    receiving.pause();
    receive('c');
    expect([handler.take(), owner.heldBytes]).toEqual([['message a'], 0]);
  });

  test('while held, after one that ends the call, are dropped', () => {
    const { owner, stream, handler, receiving, receive } = receiver();
    handler.onEvent = () => stream.end();
    receiving.pause();
    receive('a', 'b');
    receiving.resume();
    owner.runWoken();
    expect([handler.take(), owner.heldBytes, receiving.isReadOut]).toEqual([['message a'], 0, true]);
  });

  test('before there is a handler are dropped: nobody asked for them', () => {
    const { owner, receiving, receive } = receiver();
    receiving.handler = undefined;
    receive('a');
    receiving.end();
    expect([owner.runWoken(), owner.heldBytes]).toEqual([0, 0]);
  });
});

describe('the end of what the peer sends', () => {
  test('comes in a turn of its own: a reset in the same read tells more', () => {
    const { owner, handler, stream } = receiver();
    stream.peerEnded();
    expect(handler.take()).toEqual([]);
    owner.runWoken();
    expect(handler.take()).toEqual(['half-closed']);
    const other = receiver();
    other.stream.peerEnded();
    other.stream.lost();
    other.owner.runWoken();
    expect(other.handler.take()).toEqual(['cancelled']);
  });

  test('comes at once to a handler that makes no difference', () => {
    const { handler, stream } = receiver();
    handler.isComplete = true;
    stream.peerEnded();
    expect(handler.take()).toEqual(['half-closed']);
  });

  test('waits behind what is held, and for `resume`', () => {
    const { owner, handler, receiving, stream, receive } = receiver();
    handler.onEvent = (event) => {
      if (event === 'message a') receiving.pause();
    };
    receive('a', 'b');
    stream.peerEnded();
    owner.runWoken();
    expect(handler.take()).toEqual(['message a']);
    receiving.resume();
    owner.runWoken();
    expect(handler.take()).toEqual(['message b', 'half-closed']);
  });

  test('comes once, though the handler pauses and goes on afterwards', () => {
    for (const isComplete of [true, false]) {
      const { owner, handler, receiving, stream } = receiver();
      handler.isComplete = isComplete;
      receiving.pause();
      receiving.resume();
      stream.peerEnded();
      owner.runWoken();
      receiving.pause();
      receiving.resume();
      owner.runWoken();
      expect(handler.take()).toEqual(['half-closed']);
    }
  });

  test('within a message is an error', () => {
    const { owner, handler, receiving, stream } = receiver();
    const bytes = grpcMessage(Buffer.from('abc'));
    receiving.receive(bytes, 0, bytes.length - 1);
    stream.peerEnded();
    owner.runWoken();
    expect(handler.take()).toEqual(['cancelled']);
    expect(owner.frames().map(({ flags, payload }) => [flags, payload.includes('within a message')])).toEqual(
      [[5, true]],
    );
  });
});

describe('content-length', () => {
  test.each<{ name: string; declared: number; sent: readonly string[]; isRight: boolean }>([
    { name: 'as declared', declared: 12, sent: ['a', 'b'], isRight: true },
    { name: 'none, as declared', declared: 0, sent: [], isRight: true },
    { name: 'less', declared: 13, sent: ['a', 'b'], isRight: false },
    { name: 'none of it', declared: 1, sent: [], isRight: false },
    { name: 'more', declared: 11, sent: ['a', 'b'], isRight: false },
    { name: 'more than nothing', declared: 0, sent: ['a'], isRight: false },
  ])('$name', ({ declared, sent, isRight }) => {
    const { owner, stream, handler, receive } = receiver({ declaredBytes: declared });
    for (const text of sent) receive(text);
    stream.peerEnded();
    owner.runWoken();
    expect(handler.take().at(-1)).toBe(isRight ? 'half-closed' : 'cancelled');
    expect(owner.offenders).toEqual(isRight ? [] : [stream]);
    const resets = owner.frames().map(({ type, payload }) => [type, payload.readUInt32BE()]);
    expect(resets).toEqual(isRight ? [] : [[3, ERROR.PROTOCOL_ERROR]]);
    expect(owner.closedStreams).toEqual(isRight ? [] : [stream]);
  });
});

test('a handler that throws loses its stream, and is told nothing more but that', () => {
  for (const event of ['message a', 'half-closed']) {
    const { owner, stream, handler, receive } = receiver();
    handler.onEvent = (given) => {
      if (given === event) throw new Error('bug');
    };
    receive('a', 'b');
    stream.peerEnded();
    owner.runWoken();
    expect(handler.take().slice(-2)).toEqual([event, 'cancelled']);
    expect(owner.errors).toEqual([new Error('bug')]);
    expect(owner.closedStreams).toEqual([stream]);
    expect(owner.frames().map(({ type, payload }) => [type, payload.readUInt32BE()])).toEqual([
      [3, ERROR.INTERNAL_ERROR],
    ]);
  }
});

test('a message that cannot be read ends the call with its status', () => {
  const { owner, handler, stream, receiving, receive } = receiver({ maxMessageBytes: 10 });
  receive('a');
  receiving.pause();
  receive('b', 'x'.repeat(11), 'c');
  receiving.resume();
  owner.runWoken();
  expect(handler.take()).toEqual(['message a', 'message b', 'cancelled']);
  expect(owner.heldBytes).toBe(0);
  expect(owner.lingering).toEqual([stream]);
  expect(owner.frames().map(({ payload }) => payload.includes('message of 11 bytes'))).toEqual([true]);
});
