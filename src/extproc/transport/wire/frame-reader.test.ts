import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyCuts, singleBytes, splitAt } from '../../../../test/support/chunks.ts';
import * as peer from '../../../../test/support/http2-frames.ts';
import { FrameReader, type FrameSink } from './frame-reader.ts';
import { ERROR } from './frames.ts';

const MAX_FRAME_BYTES = 300;

/** Keeps what it is told; content of one DATA frame as one. */
class Recorder implements FrameSink {
  readonly calls: string[] = [];
  #content = '';

  dataBegins(streamId: number, frameBytes: number): void {
    this.calls.push(`data of ${streamId}, ${frameBytes} bytes`);
    this.#content = '';
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (end <= start) this.calls.push('empty content');
    this.#content += bytes.toString('hex', start, end);
  }

  dataEnds(isLast: boolean): void {
    this.calls.push(`content ${this.#content}${isLast ? ', the last' : ''}`);
    this.#content = 'of no frame';
  }

  frame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    this.calls.push(`frame ${type} flags ${flags} of ${streamId}: ${bytes.toString('hex', start, end)}`);
  }
}

/** A frame, and what a reader is to make of it. */
interface Sample {
  readonly bytes: Buffer;
  readonly calls: readonly string[];
}

const content = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const streamId = fc.integer({ min: 1, max: 0x7fff_ffff });

const dataFrame = fc
  .record({
    id: streamId,
    bytes: content,
    endStream: fc.boolean(),
    padding: fc.option(fc.nat({ max: 90 }), { nil: undefined }),
  })
  .map(({ id, bytes, endStream, padding }): Sample => {
    const options = padding === undefined ? { endStream } : { endStream, padding };
    const size = bytes.length + (padding === undefined ? 0 : padding + 1);
    return {
      bytes: peer.data(id, bytes, options),
      calls: [
        `data of ${id}, ${size} bytes`,
        `content ${bytes.toString('hex')}${endStream ? ', the last' : ''}`,
      ],
    };
  });

/** HEADERS, CONTINUATION and everything else: not looked into. */
const otherFrame = fc
  .record({
    type: fc.integer({ min: 1, max: 255 }),
    flags: fc.nat({ max: 255 }),
    id: fc.nat({ max: 0x7fff_ffff }),
    payload: content,
  })
  .map(({ type, flags, id, payload }): Sample => {
    return {
      bytes: peer.rawFrame({ type, flags, streamId: id }, payload),
      calls: [`frame ${type} flags ${flags} of ${id}: ${payload.toString('hex')}`],
    };
  });

/** Reads pieces one by one. */
function read(pieces: readonly Buffer[]): readonly string[] {
  const sink = new Recorder();
  const reader = new FrameReader(sink, MAX_FRAME_BYTES);
  for (const piece of pieces) reader.read(piece);
  return sink.calls;
}

function code(bytes: Buffer): unknown {
  try {
    read([peer.PREFACE, bytes]);
  } catch (error) {
    return (error as { code: unknown }).code; // whatever was thrown: no code is no match
  }
  return undefined;
}

describe('any fragmentation', () => {
  test('of any frames gives the same calls', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(dataFrame, otherFrame), { maxLength: 12 }), anyCuts, (samples, cuts) => {
        const bytes = Buffer.concat([peer.PREFACE, ...samples.map((sample) => sample.bytes)]);
        expect(read(splitAt(bytes, cuts))).toEqual(samples.flatMap((sample) => sample.calls));
      }),
      { numRuns: 500 },
    );
  });

  test.each<{ name: string; bytes: Buffer; calls: readonly string[] }>([
    { name: 'empty DATA', bytes: peer.data(1, Buffer.alloc(0)), calls: ['data of 1, 0 bytes', 'content '] },
    {
      name: 'empty DATA at the end of a stream',
      bytes: peer.data(1, Buffer.alloc(0), { endStream: true }),
      calls: ['data of 1, 0 bytes', 'content , the last'],
    },
    {
      name: 'padded DATA without content',
      bytes: peer.data(1, Buffer.alloc(0), { padding: 3, endStream: true }),
      calls: ['data of 1, 4 bytes', 'content , the last'],
    },
    {
      name: 'padded DATA without content and padding',
      bytes: peer.data(1, Buffer.alloc(0), { padding: 0 }),
      calls: ['data of 1, 1 bytes', 'content '],
    },
    {
      name: 'padded DATA without padding',
      bytes: peer.data(1, Buffer.from('ab'), { padding: 0 }),
      calls: ['data of 1, 3 bytes', 'content 6162'],
    },
    {
      name: 'a reserved bit, which is ignored',
      bytes: peer.rawFrame({ type: 1, streamId: 0x8000_0005 }, Buffer.from('x')),
      calls: ['frame 1 flags 0 of 5: 78'],
    },
    {
      name: 'a reserved bit of DATA',
      bytes: peer.rawFrame({ type: 0, streamId: 0x8000_0005 }, Buffer.from('x')),
      calls: ['data of 5, 1 bytes', 'content 78'],
    },
    {
      name: 'a frame as long as may be',
      bytes: peer.rawFrame({ type: 9, streamId: 1 }, Buffer.alloc(MAX_FRAME_BYTES)),
      calls: [`frame 9 flags 0 of 1: ${'00'.repeat(MAX_FRAME_BYTES)}`],
    },
    { name: 'an empty frame', bytes: peer.SETTINGS_ACK, calls: ['frame 4 flags 1 of 0: '] },
  ])('of $name, byte by byte and whole, alone and between others', ({ bytes, calls }) => {
    const ping = 'frame 6 flags 0 of 0: 0000000000000000';
    const all = Buffer.concat([peer.PREFACE, peer.ping(), bytes, peer.ping()]);
    const want = [ping, ...calls, ping];
    expect(read([all])).toEqual(want);
    expect(read(singleBytes(all))).toEqual(want);
    for (let at = 1; at < all.length; at += 1) {
      expect(read([all.subarray(0, at), all.subarray(at)])).toEqual(want);
    }
  });
});

test('content goes on as it arrives, and is not copied', () => {
  const seen: [Buffer, number, number][] = [];
  const sink = new Recorder();
  sink.data = (bytes, start, end) => seen.push([bytes, start, end]);
  const reader = new FrameReader(sink, MAX_FRAME_BYTES);
  reader.read(peer.PREFACE);
  const bytes = peer.data(1, Buffer.alloc(100, 7));
  const [first, second] = [bytes.subarray(0, 40), bytes.subarray(40)];
  reader.read(first);
  expect(seen).toEqual([[first, 9, 40]]);
  reader.read(second);
  expect(seen[1]?.[0].buffer).toBe(second.buffer);
  expect(sink.calls.at(-1)).toContain('content');
});

test('a claimed length takes no memory before it is checked', () => {
  const header = peer.rawFrame({ type: 1, streamId: 1, length: MAX_FRAME_BYTES + 1 });
  expect(code(header)).toBe(ERROR.FRAME_SIZE_ERROR);
  expect(code(peer.rawFrame({ type: 1, streamId: 1, length: MAX_FRAME_BYTES }))).toBeUndefined();
});

test.each<{ name: string; bytes: Buffer; want: number }>([
  {
    name: 'DATA that is too long',
    bytes: peer.rawFrame({ type: 0, streamId: 1, length: 0xff_ffff }),
    want: ERROR.FRAME_SIZE_ERROR,
  },
  { name: 'DATA without a stream', bytes: peer.data(0, Buffer.from('x')), want: ERROR.PROTOCOL_ERROR },
  {
    name: 'padded DATA without a stream',
    bytes: peer.data(0, Buffer.from('x'), { padding: 1 }),
    want: ERROR.PROTOCOL_ERROR,
  },
  {
    name: 'padding as long as the frame',
    bytes: peer.rawFrame({ type: 0, flags: 8, streamId: 1 }, Buffer.of(3, 0, 0)),
    want: ERROR.PROTOCOL_ERROR,
  },
  {
    name: 'padding of an empty frame, before one that begins with 0',
    bytes: Buffer.concat([peer.rawFrame({ type: 0, flags: 8, streamId: 1 }), peer.ping()]),
    want: ERROR.PROTOCOL_ERROR,
  },
])('$name is an error, cut or not', ({ bytes, want }) => {
  expect(code(bytes)).toBe(want);
  const reader = new FrameReader(new Recorder(), MAX_FRAME_BYTES);
  reader.read(peer.PREFACE);
  expect(() => {
    for (const piece of singleBytes(bytes)) reader.read(piece);
  }).toThrow(expect.objectContaining({ code: want }));
});

describe('the preface', () => {
  test('is complete with its last byte', () => {
    const reader = new FrameReader(new Recorder(), MAX_FRAME_BYTES);
    for (const piece of singleBytes(peer.PREFACE)) {
      expect(reader.hasPreface).toBe(false);
      reader.read(piece);
    }
    expect(reader.hasPreface).toBe(true);
  });

  test('with any other byte is an error, at that byte', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: peer.PREFACE.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        (at, change) => {
          const bytes = Buffer.from(peer.PREFACE);
          bytes[at] = (bytes[at] ?? 0) ^ change;
          const reader = new FrameReader(new Recorder(), MAX_FRAME_BYTES);
          reader.read(bytes.subarray(0, at));
          expect(() => reader.read(bytes.subarray(at, at + 1))).toThrow(
            expect.objectContaining({ code: ERROR.PROTOCOL_ERROR }),
          );
        },
      ),
    );
  });
});

test('any bytes at all: frames, or an error of the protocol', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), anyCuts, (raw, cuts) => {
      const reader = new FrameReader(new Recorder(), MAX_FRAME_BYTES);
      reader.read(peer.PREFACE);
      try {
        for (const piece of splitAt(Buffer.from(raw), cuts)) reader.read(piece);
      } catch (error) {
        expect((error as Error).name).toBe('ConnectionError'); // else the property fails here
      }
    }),
  );
});
