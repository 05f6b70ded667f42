import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Transport, TransportOptions } from '../../src/extproc/transport/transport.ts';
import { type CallEvent, EchoMethod } from './echo-method.ts';
import { GrpcView, type StreamView } from './grpc-view.ts';
import {
  continuation,
  data,
  FLAGS,
  grpcMessage,
  headers,
  literalBlock,
  ping,
  type RawFrame,
  resetStream,
  SETTING,
  SETTINGS_ACK,
  settings,
  TYPE,
  windowUpdate,
} from './http2-frames.ts';
import { type Fields, RawHttp2Client } from './raw-http2.ts';
import { serveTransport } from './transport-server.ts';

/** Largest message that the servers of scripts take. */
export const MAX_RECEIVE_BYTES = 60_000;

/** How one stream ends. */
export type Ending =
  /** END_STREAM on an empty DATA frame, on the last one with content, or on trailers. */
  | 'empty-data'
  | 'last-data'
  | 'trailers'
  /** RST_STREAM once all that was sent has come back. */
  | 'reset'
  /** Nothing; the server ends it, which it does only for what it refuses. */
  | 'none';

/** `size` bytes, the first 0, then `fill`. */
export interface ScriptMessage {
  readonly size: number;
  readonly fill: number;
  readonly isCompressed?: boolean;
}

/** What is sent for it, before compression. */
export function messageBytes({ size, fill }: ScriptMessage): Buffer {
  const bytes = Buffer.alloc(size, fill);
  if (size > 0) bytes[0] = 0;
  return bytes;
}

/** What one stream of a script does. */
export interface StreamScript {
  /** Undefined for a method that is there. */
  readonly path?: string;
  readonly contentType?: string | undefined;
  readonly te?: boolean;
  readonly encoding?: string;
  readonly timeout?: string;
  /** Other fields, after these. */
  readonly extra?: Fields;
  /** Bytes of messages; empty with `endsAtOnce` for a request of headers alone. */
  readonly messages: readonly ScriptMessage[];
  /** Bytes after the messages that are no whole one. */
  readonly rest?: Uint8Array;
  /** Bytes of content in each DATA frame, used in turns. */
  readonly frameBytes: readonly number[];
  /** Padding of DATA and HEADERS; undefined for none. */
  readonly padding?: number | undefined;
  /** Splits the header block into HEADERS and CONTINUATION here. */
  readonly continueAt?: number | undefined;
  readonly ending: Ending;
}

/** What a client does on one connection. */
export interface Script {
  readonly streams: readonly StreamScript[];
  /** Which stream sends its next frame, used in turns. */
  readonly order: readonly number[];
  /** SETTINGS_INITIAL_WINDOW_SIZE; what is received is granted again at once. */
  readonly windowBytes: number;
  /** The same setting, changed at this step to that. */
  readonly change?: { readonly step: number; readonly windowBytes: number } | undefined;
  /** Steps before which a PING is sent. */
  readonly pings: readonly number[];
  /** Bytes of each write to the socket, used in turns. */
  readonly writeBytes: readonly number[];
}

/** What can be seen of one stream from both sides. */
export interface StreamOutcome {
  readonly client: StreamView;
  /** What its handler was told; undefined when it was never opened. */
  readonly handler: readonly CallEvent[] | undefined;
}

type Step = Buffer | { readonly stream: number; readonly awaitsMessages: number };

/** Runs a script against a server of its own. */
export async function runScript(
  create: (options: TransportOptions) => Transport,
  script: Script,
): Promise<StreamOutcome[]> {
  const methods = script.streams.map(() => new EchoMethod());
  const opens = methods.map((method, i) => [methodPath(i), method.open] as const);
  await using server = await serveTransport(
    create({ methods: new Map(opens), maxReceiveBytes: MAX_RECEIVE_BYTES }),
  );
  const view = new GrpcView();
  const onFrame = (frame: RawFrame) => {
    view.take(frame);
    outbox.answer(answerTo(frame));
  };
  await using client: RawHttp2Client = await RawHttp2Client.connect(server.port, {
    settings: [[SETTING.INITIAL_WINDOW_SIZE, script.windowBytes]],
    acknowledges: false,
    onFrame,
  });
  const outbox = new Outbox(client, script.writeBytes);
  // Before that a client has 65,535 bytes for all streams.
  await client.next(({ type }) => type === TYPE.WINDOW_UPDATE);
  for (const step of steps(script)) {
    if (Buffer.isBuffer(step)) {
      outbox.add(step);
      continue;
    }
    await outbox.flush();
    const { messages } = view.stream(streamId(step.stream));
    await within(() => messages.length >= step.awaitsMessages);
  }
  await outbox.flush();
  const isOver = ({ ending }: StreamScript, i: number) => ending === 'reset' || view.isOver(streamId(i));
  await within(() => script.streams.every(isOver) && methods.every(({ openCount }) => openCount === 0));
  await client.roundTrip();
  return methods.map(({ calls: [call] }, i) => ({
    client: view.stream(streamId(i)),
    handler: call?.events,
  }));
}

/** What a client says to a frame: it grants what it was sent again, and acknowledges settings. */
function answerTo({ type, flags, streamId: id, payload }: RawFrame): Buffer[] {
  if (type === TYPE.SETTINGS && (flags & FLAGS.ACK) === 0) return [SETTINGS_ACK];
  if (type !== TYPE.DATA || payload.length === 0) return [];
  const connection = windowUpdate(0, payload.length);
  return (flags & FLAGS.END_STREAM) === 0 ? [connection, windowUpdate(id, payload.length)] : [connection];
}

/** Writes frames in pieces of given sizes; answers to what arrives meanwhile go between two frames. */
class Outbox {
  readonly #client: RawHttp2Client;
  readonly #writeBytes: readonly number[];
  readonly #frames: Buffer[] = [];
  /** Bytes of the first frame that have left. */
  #sentBytes = 0;
  #writes = 0;
  #isFlushing = false;

  constructor(client: RawHttp2Client, writeBytes: readonly number[]) {
    this.#client = client;
    this.#writeBytes = writeBytes;
  }

  add(frame: Buffer): void {
    this.#frames.push(frame);
  }

  answer(frames: readonly Buffer[]): void {
    if (this.#isFlushing) this.#frames.splice(this.#sentBytes > 0 ? 1 : 0, 0, ...frames);
    else if (frames.length > 0) this.#client.send(...frames);
  }

  async flush(): Promise<void> {
    this.#isFlushing = true;
    while (this.#frames.length > 0) {
      this.#client.send(this.#take(this.#writeBytes[this.#writes % this.#writeBytes.length] ?? 1));
      this.#writes += 1;
      await nextTurn();
    }
    this.#isFlushing = false;
  }

  #take(bytes: number): Buffer {
    const parts: Buffer[] = [];
    for (let left = bytes; left > 0; ) {
      const [first] = this.#frames;
      if (first === undefined) break;
      const part = first.subarray(this.#sentBytes, this.#sentBytes + left);
      parts.push(part);
      left -= part.length;
      this.#sentBytes += part.length;
      if (this.#sentBytes < first.length) break;
      this.#frames.shift();
      this.#sentBytes = 0;
    }
    return Buffer.concat(parts);
  }
}

/** Longest wait for what the other side is to do; what has not come by then shows in the outcome. */
const WAIT_LIMIT_MS = 3000;
const WAIT_STEP_MS = 2;

async function within(isDone: () => boolean): Promise<void> {
  const deadline = performance.now() + WAIT_LIMIT_MS;
  while (!isDone() && performance.now() < deadline) await pause(WAIT_STEP_MS);
}

function streamId(i: number): number {
  return 2 * i + 1;
}

function methodPath(i: number): string {
  return `/test.Echo/Method${i}`;
}

/** The steps of all streams, in the order of the script; streams open in the order of their numbers. */
function steps({ streams, order, change, pings }: Script): Step[] {
  const queues = streams.map(stepsOf);
  const all: Step[] = [];
  let opened = 0;
  for (let turn = 0; queues.some((queue) => queue.length > 0); turn += 1) {
    let at = Math.min((order[turn % order.length] ?? 0) % queues.length, opened);
    if ((queues[at]?.length ?? 0) === 0) at = queues.findIndex((queue) => queue.length > 0);
    if (at === opened) opened += 1;
    const step = queues[at]?.shift();
    if (step !== undefined) all.push(step);
    if (pings.includes(turn)) all.push(ping(Buffer.from('script  ')));
    if (change?.step === turn) all.push(settings([[SETTING.INITIAL_WINDOW_SIZE, change.windowBytes]]));
  }
  return all;
}

/** The steps of one stream; the first opens it. */
function stepsOf(script: StreamScript, i: number): Step[] {
  const { messages, rest = Buffer.alloc(0), frameBytes, padding, ending } = script;
  const id = streamId(i);
  const parts = messages.map((message) => {
    const { isCompressed = false } = message;
    const bytes = messageBytes(message);
    return grpcMessage(isCompressed ? gzipSync(bytes) : bytes, isCompressed);
  });
  const content = Buffer.concat([...parts, rest]);
  const frames: Buffer[] = [];
  for (let at = 0, turn = 0; at < content.length; turn += 1) {
    const size = Math.max(1, frameBytes[turn % frameBytes.length] ?? content.length);
    const endStream = ending === 'last-data' && at + size >= content.length;
    frames.push(data(id, content.subarray(at, at + size), { endStream, ...paddingOf(padding) }));
    at += size;
  }
  const endsAtOnce = ending === 'last-data' && content.length === 0;
  const all: Step[] = [opener(script, i, endsAtOnce), ...frames];
  if (ending === 'empty-data') all.push(data(id, Buffer.alloc(0), { endStream: true }));
  if (ending === 'trailers') all.push(headers(id, literalBlock([['x-end', '1']]), { endStream: true }));
  if (ending === 'reset') {
    all.push({ stream: i, awaitsMessages: messages.length });
    all.push(resetStream(id, 8));
  }
  return all;
}

function opener(script: StreamScript, i: number, endStream: boolean): Buffer {
  const { path = methodPath(i), te = true, encoding = '', timeout = '', extra = [], continueAt } = script;
  const contentType = 'contentType' in script ? script.contentType : 'application/grpc';
  const fields: (readonly [string, string])[] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'test'],
  ];
  if (contentType !== undefined) fields.push(['content-type', contentType]);
  if (te) fields.push(['te', 'trailers']);
  if (encoding !== '') fields.push(['grpc-encoding', encoding]);
  if (timeout !== '') fields.push(['grpc-timeout', timeout]);
  const block = literalBlock([...fields, ...extra]);
  const options = { endStream, ...paddingOf(script.padding) };
  if (continueAt === undefined) return headers(streamId(i), block, options);
  return Buffer.concat([
    headers(streamId(i), block.subarray(0, continueAt), { ...options, endHeaders: false }),
    continuation(streamId(i), block.subarray(continueAt), true),
  ]);
}

function paddingOf(padding: number | undefined): { readonly padding?: number } {
  return padding === undefined ? {} : { padding };
}
