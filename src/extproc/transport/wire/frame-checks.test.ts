import { expect, test } from 'vitest';
import { checkConnection, checkDependency, checkSize, checkWindow } from './frame-checks.ts';
import { ERROR, MAX_WINDOW_BYTES } from './frames.ts';

test.each<{ name: string; check: () => void; code: number }>([
  { name: 'a frame too short', check: () => checkSize(6, 7, 8), code: ERROR.FRAME_SIZE_ERROR },
  { name: 'a frame too long', check: () => checkSize(6, 9, 8), code: ERROR.FRAME_SIZE_ERROR },
  { name: 'SETTINGS of a stream', check: () => checkConnection(4, 1), code: ERROR.PROTOCOL_ERROR },
  {
    name: 'a window too large',
    check: () => checkWindow(MAX_WINDOW_BYTES + 1),
    code: ERROR.FLOW_CONTROL_ERROR,
  },
  {
    name: 'a stream that depends on itself',
    check: () => checkDependency(5, Buffer.of(9, 0, 0, 0, 5), 1),
    code: ERROR.PROTOCOL_ERROR,
  },
  {
    name: 'a stream that depends on itself alone',
    check: () => checkDependency(5, Buffer.of(0x80, 0, 0, 5), 0),
    code: ERROR.PROTOCOL_ERROR,
  },
])('given up: $name', ({ check, code }) => {
  expect(check).toThrow(expect.objectContaining({ name: 'ConnectionError', code }));
});

test.each<{ name: string; check: () => void }>([
  { name: 'a frame of its size', check: () => checkSize(6, 8, 8) },
  { name: 'SETTINGS of the connection', check: () => checkConnection(4, 0) },
  { name: 'the largest window', check: () => checkWindow(MAX_WINDOW_BYTES) },
  { name: 'a window below 0', check: () => checkWindow(-1) },
  { name: 'a stream that depends on another', check: () => checkDependency(5, Buffer.of(0, 0, 0, 3), 0) },
  { name: 'a stream that depends on none', check: () => checkDependency(5, Buffer.of(0, 0, 0, 0), 0) },
])('allowed: $name', ({ check }) => {
  expect(check).not.toThrow();
});
