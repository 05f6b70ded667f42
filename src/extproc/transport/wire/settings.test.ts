import { describe, expect, test } from 'vitest';
import { SETTING, type SettingPairs, settings } from '../../../../test/support/http2-frames.ts';
import { ERROR } from './frames.ts';
import { initialWindow } from './settings.ts';

const NOISE = Buffer.alloc(3, 0xff);

function read(pairs: SettingPairs): number | undefined {
  const payload = settings(pairs).subarray(9);
  return initialWindow(Buffer.concat([NOISE, payload, NOISE]), 3, 3 + payload.length);
}

test.each<{ name: string; pairs: SettingPairs; want: number | undefined }>([
  { name: 'nothing', pairs: [], want: undefined },
  { name: 'a window', pairs: [[SETTING.INITIAL_WINDOW_SIZE, 1234]], want: 1234 },
  { name: 'a window of 0', pairs: [[SETTING.INITIAL_WINDOW_SIZE, 0]], want: 0 },
  { name: 'the largest window', pairs: [[SETTING.INITIAL_WINDOW_SIZE, 0x7fff_ffff]], want: 0x7fff_ffff },
  {
    name: 'two windows: the last holds',
    pairs: [
      [SETTING.INITIAL_WINDOW_SIZE, 1],
      [SETTING.INITIAL_WINDOW_SIZE, 2],
    ],
    want: 2,
  },
  {
    name: 'all that may be said',
    pairs: [
      [SETTING.HEADER_TABLE_SIZE, 0xffff_ffff],
      [SETTING.ENABLE_PUSH, 1],
      [SETTING.MAX_CONCURRENT_STREAMS, 0],
      [SETTING.INITIAL_WINDOW_SIZE, 7],
      [SETTING.MAX_FRAME_SIZE, 16_384],
      [SETTING.MAX_HEADER_LIST_SIZE, 0],
    ],
    want: 7,
  },
  { name: 'the largest frame', pairs: [[SETTING.MAX_FRAME_SIZE, 0xff_ffff]], want: undefined },
  { name: 'what is not known', pairs: [[0x7777, 0xffff_ffff]], want: undefined },
])('$name', ({ pairs, want }) => {
  expect(read(pairs)).toBe(want);
});

describe('given up', () => {
  test.each<{ name: string; pairs: SettingPairs; code: number }>([
    { name: 'ENABLE_PUSH of 2', pairs: [[SETTING.ENABLE_PUSH, 2]], code: ERROR.PROTOCOL_ERROR },
    { name: 'a frame too small', pairs: [[SETTING.MAX_FRAME_SIZE, 16_383]], code: ERROR.PROTOCOL_ERROR },
    { name: 'a frame too large', pairs: [[SETTING.MAX_FRAME_SIZE, 0x100_0000]], code: ERROR.PROTOCOL_ERROR },
    {
      name: 'a window too large',
      pairs: [[SETTING.INITIAL_WINDOW_SIZE, 0x8000_0000]],
      code: ERROR.FLOW_CONTROL_ERROR,
    },
    {
      name: 'a window too large, though another follows',
      pairs: [
        [SETTING.INITIAL_WINDOW_SIZE, 0x8000_0000],
        [SETTING.INITIAL_WINDOW_SIZE, 1],
      ],
      code: ERROR.FLOW_CONTROL_ERROR,
    },
  ])('$name', ({ pairs, code }) => {
    expect(() => read(pairs)).toThrow(expect.objectContaining({ code }));
  });

  test.each([1, 5, 7, 11])('a payload of %i bytes', (size) => {
    expect(() => initialWindow(Buffer.alloc(20), 2, 2 + size)).toThrow(
      expect.objectContaining({ code: ERROR.FRAME_SIZE_ERROR }),
    );
  });
});
