import { expect, test } from 'vitest';
import { FrameParser, SETTING, TYPE } from '../../../../test/support/http2-frames.ts';
import { LIMITS, serverPreface } from './limits.ts';
import { initialWindow } from './settings.ts';

test('a server says first what it takes: SETTINGS, and the window of the connection', () => {
  const [settings, update, ...rest] = new FrameParser().push(serverPreface());
  expect([settings?.type, settings?.flags, settings?.streamId]).toEqual([TYPE.SETTINGS, 0, 0]);
  const payload = settings?.payload ?? Buffer.alloc(0);
  const pairs = Array.from({ length: payload.length / 6 }, (_, i) => [
    payload.readUInt16BE(i * 6),
    payload.readUInt32BE(i * 6 + 2),
  ]);
  expect(pairs).toEqual([
    [SETTING.MAX_CONCURRENT_STREAMS, 100_000],
    [SETTING.INITIAL_WINDOW_SIZE, 1 << 20],
    [SETTING.MAX_FRAME_SIZE, 65_536],
    [SETTING.MAX_HEADER_LIST_SIZE, 65_536],
  ]);
  expect(initialWindow(payload, 0, payload.length)).toBe(LIMITS.streamWindowBytes);
  expect([update?.type, update?.streamId]).toEqual([TYPE.WINDOW_UPDATE, 0]);
  expect(65_535 + (update?.payload.readUInt32BE() ?? 0)).toBe(LIMITS.connectionWindowBytes);
  expect(rest).toEqual([]);
});
