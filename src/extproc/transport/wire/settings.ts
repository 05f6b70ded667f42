import {
  ConnectionError,
  DEFAULT_FRAME_BYTES,
  ERROR,
  MAX_FRAME_BYTES,
  MAX_WINDOW_BYTES,
  readUint32,
  SETTING,
} from './frames.ts';

/** Identifier and value. */
const SETTING_BYTES = 6;

/**
 * The initial window of streams in a SETTINGS payload (RFC 9113, section 6.5), undefined when it says none. The others
 * are checked; none matters here: frames are never larger than every peer takes, and no header block uses a table.
 * Throws `ConnectionError`.
 */
export function initialWindow(bytes: Uint8Array, start: number, end: number): number | undefined {
  if ((end - start) % SETTING_BYTES !== 0) {
    throw new ConnectionError(
      ERROR.FRAME_SIZE_ERROR,
      `SETTINGS of ${end - start} bytes, want a multiple of 6`,
    );
  }
  let window: number | undefined;
  for (let at = start; at < end; at += SETTING_BYTES) {
    const id = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    const value = readUint32(bytes, at + 2);
    if (id === SETTING.ENABLE_PUSH && value > 1) throw outOfRange(ERROR.PROTOCOL_ERROR, id, value);
    if (id === SETTING.MAX_FRAME_SIZE && (value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_BYTES)) {
      throw outOfRange(ERROR.PROTOCOL_ERROR, id, value);
    }
    if (id !== SETTING.INITIAL_WINDOW_SIZE) continue;
    if (value > MAX_WINDOW_BYTES) throw outOfRange(ERROR.FLOW_CONTROL_ERROR, id, value);
    window = value;
  }
  return window;
}

function outOfRange(code: ConnectionError['code'], id: number, value: number): ConnectionError {
  return new ConnectionError(code, `setting ${id} is ${value}`);
}
