import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { EchoMethod } from '../../../../test/support/echo-method.ts';
import { eventually } from '../../../../test/support/eventually.ts';
import { FakeClock } from '../../../../test/support/fake-clock.ts';
import * as peer from '../../../../test/support/http2-frames.ts';
import { grpcRequest, type RawClientOptions, RawHttp2Client } from '../../../../test/support/raw-http2.ts';
import { serveTransport, type TransportServer } from '../../../../test/support/transport-server.ts';
import { LIMITS } from './limits.ts';
import { WireTransport } from './transport.ts';

const ECHO = '/test.Echo/Echo';
const DRAIN_PING = Buffer.from('leaving ');
const ALIVE_PING = Buffer.from('alive?  ');
const MAX_STREAM_ID = 0x7fff_ffff;

/** A transport behind a port, whose time is the test's. */
class Rig implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly echo = new EchoMethod();
  readonly logged: object[] = [];
  readonly transport: WireTransport;
  #server: TransportServer | undefined = undefined;

  constructor() {
    const log = {
      error: (fields: object, message: string) => this.logged.push({ ...fields, message }),
      warn: (fields: object, message: string) => this.logged.push({ ...fields, message }),
      info() {},
      debug() {},
      trace() {},
      isLevelEnabled: () => false,
    };
    this.transport = new WireTransport(
      { methods: new Map([[ECHO, this.echo.open]]), maxReceiveBytes: 4 << 20 },
      this.clock,
      log,
    );
  }

  async connect(options: RawClientOptions = {}): Promise<RawHttp2Client> {
    this.#server ??= await serveTransport(this.transport);
    return RawHttp2Client.connect(this.#server.port, options);
  }

  get connections(): number {
    return this.#server?.connections ?? 0;
  }

  /** Time, and the turns in which what it causes reaches the other end. */
  async pass(ms: number, stepMs = 1000): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(left, stepMs));
      for (let i = 0; i < 4; i += 1) await nextTurn();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.transport.close();
    await this.#server?.[Symbol.asyncDispose]();
  }
}

const isPing = (payload: Buffer) => (frame: peer.RawFrame) =>
  frame.type === peer.TYPE.PING && frame.flags === 0 && frame.payload.equals(payload);
const isGoAway = ({ type }: peer.RawFrame) => type === peer.TYPE.GOAWAY;
const isEnd = ({ type, flags }: peer.RawFrame) =>
  type === peer.TYPE.HEADERS && (flags & peer.FLAGS.END_STREAM) !== 0;

describe('a drain', () => {
  test('GOAWAY for all, PING, then GOAWAY for those that come later; the open call ends in its own time', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    client.open(1, ECHO);
    await client.roundTrip();
    let isDrained = false;
    const drained = rig.transport.drain().then(() => {
      isDrained = true;
    });
    const first = await client.next(isGoAway);
    expect([first.payload.readUInt32BE(), first.payload.readUInt32BE(4)]).toEqual([MAX_STREAM_ID, 0]);
    await client.next(isPing(DRAIN_PING));
    // One that was under way is still taken.
    client.open(3, ECHO);
    client.message(3, Buffer.from('late'), { endStream: true });
    await client.next(isEnd);
    client.send(peer.ping(DRAIN_PING, true));
    const second = await client.next(isGoAway);
    expect([second.payload.readUInt32BE(), second.payload.readUInt32BE(4)]).toEqual([3, 0]);
    // One that is opened in spite of it is refused, with all that it sends, and harms no other.
    client.open(5, ECHO);
    client.message(5, Buffer.from('too late'));
    expect(await client.reset(5)).toBe(peer.CODE.REFUSED_STREAM);
    client.message(1, Buffer.from('still open'));
    await client.next(({ type, payload }) => type === peer.TYPE.DATA && payload.includes('still open'));
    expect([isDrained, client.isClosed]).toEqual([false, false]);
    client.send(peer.data(1, Buffer.alloc(0), { endStream: true }));
    await client.next(isEnd);
    await client.closed();
    await drained;
    expect(rig.echo.opened).toBe(2);
    expect(rig.clock.pendingTimers).toBe(0);
  });

  test('of a peer that does not answer PING goes on after 5 s', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    client.open(1, ECHO);
    await client.roundTrip();
    void rig.transport.drain();
    await client.next(isPing(DRAIN_PING));
    await rig.pass(LIMITS.announceMs - 1000);
    client.open(3, ECHO);
    await client.roundTrip();
    expect(rig.echo.opened).toBe(2);
    await rig.pass(1000);
    const second =
      client.frames.filter(isGoAway)[1] ??
      (await client.next((frame) => isGoAway(frame) && frame.payload.readUInt32BE() === 3));
    expect(second.payload.readUInt32BE()).toBe(3);
    client.open(5, ECHO);
    expect(await client.reset(5)).toBe(peer.CODE.REFUSED_STREAM);
  });

  test('of a peer without calls closes its connection', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    await client.roundTrip();
    const drained = rig.transport.drain();
    await client.next(isPing(DRAIN_PING));
    client.send(peer.ping(DRAIN_PING, true));
    await client.closed();
    await drained;
  });

  test('is not begun by an answer that was never asked for', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    client.send(peer.ping(DRAIN_PING, true));
    client.open(1, ECHO);
    await client.roundTrip();
    expect(client.frames.filter(isGoAway)).toEqual([]);
    expect(rig.echo.opened).toBe(1);
  });

  test('lets a peer that reads slowly have the last of its answer', async () => {
    await using rig = new Rig();
    await using client = await rig.connect({ settings: [[peer.SETTING.INITIAL_WINDOW_SIZE, MAX_STREAM_ID]] });
    client.send(peer.windowUpdate(0, MAX_STREAM_ID - 65_535));
    client.open(1, ECHO);
    await client.roundTrip();
    client.stopReading();
    const call = rig.echo.calls[0];
    // More than the kernel takes.
    const answer = Buffer.alloc(12 << 20, 7);
    call?.stream.write(answer);
    call?.stream.end();
    client.send(peer.data(1, Buffer.alloc(0), { endStream: true }));
    void rig.transport.drain();
    await rig.pass(LIMITS.announceMs + LIMITS.goAwayMs + 3000);
    client.resumeReading();
    await client.next(isEnd, 10_000);
    await client.closed();
    const content = client.frames.filter(({ type }) => type === peer.TYPE.DATA);
    expect(content.reduce((bytes, { payload }) => bytes + payload.length, 0)).toBe(answer.length + 5);
  });

  test('of no connection is over at once, and so is every further one', async () => {
    await using rig = new Rig();
    await rig.transport.drain();
    await rig.transport.drain();
    await using client = await rig.connect();
    await client.closed();
    expect(rig.connections).toBe(0);
  });

  test('that is asked for twice ends for both', async () => {
    await using rig = new Rig();
    const client = await rig.connect();
    await client.roundTrip();
    const both = Promise.all([rig.transport.drain(), rig.transport.drain()]);
    await client.next(isGoAway);
    await client[Symbol.asyncDispose]();
    await both;
  });
});

describe('a stream that has ended here', () => {
  test('is given five seconds to end there, then reset without an error', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    client.open(1, ECHO);
    await client.roundTrip();
    rig.echo.calls[0]?.stream.end();
    await client.next(isEnd);
    await rig.pass(LIMITS.lingerMs - 1000);
    client.message(1, Buffer.from('ignored'));
    await client.roundTrip();
    expect(client.frames.some(({ type }) => type === peer.TYPE.RST_STREAM)).toBe(false);
    await rig.pass(1000);
    expect(await client.reset(1)).toBe(peer.CODE.NO_ERROR);
    // It is forgotten.
    client.message(1, Buffer.from('late'));
    await client.next(({ type, payload }) => type === peer.TYPE.RST_STREAM && payload.readUInt32BE() === 5);
  });

  test('by a reset is not reset again', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    client.open(1, ECHO);
    client.send(peer.windowUpdate(1, 0));
    expect(await client.reset(1)).toBe(peer.CODE.PROTOCOL_ERROR);
    await rig.pass(2 * LIMITS.lingerMs);
    await client.roundTrip();
    expect(client.frames.filter(({ type }) => type === peer.TYPE.RST_STREAM)).toHaveLength(1);
  });
});

describe('a peer that says nothing', () => {
  test('of the preface has 10 s for it', async () => {
    await using rig = new Rig();
    await using client = await rig.connect({ handshake: false });
    client.send(peer.PREFACE.subarray(0, -1));
    await eventually(() => expect(rig.connections).toBe(1));
    await rig.pass(LIMITS.prefaceMs - 1000);
    expect(client.isClosed).toBe(false);
    await rig.pass(1000);
    await client.closed();
    expect(rig.clock.pendingTimers).toBe(0);
  });

  test('for 100 s is asked once, and closed when it does not answer for 20 s', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    client.open(1, ECHO);
    await client.roundTrip();
    await rig.pass(LIMITS.keepAliveMs - 1000);
    expect(client.frames.some(isPing(ALIVE_PING))).toBe(false);
    await rig.pass(1000);
    await client.next(isPing(ALIVE_PING));
    await rig.pass(LIMITS.keepAliveTimeoutMs - 1000);
    expect([client.isClosed, client.frames.filter(isPing(ALIVE_PING)).length]).toEqual([false, 1]);
    await rig.pass(1000);
    await client.closed();
    expect(rig.echo.cancelled).toBe(1);
  });

  test('but answers, is asked again 100 s later', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    await client.roundTrip();
    for (let i = 0; i < 3; i += 1) {
      await rig.pass(LIMITS.keepAliveMs);
      await client.next(isPing(ALIVE_PING));
      client.send(peer.ping(ALIVE_PING, true));
      await client.roundTrip();
    }
    await rig.pass(LIMITS.keepAliveMs - 1000);
    expect(client.frames.filter(isPing(ALIVE_PING))).toHaveLength(3);
  });
});

describe('a connection that is given up', () => {
  test('is told why, cancels its calls, and is closed', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    client.open(1, ECHO);
    client.open(3, ECHO);
    client.send(peer.rawFrame({ type: peer.TYPE.PUSH_PROMISE, streamId: 1 }), peer.ping());
    expect(await client.goneAway()).toEqual({
      lastStreamId: 3,
      code: peer.CODE.PROTOCOL_ERROR,
      reason: 'PUSH_PROMISE of a client',
    });
    await client.closed();
    expect(rig.echo.cancelled).toBe(2);
    expect(client.frames.some(({ type }) => type === peer.TYPE.PING)).toBe(false);
    expect(rig.logged).toHaveLength(1);
    expect(rig.logged[0]).toMatchObject({
      code: peer.CODE.PROTOCOL_ERROR,
      message: 'connection given up: PUSH_PROMISE of a client',
    });
    expect(JSON.stringify(rig.logged)).toContain('127.0.0.1:');
  });

  test('has been answered whatever came before', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    client.send(
      peer.headers(1, grpcRequest(ECHO)),
      peer.data(1, peer.grpcMessage(Buffer.from('a'))),
      peer.ping(Buffer.alloc(7)),
    );
    await client.next(({ type }) => type === peer.TYPE.DATA);
    expect((await client.goneAway()).code).toBe(peer.CODE.FRAME_SIZE_ERROR);
  });
});

describe('what is written', () => {
  test('by handlers outside of a read leaves at the end of the turn, as one', async () => {
    await using rig = new Rig();
    await using client = await rig.connect();
    client.open(1, ECHO);
    await client.roundTrip();
    const call = rig.echo.calls[0];
    for (const text of ['a', 'b', 'c']) call?.stream.write(Buffer.from(text));
    const { payload } = await client.next(({ type }) => type === peer.TYPE.DATA);
    expect(payload).toEqual(
      Buffer.concat(['a', 'b', 'c'].map((text) => peer.grpcMessage(Buffer.from(text)))),
    );
  });
});

test('closing ends every connection and cancels every call', async () => {
  await using rig = new Rig();
  await using one = await rig.connect();
  await using other = await rig.connect();
  for (const client of [one, other]) {
    client.open(1, ECHO);
    await client.roundTrip();
  }
  rig.transport.close();
  expect(rig.echo.cancelled).toBe(2);
  await one.closed();
  await other.closed();
  expect(rig.clock.pendingTimers).toBe(0);
});
