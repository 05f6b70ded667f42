import { describe, expect, test } from 'vitest';
import { FakeSocket } from '../../../../test/support/fake-socket.ts';
import * as peer from '../../../../test/support/http2-frames.ts';
import { ControlFrames, type ControlOwner } from './control-frames.ts';
import { FloodGuard } from './flood-guard.ts';
import { FrameWriter } from './frame-writer.ts';
import { ERROR } from './frames.ts';

function control() {
  const socket = new FakeSocket();
  const changes: number[] = [];
  const pings: string[] = [];
  const owner: ControlOwner = {
    writer: new FrameWriter(socket.socket, () => {}),
    windowsChanged: (bytes) => changes.push(bytes),
    pinged: (payload) => pings.push(Buffer.from(payload).toString()),
  };
  const frames = new ControlFrames(owner, new FloodGuard());
  return {
    frames,
    changes,
    pings,
    read: (...given: readonly Buffer[]) => {
      for (const bytes of given) {
        const at = 3;
        const within = Buffer.concat([Buffer.alloc(at, 0xff), bytes, Buffer.alloc(3, 0xff)]);
        const id = bytes.readUInt32BE(5);
        frames.read(bytes[3] ?? 0, bytes[4] ?? 0, id, within, at + 9, at + bytes.length);
      }
    },
    answers: () => {
      owner.writer.flush();
      return socket.take().toString('hex');
    },
  };
}

describe('SETTINGS', () => {
  test('are acknowledged each, and change the windows of streams by the difference', () => {
    const { frames, read, changes, answers } = control();
    expect(frames.hasSettings).toBe(false);
    read(peer.settings());
    expect(frames.hasSettings).toBe(true);
    read(
      peer.settings([[peer.SETTING.INITIAL_WINDOW_SIZE, 100_000]]),
      peer.settings([[peer.SETTING.INITIAL_WINDOW_SIZE, 100_000]]),
      peer.settings([[peer.SETTING.MAX_FRAME_SIZE, 20_000]]),
      peer.settings([[peer.SETTING.INITIAL_WINDOW_SIZE, 0]]),
    );
    expect(changes).toEqual([100_000 - 65_535, -100_000]);
    expect(frames.streamWindowBytes).toBe(0);
    expect(answers()).toBe(Buffer.concat(Array.from({ length: 5 }, () => peer.SETTINGS_ACK)).toString('hex'));
  });

  test('acknowledged are no settings', () => {
    const { frames, read, answers } = control();
    read(peer.SETTINGS_ACK);
    expect([frames.hasSettings, answers()]).toEqual([false, '']);
  });
});

test('PING is answered with what it says; an answer is passed on', () => {
  const { read, pings, answers } = control();
  read(peer.ping(Buffer.from('question')));
  expect(answers()).toBe(peer.ping(Buffer.from('question'), true).toString('hex'));
  read(peer.ping(Buffer.from('answered'), true));
  expect([pings, answers()]).toEqual([['answered'], '']);
});

test.each([
  { name: 'GOAWAY', bytes: peer.goAway(0, 0) },
  { name: 'PRIORITY', bytes: peer.priority(3, 1) },
  { name: 'an unknown frame', bytes: peer.rawFrame({ type: 0xee, streamId: 3 }, Buffer.from('x')) },
])('$name is read and not answered, and too much of it is a flood', ({ bytes }) => {
  const { read, answers } = control();
  for (let i = 0; i < 10_000; i += 1) read(bytes);
  expect(answers()).toBe('');
  expect(() => read(bytes)).toThrow(expect.objectContaining({ code: ERROR.ENHANCE_YOUR_CALM }));
});

test('windows that change all the time are a flood', () => {
  const { read } = control();
  const change = (i: number) => peer.settings([[peer.SETTING.INITIAL_WINDOW_SIZE, i % 2]]);
  for (let i = 0; i < 100; i += 1) read(change(i));
  expect(() => read(change(100))).toThrow(expect.objectContaining({ code: ERROR.ENHANCE_YOUR_CALM }));
});

describe('given up', () => {
  test.each<{ name: string; bytes: Buffer; code: number }>([
    {
      name: 'SETTINGS of a stream',
      bytes: peer.rawFrame({ type: peer.TYPE.SETTINGS, streamId: 1 }),
      code: ERROR.PROTOCOL_ERROR,
    },
    {
      name: 'SETTINGS cut',
      bytes: peer.rawFrame({ type: peer.TYPE.SETTINGS }, Buffer.alloc(5)),
      code: ERROR.FRAME_SIZE_ERROR,
    },
    {
      name: 'SETTINGS acknowledged with a payload',
      bytes: peer.rawFrame({ type: peer.TYPE.SETTINGS, flags: 1 }, Buffer.alloc(6)),
      code: ERROR.FRAME_SIZE_ERROR,
    },
    {
      name: 'PING of a stream',
      bytes: peer.rawFrame({ type: peer.TYPE.PING, streamId: 1 }, Buffer.alloc(8)),
      code: ERROR.PROTOCOL_ERROR,
    },
    { name: 'PING of 7 bytes', bytes: peer.ping(Buffer.alloc(7)), code: ERROR.FRAME_SIZE_ERROR },
    {
      name: 'GOAWAY of a stream',
      bytes: peer.rawFrame({ type: peer.TYPE.GOAWAY, streamId: 1 }, Buffer.alloc(8)),
      code: ERROR.PROTOCOL_ERROR,
    },
    {
      name: 'GOAWAY of 7 bytes',
      bytes: peer.rawFrame({ type: peer.TYPE.GOAWAY }, Buffer.alloc(7)),
      code: ERROR.FRAME_SIZE_ERROR,
    },
    { name: 'PRIORITY of no stream', bytes: peer.priority(0, 1), code: ERROR.PROTOCOL_ERROR },
    { name: 'PRIORITY on itself', bytes: peer.priority(3, 3), code: ERROR.PROTOCOL_ERROR },
    {
      name: 'PRIORITY of 4 bytes',
      bytes: peer.rawFrame({ type: peer.TYPE.PRIORITY, streamId: 3 }, Buffer.alloc(4)),
      code: ERROR.FRAME_SIZE_ERROR,
    },
    {
      name: 'PUSH_PROMISE',
      bytes: peer.rawFrame({ type: peer.TYPE.PUSH_PROMISE, streamId: 3 }, Buffer.alloc(8)),
      code: ERROR.PROTOCOL_ERROR,
    },
  ])('$name', ({ bytes, code }) => {
    const { read, answers } = control();
    expect(() => read(bytes)).toThrow(expect.objectContaining({ name: 'ConnectionError', code }));
    expect(answers()).toBe('');
  });
});
