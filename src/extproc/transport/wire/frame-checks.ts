import { ConnectionError, ERROR, MAX_WINDOW_BYTES, readUint32 } from './frames.ts';

/** Throws unless a frame of a fixed size has it (RFC 9113, section 4.2). */
export function checkSize(type: number, got: number, want: number): void {
  if (got === want) return;
  throw new ConnectionError(ERROR.FRAME_SIZE_ERROR, `frame ${type} of ${got} bytes, want ${want}`);
}

/** Throws unless a frame that concerns the connection says so. */
export function checkConnection(type: number, streamId: number): void {
  if (streamId !== 0) throw new ConnectionError(ERROR.PROTOCOL_ERROR, `frame ${type} on a stream`);
}

/** Throws for a window above what 31 bits hold (RFC 9113, section 6.9.1). */
export function checkWindow(bytes: number): void {
  if (bytes <= MAX_WINDOW_BYTES) return;
  throw new ConnectionError(ERROR.FLOW_CONTROL_ERROR, `window above ${MAX_WINDOW_BYTES}`);
}

/** Throws for a stream that depends on itself; priorities are checked and not followed (RFC 9113, section 5.3.2). */
export function checkDependency(streamId: number, bytes: Uint8Array, at: number): void {
  if ((readUint32(bytes, at) & MAX_WINDOW_BYTES) !== streamId) return;
  throw new ConnectionError(ERROR.PROTOCOL_ERROR, 'a stream that depends on itself');
}
