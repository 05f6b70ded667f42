import { describe, expect, test } from 'vitest';
import * as peer from '../../../../test/support/http2-frames.ts';
import { grpcRequest } from '../../../../test/support/raw-http2.ts';
import { FakeSession, METHOD } from '../../../../test/support/wire-session.ts';
import { ERROR } from './frames.ts';
import { LIMITS } from './limits.ts';

const MESSAGE = peer.grpcMessage(Buffer.from('a'));

/** Frames in a few words: type, stream, and the number that RST_STREAM and WINDOW_UPDATE consist of. */
function told(frames: readonly peer.RawFrame[]): string[] {
  const names = new Map(Object.entries(peer.TYPE).map(([name, type]) => [type as number, name]));
  return frames.map(({ type, streamId, payload }) => {
    const number = type === peer.TYPE.RST_STREAM || type === peer.TYPE.WINDOW_UPDATE;
    return `${names.get(type)} ${streamId}${number ? ` ${payload.readUInt32BE()}` : ''}`;
  });
}

const failsWith = (code: number): unknown => expect.objectContaining({ name: 'ConnectionError', code });

describe('streams', () => {
  test('are opened, fed and ended', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    peerSide.read(peer.data(1, MESSAGE));
    expect(peerSide.events(0)).toEqual(['message a']);
    peerSide.read(peer.data(1, MESSAGE, { endStream: true, padding: 5 }));
    expect(peerSide.events(0)).toEqual(['message a', 'half-closed']);
    peerSide.calls[0]?.stream.write(Buffer.from('b'));
    peerSide.calls[0]?.stream.end();
    expect(told(peerSide.answers())).toEqual(['HEADERS 1', 'DATA 1', 'HEADERS 1']);
    expect(peerSide.session.streams.size).toBe(0);
  });

  test('end with HEADERS, with trailers, or with an empty frame', () => {
    const peerSide = new FakeSession();
    peerSide.open(1, { endStream: true });
    peerSide.open(3);
    peerSide.read(peer.headers(3, peer.literalBlock([['x', 'y']]), { endStream: true }));
    peerSide.open(5);
    peerSide.read(peer.data(5, Buffer.alloc(0), { endStream: true }));
    for (const call of [0, 1, 2]) expect(peerSide.events(call)).toEqual(['half-closed']);
  });

  test('that the peer breaks off are cancelled and forgotten', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    expect(peerSide.read(peer.resetStream(1, 8))).toEqual([]);
    expect(peerSide.events(0)).toEqual(['cancelled']);
    expect(peerSide.session.streams.size).toBe(0);
  });

  test('go on though others are broken off, refused and ended', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    peerSide.read(peer.headers(3, grpcRequest('/unknown')), peer.resetStream(3, 8));
    peerSide.open(5);
    peerSide.read(peer.windowUpdate(5, 0), peer.data(1, MESSAGE));
    expect(peerSide.events(0)).toEqual(['message a']);
    expect(peerSide.events(1)).toEqual(['cancelled']);
  });

  test('all end with the connection, and nothing is read any more', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    peerSide.open(3);
    peerSide.session.cancelAll();
    peerSide.session.cancelAll();
    expect([peerSide.events(0), peerSide.events(1)]).toEqual([['cancelled'], ['cancelled']]);
    expect(peerSide.read(peer.ping(), peer.data(1, MESSAGE), peer.headers(5, Buffer.of(0xff)))).toEqual([]);
    expect(peerSide.session.streams.size).toBe(0);
  });

  test('whose handler throws are logged', () => {
    const peerSide = new FakeSession();
    peerSide.onOpen = () => {
      throw new Error('bug');
    };
    expect(told(peerSide.open(1))).toEqual([`RST_STREAM 1 ${ERROR.INTERNAL_ERROR}`]);
    expect(peerSide.errors).toEqual([{ err: new Error('bug') }]);
  });
});

describe('a frame for a stream', () => {
  const OVER = ['over', 'refused'] as const;

  /** Stream 1 is over or was refused. */
  function streamThatIs(what: (typeof OVER)[number]): FakeSession {
    const peerSide = new FakeSession();
    if (what === 'refused') {
      peerSide.session.refusesStreams = true;
      expect(told(peerSide.open(1))).toEqual([`RST_STREAM 1 ${ERROR.REFUSED_STREAM}`]);
    } else {
      peerSide.open(1);
      peerSide.read(peer.resetStream(1, 8));
    }
    return peerSide;
  }

  test.each(OVER)(
    'that is %s was under way: RST_STREAM and WINDOW_UPDATE mean nothing, DATA is reset',
    (what) => {
      const peerSide = streamThatIs(what);
      expect(peerSide.read(peer.resetStream(1, 8), peer.windowUpdate(1, 100))).toEqual([]);
      expect(told(peerSide.read(peer.data(1, MESSAGE)))).toEqual([`RST_STREAM 1 ${ERROR.STREAM_CLOSED}`]);
    },
  );

  test('that ended not long ago: HEADERS are an error of their own', () => {
    const peerSide = streamThatIs('over');
    expect(() => peerSide.open(1)).toThrow(failsWith(ERROR.STREAM_CLOSED));
  });

  test('that was passed over is an error', () => {
    const peerSide = new FakeSession();
    peerSide.open(5);
    expect(() => peerSide.open(3)).toThrow(failsWith(ERROR.PROTOCOL_ERROR));
  });

  test.each([
    { name: 'DATA', frame: (id: number) => peer.data(id, MESSAGE) },
    { name: 'RST_STREAM', frame: (id: number) => peer.resetStream(id, 8) },
    { name: 'WINDOW_UPDATE', frame: (id: number) => peer.windowUpdate(id, 1) },
  ])('that was never opened: $name is an error', ({ frame }) => {
    for (const id of [2, 3, 4]) {
      const peerSide = new FakeSession();
      peerSide.open(1);
      expect(() => peerSide.read(frame(id))).toThrow(failsWith(ERROR.PROTOCOL_ERROR));
    }
  });

  test('that the peer has ended is an error of the stream', () => {
    for (const frame of [peer.data(1, MESSAGE), peer.headers(1, Buffer.alloc(0), { endStream: true })]) {
      const peerSide = new FakeSession();
      peerSide.open(1, { endStream: true });
      expect(told(peerSide.read(frame))).toEqual([`RST_STREAM 1 ${ERROR.STREAM_CLOSED}`]);
      expect(peerSide.events(0)).toEqual(['half-closed', 'cancelled']);
    }
  });

  test('with an even number is an error', () => {
    expect(() => new FakeSession().open(2)).toThrow(failsWith(ERROR.PROTOCOL_ERROR));
  });

  test('HEADERS within a call that do not end it are an error of the stream', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    const frames = peerSide.read(peer.headers(1, Buffer.alloc(0)));
    expect(told(frames)).toEqual([`RST_STREAM 1 ${ERROR.PROTOCOL_ERROR}`]);
  });
});

describe('once no more streams are taken', () => {
  test('the last one taken is what GOAWAY says, whatever the peer still opens', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    peerSide.session.refusesStreams = true;
    peerSide.read(
      peer.headers(7, grpcRequest(METHOD)),
      peer.data(7, MESSAGE, { endStream: true }),
      peer.headers(9, grpcRequest(METHOD), { endStream: true }),
    );
    expect(peerSide.session.lastStreamId).toBe(1);
    expect(peerSide.calls).toHaveLength(1);
    peerSide.read(peer.data(1, MESSAGE));
    expect(peerSide.events(0)).toEqual(['message a']);
  });

  test('their header blocks are read all the same: the table is shared', () => {
    const peerSide = new FakeSession();
    peerSide.session.refusesStreams = true;
    // Adds `x: y` to the table.
    peerSide.read(peer.headers(1, Buffer.concat([grpcRequest(METHOD), Buffer.of(0x40, 1, 0x78, 1, 0x79)])));
    peerSide.session.refusesStreams = false;
    peerSide.read(peer.headers(3, Buffer.concat([grpcRequest(METHOD), Buffer.of(0xbe)])));
    expect(peerSide.calls).toHaveLength(1);
  });
});

describe('windows for what the peer sends', () => {
  const full = Buffer.alloc(65_536);
  /** A message that is never complete. */
  const begin = Buffer.concat([Buffer.of(0), Buffer.of(0, 0x3f, 0, 0), full.subarray(5)]);

  test('come back in large pieces: of a stream when half is used, of the connection when a quarter is', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    const granted: string[] = [...told(peerSide.read(peer.data(1, begin)))];
    for (let i = 1; i < 63; i += 1) granted.push(...told(peerSide.read(peer.data(1, full))));
    const half = LIMITS.streamWindowBytes / 2;
    expect(granted).toEqual(Array.from({ length: 7 }, () => `WINDOW_UPDATE 1 ${half}`));
    const update = told(peerSide.read(peer.data(1, full.subarray(0, 65_536))));
    expect(update).toEqual([
      `WINDOW_UPDATE 1 ${half}`,
      `WINDOW_UPDATE 0 ${LIMITS.connectionWindowBytes / 4}`,
    ]);
  });

  test('count padding and frames of streams that are over', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    peerSide.read(peer.resetStream(1, 8));
    const padded = peer.data(1, full.subarray(256), { padding: 255 });
    const frames = Array.from({ length: 64 }, () => told(peerSide.read(padded))).flat();
    expect(frames.filter((frame) => frame.startsWith('WINDOW'))).toEqual([
      `WINDOW_UPDATE 0 ${LIMITS.connectionWindowBytes / 4}`,
    ]);
  });

  test('of a stream that is paused does not come back, and is then exceeded', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    peerSide.calls[0]?.stream.pause();
    for (let i = 0; i < 16; i += 1) expect(peerSide.read(peer.data(1, full))).toEqual([]);
    expect(told(peerSide.read(peer.data(1, Buffer.of(0))))).toEqual([
      `RST_STREAM 1 ${ERROR.FLOW_CONTROL_ERROR}`,
    ]);
    expect(peerSide.session.heldBytes).toBe(0);
    expect(peerSide.events(0)).toEqual(['cancelled']);
  });

  test('of a stream comes back when its handler goes on', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    const call = peerSide.calls[0];
    call?.stream.pause();
    peerSide.read(peer.data(1, begin));
    for (let i = 0; i < 15; i += 1) peerSide.read(peer.data(1, full));
    call?.stream.resume();
    expect(told(peerSide.answers())).toEqual([`WINDOW_UPDATE 1 ${LIMITS.streamWindowBytes}`]);
    expect(peerSide.session.heldBytes).toBe(0);
  });

  test('of the connection does not come back while too much is held, and is then exceeded', () => {
    const peerSide = new FakeSession();
    peerSide.onOpen = ({ stream }) => stream.pause();
    for (let id = 1; id < 32; id += 2) {
      peerSide.open(id);
      for (let i = 0; i < 16; i += 1) {
        const frames = told(peerSide.read(peer.data(id, full)));
        if (peerSide.session.heldBytes >= LIMITS.heldBytes) expect(frames).toEqual([]);
      }
    }
    expect(peerSide.session.heldBytes).toBe(LIMITS.heldBytes);
    const content = peer.data(33, full);
    peerSide.open(33);
    peerSide.calls.at(-1)?.stream.resume();
    expect(() => {
      for (let i = 0; i < 256; i += 1) expect(told(peerSide.read(content))).not.toContain('WINDOW_UPDATE 0');
    }).toThrow(failsWith(ERROR.FLOW_CONTROL_ERROR));
  });

  test('of the connection does not come back while too much waits for windows of the peer', () => {
    const peerSide = new FakeSession();
    const answer = Buffer.alloc(LIMITS.heldBytes / 10);
    for (let id = 1; id < 22; id += 2) {
      peerSide.open(id);
      peerSide.calls.at(-1)?.stream.write(answer);
    }
    peerSide.answers();
    expect(peerSide.session.heldBytes).toBeGreaterThan(LIMITS.heldBytes);
    peerSide.open(23);
    const granted: string[] = [];
    for (let i = 0; i < 128; i += 1)
      granted.push(...told(peerSide.read(peer.data(23, i === 0 ? begin : full))));
    expect(granted.filter((frame) => frame.startsWith('WINDOW_UPDATE 0'))).toEqual([]);
    for (let id = 1; id < 22; id += 2) granted.push(...told(peerSide.read(peer.resetStream(id, 8))));
    expect(peerSide.session.heldBytes).toBe(0);
    expect(granted.filter((frame) => frame.startsWith('WINDOW_UPDATE 0'))).toEqual([
      `WINDOW_UPDATE 0 ${LIMITS.connectionWindowBytes / 2}`,
    ]);
  });
});

describe('windows for what leaves', () => {
  const setWindow = (bytes: number) => peer.settings([[peer.SETTING.INITIAL_WINDOW_SIZE, bytes]]);
  const dataBytes = (frames: readonly peer.RawFrame[]) =>
    frames.flatMap(({ type, streamId, payload }) => (type === 0 ? [[streamId, payload.length]] : []));

  test('change with SETTINGS for streams that are open and for later ones, also below 0', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    peerSide.read(setWindow(10));
    peerSide.open(3);
    for (const { stream } of peerSide.calls) stream.write(Buffer.alloc(95));
    expect(dataBytes(peerSide.answers())).toEqual([
      [1, 10],
      [3, 10],
    ]);
    expect(dataBytes(peerSide.read(setWindow(4)))).toEqual([]);
    expect(dataBytes(peerSide.read(peer.windowUpdate(1, 6)))).toEqual([]);
    expect(dataBytes(peerSide.read(peer.windowUpdate(1, 1)))).toEqual([[1, 1]]);
    const widened = dataBytes(peerSide.read(setWindow(14)));
    expect(widened.toSorted(([one = 0], [other = 0]) => one - other)).toEqual([
      [1, 10],
      [3, 4],
    ]);
  });

  test('of the connection are given to those that wait, in the order in which they began to', () => {
    const peerSide = new FakeSession();
    peerSide.read(setWindow(1 << 20));
    for (const id of [1, 3, 5]) peerSide.open(id);
    const [first, second, third] = peerSide.calls;
    first?.stream.write(Buffer.alloc(65_530 - 5));
    second?.stream.write(Buffer.alloc(95));
    third?.stream.write(Buffer.alloc(95));
    first?.stream.write(Buffer.alloc(95));
    expect(dataBytes(peerSide.answers()).at(-1)).toEqual([3, 5]);
    expect(dataBytes(peerSide.read(peer.windowUpdate(0, 100)))).toEqual([
      [3, 95],
      [5, 5],
    ]);
    expect(dataBytes(peerSide.read(peer.windowUpdate(0, 100)))).toEqual([[1, 100]]);
    expect(dataBytes(peerSide.read(peer.windowUpdate(0, 1000)))).toEqual([[5, 95]]);
  });

  test('too large are errors of the stream or the connection', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    expect(told(peerSide.read(peer.windowUpdate(1, 0x7fff_ffff)))).toEqual([
      `RST_STREAM 1 ${ERROR.FLOW_CONTROL_ERROR}`,
    ]);
    expect(() => peerSide.read(peer.windowUpdate(0, 0x7fff_ffff))).toThrow(
      failsWith(ERROR.FLOW_CONTROL_ERROR),
    );
    expect(() => new FakeSession().read(peer.windowUpdate(0, 0))).toThrow(failsWith(ERROR.PROTOCOL_ERROR));
  });

  test('that SETTINGS widen beyond what a window can be are an error of the connection', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    peerSide.read(peer.windowUpdate(1, 0x7fff_ffff - 65_535));
    expect(() => peerSide.read(setWindow(65_536))).toThrow(failsWith(ERROR.FLOW_CONTROL_ERROR));
  });
});

describe('what a peer makes us break off', () => {
  test.each<{ name: string; frames: (id: number) => readonly Buffer[]; limit: number }>([
    { name: 'at once', frames: (id) => [peer.windowUpdate(id, 0)], limit: 2000 },
    { name: 'by a request without fields', frames: () => [], limit: 2000 },
    {
      name: 'by content that was not declared',
      frames: (id) => [peer.data(id, MESSAGE), peer.data(id, Buffer.alloc(1))],
      limit: 50_000,
    },
  ])('$name counts as if it had done so itself', ({ frames, limit }) => {
    const peerSide = new FakeSession();
    const block =
      frames(1).length === 0
        ? Buffer.alloc(0)
        : grpcRequest(METHOD, frames(1).length > 1 ? [['content-length', '6']] : []);
    const attack = (id: number) => peerSide.read(peer.headers(id, block), ...frames(id));
    const step = Math.floor(limit / 4);
    let id = 1;
    for (let i = 0; i < limit; i += 1, id += 2) {
      attack(id);
      if (i % step === 0) peerSide.calls.length = 0;
    }
    expect(() => attack(id)).toThrow(failsWith(ERROR.ENHANCE_YOUR_CALM));
  });
});

describe('the order of frames', () => {
  test.each([
    { name: 'anything between HEADERS and CONTINUATION', frames: [peer.ping()] },
    { name: 'DATA between them', frames: [peer.data(1, MESSAGE)] },
    { name: 'HEADERS between them', frames: [peer.headers(3, grpcRequest(METHOD))] },
  ])('$name is an error', ({ frames }) => {
    const peerSide = new FakeSession();
    peerSide.read(peer.headers(1, grpcRequest(METHOD), { endHeaders: false }));
    expect(() => peerSide.read(...frames)).toThrow(failsWith(ERROR.PROTOCOL_ERROR));
    expect(peerSide.calls).toEqual([]);
  });

  test('CONTINUATION of nothing is an error', () => {
    const peerSide = new FakeSession();
    peerSide.open(1);
    expect(() => peerSide.read(peer.continuation(1, Buffer.alloc(0), true))).toThrow(
      failsWith(ERROR.PROTOCOL_ERROR),
    );
  });

  test('empty DATA without END_STREAM is a flood, with it is none', () => {
    const peerSide = new FakeSession();
    const ends: Buffer[] = [];
    for (let id = 1; id < 22_000; id += 2) {
      ends.push(
        peer.headers(id, grpcRequest('/unknown')),
        peer.data(id, Buffer.alloc(0), { endStream: true }),
      );
    }
    expect(() => peerSide.read(...ends)).not.toThrow();
    peerSide.open(22_001);
    const empty = Array.from({ length: 10_001 }, () => peer.data(22_001, Buffer.alloc(0)));
    expect(() => peerSide.read(...empty)).toThrow(failsWith(ERROR.ENHANCE_YOUR_CALM));
  });
});
