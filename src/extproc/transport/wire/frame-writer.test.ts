import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../../../test/support/eventually.ts';
import { FakeSocket } from '../../../../test/support/fake-socket.ts';
import { FrameParser, ping, type RawFrame, TYPE } from '../../../../test/support/http2-frames.ts';
import { FrameWriter } from './frame-writer.ts';

const BLOCK_BYTES = 64 * 1024;
const PING_BYTES = 17;

/** What is written, in the order of calls. */
type Step =
  | { readonly kind: 'data'; readonly streamId: number; readonly size: number; readonly fill: number }
  | {
      readonly kind: 'headers';
      readonly streamId: number;
      readonly block: Uint8Array;
      readonly isLast: boolean;
    }
  | { readonly kind: 'ping' }
  | { readonly kind: 'flush' };

const streamId = fc.constantFrom(1, 3, 0x7fff_ffff);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('data' as const),
      streamId,
      size: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 16_384 })),
      fill: fc.nat({ max: 255 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('headers' as const),
      streamId,
      block: fc.uint8Array({ maxLength: 300 }),
      isLast: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'ping' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'flush' as const }) },
);

function write(writer: FrameWriter, step: Step): void {
  switch (step.kind) {
    case 'data': {
      const at = writer.data(step.streamId, step.size);
      writer.block.fill(step.fill, at, at + step.size);
      return;
    }
    case 'headers':
      writer.headers(step.streamId, step.block, step.isLast);
      return;
    case 'ping':
      writer.append(ping());
      return;
    case 'flush':
      writer.flush();
  }
}

/** What a peer is to get: content of a stream as one, where nothing else comes between. */
function view(
  frames: readonly { readonly streamId: number; readonly what: string; readonly bytes: string }[],
) {
  const seen: { streamId: number; what: string; bytes: string }[] = [];
  for (const frame of frames) {
    const last = seen.at(-1);
    if (frame.what === 'data' && last?.what === 'data' && last.streamId === frame.streamId)
      last.bytes += frame.bytes;
    else seen.push({ ...frame });
  }
  return seen;
}

function wanted(steps: readonly Step[]) {
  return view(
    steps.flatMap((step) => {
      if (step.kind === 'data') {
        const bytes = Buffer.alloc(step.size, step.fill).toString('hex');
        return [{ streamId: step.streamId, what: 'data', bytes }];
      }
      if (step.kind === 'headers') {
        const what = step.isLast ? 'headers 5' : 'headers 4';
        return [{ streamId: step.streamId, what, bytes: Buffer.from(step.block).toString('hex') }];
      }
      return step.kind === 'ping' ? [{ streamId: 0, what: 'ping', bytes: '00'.repeat(8) }] : [];
    }),
  );
}

function got(frames: readonly RawFrame[]) {
  return view(
    frames.map(({ type, flags, streamId, payload }) => {
      expect(payload.length).toBeLessThanOrEqual(16_384);
      const name =
        type === TYPE.DATA && flags === 0 ? 'data' : type === TYPE.PING ? 'ping' : `headers ${flags}`;
      return { streamId, what: name, bytes: payload.toString('hex') };
    }),
  );
}

describe('what is written', () => {
  test('is what a peer parses, whatever the kernel takes when, and no block is used while it is kept', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(step, fc.nat({ max: 2 })), { maxLength: 40 }),
        fc.boolean(),
        (script, isFluent) => {
          const socket = new FakeSocket(isFluent);
          const writer = new FrameWriter(socket.socket, () => {});
          for (const [step, taken] of script) {
            write(writer, step);
            if (taken > 0) socket.drain(taken);
          }
          writer.flush();
          while (writer.waitingBytes > 0) socket.drain();
          expect(got(new FrameParser().push(socket.take()))).toEqual(wanted(script.map(([step]) => step)));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('also reaches the other end of a real connection', async () => {
    await using pair = await socketPair();
    const parser = new FrameParser();
    const frames: RawFrame[] = [];
    pair.far.on('data', (bytes) => frames.push(...parser.push(bytes)));
    const writer = new FrameWriter(pair.near, () => {});
    const steps = fc.sample(step, { numRuns: 600, seed: 1 });
    for (const step of steps) write(writer, step);
    writer.end();
    await once(pair.far, 'end');
    expect(got(frames)).toEqual(wanted(steps));
  });

  test('leaves in one write for each flush, and not before', () => {
    const socket = new FakeSocket();
    const writer = new FrameWriter(socket.socket, () => {});
    writer.headers(1, Buffer.from('block'), false);
    writer.append(ping());
    writer.data(1, 10);
    expect(socket.writes).toBe(0);
    expect(writer.waitingBytes).toBe(14 + PING_BYTES + 19);
    writer.flush();
    writer.flush();
    expect(socket.writes).toBe(1);
    expect(writer.waitingBytes).toBe(0);
  });

  test('leaves without a flush when a block is full', () => {
    const socket = new FakeSocket();
    const writer = new FrameWriter(socket.socket, () => {});
    for (let i = 0; i < 4; i += 1) writer.data(1, 16_000);
    expect(socket.writes).toBe(0);
    writer.append(Buffer.alloc(2000));
    expect(socket.writes).toBe(1);
    writer.end();
    expect(socket.take()).toHaveLength(4 * 16_009 + 2000);
    expect(socket.hasEnded).toBe(true);
  });
});

describe('DATA of one stream', () => {
  const sizes = (writes: (writer: FrameWriter) => void) => {
    const socket = new FakeSocket();
    const writer = new FrameWriter(socket.socket, () => {});
    writes(writer);
    writer.flush();
    return new FrameParser().push(socket.take()).map(({ type, payload }) => [type, payload.length]);
  };

  test.each<{ name: string; writes: (writer: FrameWriter) => void; want: readonly (readonly number[])[] }>([
    { name: 'becomes one frame', writes: (to) => [to.data(1, 5), to.data(1, 7)], want: [[0, 12]] },
    {
      name: 'becomes frames of 16,384 bytes at most',
      writes: (to) => [to.data(1, 16_000), to.data(1, 384), to.data(1, 1)],
      want: [
        [0, 16_384],
        [0, 1],
      ],
    },
    {
      name: 'does not take in that of another',
      writes: (to) => [to.data(1, 5), to.data(3, 7), to.data(1, 2)],
      want: [
        [0, 5],
        [0, 7],
        [0, 2],
      ],
    },
    {
      name: 'does not grow over a frame that came after',
      writes: (to) => [to.data(1, 5), to.append(ping()), to.data(1, 2)],
      want: [
        [0, 5],
        [6, 8],
        [0, 2],
      ],
    },
    {
      name: 'does not grow over trailers',
      writes: (to) => [to.data(1, 5), to.headers(1, Buffer.of(1), true), to.data(1, 2)],
      want: [
        [0, 5],
        [1, 1],
        [0, 2],
      ],
    },
    {
      name: 'does not grow once it has left',
      writes: (to) => [to.data(1, 5), to.flush(), to.data(1, 2)],
      want: [
        [0, 5],
        [0, 2],
      ],
    },
  ])('$name', ({ writes, want }) => {
    expect(sizes(writes)).toEqual(want);
  });
});

describe('a peer that does not read', () => {
  /** A writer with `bytes` flushed and not taken. */
  function stuck(bytes: number): { socket: FakeSocket; writer: FrameWriter; reliefs: () => number } {
    let reliefs = 0;
    const socket = new FakeSocket(false);
    const writer = new FrameWriter(socket.socket, () => {
      reliefs += 1;
    });
    for (let left = bytes; left > 0; left -= 1000) writer.append(Buffer.alloc(Math.min(left, 1000)));
    writer.flush();
    return { socket, writer, reliefs: () => reliefs };
  }

  test('congests above 256 kB; relief comes once, below 64 kB', () => {
    expect(stuck(256_000).writer.isCongested).toBe(false);
    const { socket, writer, reliefs } = stuck(330_000);
    expect(writer.isCongested).toBe(true);
    while (writer.waitingBytes > 64 * 1024) {
      expect(reliefs()).toBe(0);
      socket.drain(1);
    }
    expect(writer.isCongested).toBe(false);
    expect(reliefs()).toBe(1);
    socket.drain();
    expect(reliefs()).toBe(1);
  });

  test('relief may congest again', () => {
    const socket = new FakeSocket(false);
    let reliefs = 0;
    const fill = () => {
      for (let i = 0; i < 330; i += 1) writer.append(Buffer.alloc(1000));
      writer.flush();
    };
    const writer = new FrameWriter(socket.socket, () => {
      reliefs += 1;
      if (reliefs < 3) fill();
    });
    fill();
    for (let i = 0; i < 100 && writer.waitingBytes > 0; i += 1) socket.drain(1);
    expect(reliefs).toBe(3);
    expect(writer.isCongested).toBe(false);
  });

  test('takes the memory of its bytes, however small the flushes', () => {
    const socket = new FakeSocket(false);
    const writer = new FrameWriter(socket.socket, () => {});
    for (let i = 0; i < 20_000; i += 1) {
      writer.append(ping());
      writer.flush();
    }
    expect(writer.waitingBytes).toBe(20_000 * PING_BYTES);
    expect(socket.writes).toBeLessThanOrEqual(2 + (20_000 * PING_BYTES) / (BLOCK_BYTES - PING_BYTES));
    while (writer.waitingBytes > 0) socket.drain();
    const frames = new FrameParser().push(socket.take());
    expect(frames).toHaveLength(20_000);
  });

  test('gets what was flushed meanwhile as soon as it reads', () => {
    const { socket, writer } = stuck(10);
    writer.append(ping());
    writer.flush();
    expect(socket.writes).toBe(1);
    socket.drain(1);
    expect(socket.writes).toBe(2);
    // Not flushed: not sent.
    writer.append(ping());
    socket.drain();
    expect(writer.waitingBytes).toBe(PING_BYTES);
  });

  test('and breaks: nothing follows', () => {
    const { socket, writer, reliefs } = stuck(330_000);
    writer.append(ping());
    writer.flush();
    socket.break();
    expect(reliefs()).toBe(0);
  });

  test('of a real connection: congestion, then relief, and all arrives', async () => {
    await using pair = await socketPair();
    let reliefs = 0;
    const writer = new FrameWriter(pair.near, () => {
      reliefs += 1;
    });
    let written = 0;
    for (; !writer.isCongested; written += 100 * PING_BYTES) {
      for (let i = 0; i < 100; i += 1) writer.append(ping());
      writer.flush();
    }
    let received = 0;
    pair.far.on('data', (bytes) => {
      received += bytes.length;
    });
    await eventually(() => expect(received).toBe(written));
    await eventually(() => expect(reliefs).toBe(1));
    expect(writer.isCongested).toBe(false);
  });
});

/** Two ends of a connection over loopback. */
async function socketPair(): Promise<AsyncDisposable & { readonly near: Socket; readonly far: Socket }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1'); // it listens on TCP
  const [near] = (await once(server, 'connection')) as [Socket];
  return {
    near,
    far,
    async [Symbol.asyncDispose]() {
      near.destroy();
      far.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
