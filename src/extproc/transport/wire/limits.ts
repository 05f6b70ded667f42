import { DEFAULT_WINDOW_BYTES, FRAME, numberFrame, SETTING, settingsFrame } from './frames.ts';

/** What one connection may use, and how long it may take. */
export const LIMITS = {
  /** Envoy multiplexes all exchanges of a worker on one connection; beyond this it opens another. */
  concurrentStreams: 100_000,
  /** A 450 kB prompt arrives without waiting for window updates. */
  streamWindowBytes: 1 << 20,
  connectionWindowBytes: 16 << 20,
  /** Fewer frames for long bodies; their content is passed on as it arrives, whatever the size. */
  frameBytes: 65_536,
  /** Of one header block as sent, and of its fields with 32 bytes each (RFC 9113, section 6.5.2). */
  headerBlockBytes: 64 * 1024,
  headerListBytes: 64 * 1024,
  /** CONTINUATION frames of one header block; eight of the smallest size that makes sense hold all of it. */
  continuations: 32,
  /** Received for paused streams, or kept back by the peer's windows; above it the peer gets no window back. */
  heldBytes: 16 << 20,
  /** Written and not taken by the peer; above it nothing more is read from it. */
  backlogBytes: 4 << 20,
  prefaceMs: 10_000,
  /** A peer that is gone without a word is noticed within two minutes. */
  keepAliveMs: 100_000,
  keepAliveTimeoutMs: 20_000,
  /** For the peer to end a stream that has ended here. */
  lingerMs: 5000,
  /** For the peer to read a GOAWAY, when it does not answer the PING behind it. */
  announceMs: 5000,
  /** For the peer to close a connection that has ended here. */
  goAwayMs: 1000,
  /** For the kernel to take what a drained connection has still to send, when its peer reads slowly. */
  lastBytesMs: 20_000,
} as const;

/** What a server sends first (RFC 9113, section 3.4). */
export function serverPreface(): Buffer {
  return Buffer.concat([
    settingsFrame([
      [SETTING.MAX_CONCURRENT_STREAMS, LIMITS.concurrentStreams],
      [SETTING.INITIAL_WINDOW_SIZE, LIMITS.streamWindowBytes],
      [SETTING.MAX_FRAME_SIZE, LIMITS.frameBytes],
      [SETTING.MAX_HEADER_LIST_SIZE, LIMITS.headerListBytes],
    ]),
    numberFrame(FRAME.WINDOW_UPDATE, 0, LIMITS.connectionWindowBytes - DEFAULT_WINDOW_BYTES),
  ]);
}
