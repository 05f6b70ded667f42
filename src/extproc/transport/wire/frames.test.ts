import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as peer from '../../../../test/support/http2-frames.ts';
import {
  ERROR,
  FLAG,
  FRAME,
  frame,
  goAwayFrame,
  numberFrame,
  PREFACE,
  readUint32,
  SETTING,
  settingsFrame,
  writeFrameHeader,
  writeUint32,
} from './frames.ts';

const uint32 = fc.nat({ max: 0xffff_ffff });

test.each([
  { name: 'preface', got: PREFACE, want: peer.PREFACE },
  {
    name: 'SETTINGS',
    got: settingsFrame([
      [SETTING.INITIAL_WINDOW_SIZE, 0x7fff_ffff],
      [SETTING.MAX_HEADER_LIST_SIZE, 0xffff_ffff],
    ]),
    want: peer.settings([
      [4, 0x7fff_ffff],
      [6, 0xffff_ffff],
    ]),
  },
  { name: 'SETTINGS that say nothing', got: settingsFrame([]), want: peer.settings() },
  {
    name: 'SETTINGS acknowledged',
    got: frame(FRAME.SETTINGS, FLAG.ACK, 0, Buffer.alloc(0)),
    want: peer.SETTINGS_ACK,
  },
  {
    name: 'PING',
    got: frame(FRAME.PING, 0, 0, Buffer.from('12345678')),
    want: peer.ping(Buffer.from('12345678')),
  },
  {
    name: 'RST_STREAM',
    got: numberFrame(FRAME.RST_STREAM, 0x7fff_ffff, ERROR.ENHANCE_YOUR_CALM),
    want: peer.resetStream(0x7fff_ffff, 11),
  },
  {
    name: 'WINDOW_UPDATE',
    got: numberFrame(FRAME.WINDOW_UPDATE, 0, 0x7fff_ffff),
    want: peer.windowUpdate(0, 0x7fff_ffff),
  },
  {
    name: 'GOAWAY',
    got: goAwayFrame(5, ERROR.PROTOCOL_ERROR, 'why'),
    want: peer.rawFrame({ type: 7 }, Buffer.concat([Buffer.of(0, 0, 0, 5, 0, 0, 0, 1), Buffer.from('why')])),
  },
])('$name as it is on the wire', ({ got, want }) => {
  expect(Buffer.from(got).toString('hex')).toBe(want.toString('hex'));
});

describe('numbers', () => {
  test('32 bits: what was written is read, and nothing beside it is touched', () => {
    fc.assert(
      fc.property(uint32, fc.nat({ max: 4 }), (value, at) => {
        const bytes = Buffer.alloc(8, 0xee);
        writeUint32(bytes, at, value);
        expect(readUint32(bytes, at)).toBe(value);
        expect(bytes.readUInt32BE(at)).toBe(value);
        expect(bytes.filter((byte, i) => (i < at || i >= at + 4) && byte !== 0xee)).toHaveLength(0);
      }),
    );
  });

  test('the header of any frame is what a peer reads', () => {
    const frames = fc.record({
      length: fc.nat({ max: 0xff_ffff }),
      type: fc.nat({ max: 255 }),
      flags: fc.nat({ max: 255 }),
      streamId: fc.nat({ max: 0x7fff_ffff }),
    });
    fc.assert(
      fc.property(frames, ({ length, type, flags, streamId }) => {
        const bytes = Buffer.alloc(9);
        writeFrameHeader(bytes, 0, length, type, flags, streamId);
        expect(bytes.equals(peer.rawFrame({ type, flags, streamId, length }))).toBe(true);
      }),
    );
  });
});
