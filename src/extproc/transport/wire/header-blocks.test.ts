import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FLAGS, literalBlock } from '../../../../test/support/http2-frames.ts';
import { grpcRequest } from '../../../../test/support/raw-http2.ts';
import { ERROR } from './frames.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { LIMITS } from './limits.ts';

const REQUEST = grpcRequest('/a/b', [['content-length', '77']]);

/** Blocks that were completed: stream, whether it ends, and the path in it. */
class Receiver {
  readonly blocks: HeaderBlocks;
  readonly complete: unknown[] = [];

  constructor() {
    this.blocks = new HeaderBlocks((streamId, endsStream) => {
      const isWhole = this.blocks.decode(false);
      this.complete.push([streamId, endsStream, isWhole, this.blocks.head.path]);
    });
  }

  /** HEADERS whose payload lies within other bytes. */
  headers(flags: number, payload: Uint8Array, streamId = 5): this {
    this.blocks.begin(flags, streamId, Buffer.concat([NOISE, payload, NOISE]), 3, 3 + payload.length);
    return this;
  }

  continuation(flags: number, payload: Uint8Array, streamId = 5): this {
    this.blocks.go(flags, streamId, Buffer.concat([NOISE, payload, NOISE]), 3, 3 + payload.length);
    return this;
  }
}

const NOISE = Buffer.alloc(3, 0xff);

const ANSWER = [5, false, true, '/a/b'];

describe('a block in one frame', () => {
  test.each([
    { name: 'alone', flags: 0, payload: REQUEST },
    {
      name: 'padded',
      flags: FLAGS.PADDED,
      payload: Buffer.concat([Buffer.of(4), REQUEST, Buffer.alloc(4, 1)]),
    },
    { name: 'padded with nothing', flags: FLAGS.PADDED, payload: Buffer.concat([Buffer.of(0), REQUEST]) },
    {
      name: 'with a priority',
      flags: FLAGS.PRIORITY,
      payload: Buffer.concat([Buffer.of(0x80, 0, 0, 3, 255), REQUEST]),
    },
    {
      name: 'padded, with a priority',
      flags: FLAGS.PADDED | FLAGS.PRIORITY,
      payload: Buffer.concat([Buffer.of(2, 0, 0, 0, 0, 0), REQUEST, Buffer.alloc(2, 1)]),
    },
  ])('$name', ({ flags, payload }) => {
    expect(new Receiver().headers(flags | FLAGS.END_HEADERS, payload).complete).toEqual([ANSWER]);
    const last = new Receiver().headers(flags | FLAGS.END_HEADERS | FLAGS.END_STREAM, payload);
    expect(last.complete).toEqual([[5, true, true, '/a/b']]);
    expect(last.blocks.isOpen).toBe(false);
    expect(last.blocks.head).toMatchObject({ isMalformed: false, declaredBytes: 77 });
  });
});

test('a block cut anywhere into HEADERS and CONTINUATION is one block', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: REQUEST.length }), { maxLength: 8 }),
      fc.option(fc.nat({ max: 255 }), { nil: undefined }),
      fc.boolean(),
      (cuts, padding, endsStream) => {
        const at = [...cuts].sort((a, b) => a - b);
        const receiver = new Receiver();
        const first = REQUEST.subarray(0, at[0]);
        const flags =
          (endsStream ? FLAGS.END_STREAM : 0) |
          (at.length === 0 ? FLAGS.END_HEADERS : 0) |
          (padding === undefined ? 0 : FLAGS.PADDED);
        receiver.headers(
          flags,
          padding === undefined ? first : Buffer.concat([Buffer.of(padding), first, Buffer.alloc(padding)]),
        );
        at.forEach((start, i) => {
          expect(receiver.blocks.isOpen).toBe(true);
          expect(receiver.complete).toEqual([]);
          const isLast = i === at.length - 1;
          receiver.continuation(isLast ? FLAGS.END_HEADERS : 0, REQUEST.subarray(start, at[i + 1]));
        });
        expect(receiver.blocks.isOpen).toBe(false);
        expect(receiver.complete).toEqual([[5, endsStream, true, '/a/b']]);
      },
    ),
  );
});

test('a block that is not complete is no longer read from the bytes it came in', () => {
  const receiver = new Receiver();
  const bytes = Buffer.from(REQUEST);
  receiver.blocks.begin(0, 5, bytes, 0, bytes.length);
  bytes.fill(0xff);
  receiver.continuation(FLAGS.END_HEADERS, Buffer.alloc(0));
  expect(receiver.complete).toEqual([ANSWER]);
});

test('blocks share one table', () => {
  // Adds `:path: /t` to it; the second refers to that.
  const adds = Buffer.concat([
    Buffer.of(0x44, 2),
    Buffer.from('/t'),
    literalBlock([
      [':method', 'POST'],
      [':scheme', 'http'],
    ]),
  ]);
  const receiver = new Receiver()
    .headers(FLAGS.END_HEADERS, adds, 1)
    .headers(FLAGS.END_HEADERS, Buffer.of(0xbe), 3);
  expect(receiver.complete).toEqual([
    [1, false, true, '/t'],
    [3, false, true, '/t'],
  ]);
});

test('a list above the limit is decoded to its end and said to be so', () => {
  const fields = Array.from({ length: 33 }, (_, i) => [`x-${i}`, 'v'.repeat(2000)] as const);
  const receiver = new Receiver().headers(FLAGS.END_HEADERS, Buffer.concat([REQUEST, literalBlock(fields)]));
  expect(receiver.complete).toEqual([[5, false, false, '/a/b']]);
  expect(receiver.headers(FLAGS.END_HEADERS, REQUEST).complete[1]).toEqual(ANSWER);
});

describe('given up', () => {
  const half = LIMITS.headerBlockBytes / 2;
  const chunk = Buffer.alloc(half);

  test.each<{ name: string; run: (receiver: Receiver) => unknown; code: number }>([
    {
      name: 'HEADERS without a stream',
      run: (to) => to.headers(FLAGS.END_HEADERS, REQUEST, 0),
      code: ERROR.PROTOCOL_ERROR,
    },
    {
      name: 'padding longer than the frame',
      run: (to) => to.headers(FLAGS.END_HEADERS | FLAGS.PADDED, Buffer.of(3, 0, 0)),
      code: ERROR.PROTOCOL_ERROR,
    },
    {
      name: 'no room for the length of the padding',
      run: (to) => to.headers(FLAGS.END_HEADERS | FLAGS.PADDED, Buffer.alloc(0)),
      code: ERROR.PROTOCOL_ERROR,
    },
    {
      name: 'no room for the priority',
      run: (to) => to.headers(FLAGS.END_HEADERS | FLAGS.PRIORITY, Buffer.of(0, 0, 0, 0)),
      code: ERROR.PROTOCOL_ERROR,
    },
    {
      name: 'padding into the priority',
      run: (to) => to.headers(FLAGS.END_HEADERS | FLAGS.PRIORITY | FLAGS.PADDED, Buffer.of(1, 0, 0, 0, 0, 0)),
      code: ERROR.PROTOCOL_ERROR,
    },
    {
      name: 'a stream that depends on itself',
      run: (to) => to.headers(FLAGS.END_HEADERS | FLAGS.PRIORITY, Buffer.of(0x80, 0, 0, 5, 0)),
      code: ERROR.PROTOCOL_ERROR,
    },
    {
      name: 'CONTINUATION of another stream',
      run: (to) => to.headers(0, REQUEST).continuation(FLAGS.END_HEADERS, REQUEST, 7),
      code: ERROR.PROTOCOL_ERROR,
    },
    {
      name: 'a block that is too long',
      run: (to) => to.headers(0, chunk).continuation(0, chunk).continuation(0, Buffer.of(0)),
      code: ERROR.ENHANCE_YOUR_CALM,
    },
    {
      name: 'a block in too many frames',
      run: (to) => {
        to.headers(0, Buffer.alloc(0));
        for (let i = 0; i < 33; i += 1) to.continuation(0, Buffer.alloc(0));
      },
      code: ERROR.ENHANCE_YOUR_CALM,
    },
    {
      name: 'a block that cannot be decoded',
      run: (to) => to.headers(FLAGS.END_HEADERS, Buffer.of(0xff)),
      code: ERROR.COMPRESSION_ERROR,
    },
  ])('$name', ({ run, code }) => {
    const receiver = new Receiver();
    expect(() => run(receiver)).toThrow(expect.objectContaining({ name: 'ConnectionError', code }));
    expect(receiver.complete).toEqual([]);
  });

  test('not: a block in 33 frames', () => {
    const receiver = new Receiver().headers(0, REQUEST);
    for (let i = 0; i < 31; i += 1) receiver.continuation(0, Buffer.alloc(0));
    receiver.continuation(FLAGS.END_HEADERS, Buffer.alloc(0));
    expect(receiver.complete).toEqual([ANSWER]);
  });

  test('any bytes: a block or an error of the connection', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat({ max: 63 }), (payload, flags) => {
        try {
          new Receiver().headers(flags, payload);
        } catch (error) {
          expect((error as Error).name).toBe('ConnectionError'); // else the property fails here
        }
      }),
    );
  });
});
