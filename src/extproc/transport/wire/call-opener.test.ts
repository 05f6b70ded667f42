import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../../../test/support/fake-clock.ts';
import { decodeBlock, type Field } from '../../../../test/support/hpack.ts';
import { TYPE } from '../../../../test/support/http2-frames.ts';
import { FakeStreamOwner, RecordingHandler } from '../../../../test/support/wire-stream.ts';
import { CallOpener } from './call-opener.ts';
import { ERROR } from './frames.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import { RequestHead } from './request-head.ts';

const METHOD = '/test.Service/Method';

/** What became of a request with `fields` beside those that every call has; `undefined` takes one of these away. */
function request(
  fields: { readonly [name: string]: string | undefined },
  options: { readonly isWhole?: boolean } = {},
) {
  const owner = new FakeStreamOwner();
  const clock = new FakeClock();
  const head = new RequestHead();
  const handler = new RecordingHandler();
  const given: Record<string, string | undefined> = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': METHOD,
    'content-type': 'application/grpc',
    ...fields,
  };
  head.reset(false);
  for (const [name, value] of Object.entries(given)) if (value !== undefined) head.header(name, value);
  const opener = new CallOpener(owner, head, {
    methods: new Map([[METHOD, () => handler]]),
    maxReceiveBytes: 1000,
    clock,
  });
  const stream = opener.create(1, 65_535);
  opener.open(stream, options.isWhole ?? true);
  return { owner, clock, stream, handler, answer: () => answer(owner) };
}

/** Fields of the only block that was answered, or the code of RST_STREAM. */
function answer(owner: FakeStreamOwner): Map<string, string> | number | undefined {
  const [frame, ...rest] = owner.frames();
  expect(rest).toEqual([]);
  if (frame === undefined) return undefined;
  if (frame.type === TYPE.RST_STREAM) return frame.payload.readUInt32BE();
  expect(frame.flags).toBe(5);
  const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 65_536 });
  return new Map<string, string>(decodeBlock(decoder, frame.payload).fields as Field[]);
}

describe('a call', () => {
  test.each<{ name: string; fields: { readonly [name: string]: string } }>([
    { name: 'as every client makes it', fields: {} },
    { name: 'of protobuf', fields: { 'content-type': 'application/grpc+proto' } },
    { name: 'with an encoding of its messages', fields: { 'grpc-encoding': 'gzip' } },
    { name: 'with another', fields: { 'grpc-encoding': 'deflate' } },
    { name: 'without one, said', fields: { 'grpc-encoding': 'identity' } },
    { name: 'with a deadline', fields: { 'grpc-timeout': '1S' } },
  ])('$name is given to its method', ({ fields }) => {
    const { stream, handler, answer } = request(fields);
    expect(stream.receiving.handler).toBe(handler);
    expect(answer()).toBeUndefined();
  });

  test('ends at its deadline, and not before', () => {
    const { clock, handler, answer } = request({ 'grpc-timeout': '250m' });
    clock.advance(249);
    expect(handler.take()).toEqual([]);
    clock.advance(1);
    expect(handler.take()).toEqual(['cancelled']);
    const fields = answer();
    expect(fields).toBeInstanceOf(Map);
    expect([...(fields as Map<string, string>)].slice(-2)).toEqual([
      ['grpc-status', '4'],
      ['grpc-message', 'deadline exceeded'],
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  test('that ends before its deadline leaves no timer', () => {
    const { clock, stream } = request({ 'grpc-timeout': '1H' });
    expect(clock.pendingTimers).toBe(1);
    stream.end();
    expect(clock.pendingTimers).toBe(0);
  });

  test('with a deadline in 11,415 years has one that a timer can wait for', () => {
    const delays: number[] = [];
    const { clock } = request({});
    clock.after = (delayMs) => {
      delays.push(delayMs);
      return () => {};
    };
    const head = new RequestHead();
    head.reset(false);
    for (const [name, value] of [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', METHOD],
      ['content-type', 'application/grpc'],
      ['grpc-timeout', '99999999H'],
    ] as const) {
      head.header(name, value);
    }
    const methods = new Map([[METHOD, () => new RecordingHandler()]]);
    const opener = new CallOpener(new FakeStreamOwner(), head, { methods, maxReceiveBytes: 1000, clock });
    opener.open(opener.create(1, 0), true);
    expect(delays).toEqual([2 ** 31 - 1]);
  });
});

describe('no call', () => {
  test.each<{ name: string; fields: { readonly [name: string]: string | undefined }; status: string }>([
    { name: 'GET', fields: { ':method': 'GET' }, status: '405' },
    { name: 'another content-type', fields: { 'content-type': 'application/json' }, status: '415' },
    { name: 'no content-type', fields: { 'content-type': undefined }, status: '415' },
  ])('$name is answered $status once the request is over', ({ fields, status }) => {
    const { stream, answer } = request(fields);
    expect(answer()).toBeUndefined();
    expect(stream.receiving.handler).toBeUndefined();
    stream.peerEnded();
    expect(answer()).toEqual(new Map([[':status', status]]));
  });

  test('a header list above the limit is answered 431', () => {
    const { stream, answer } = request({}, { isWhole: false });
    stream.peerEnded();
    expect(answer()).toEqual(new Map([[':status', '431']]));
  });

  test('a malformed request is broken off, and counted', () => {
    const { owner, stream, answer } = request({ connection: 'close' });
    expect(answer()).toBe(ERROR.PROTOCOL_ERROR);
    expect(owner.offenders).toEqual([stream]);
  });
});

describe('a call that cannot be served', () => {
  test.each<{ name: string; fields: { readonly [name: string]: string }; status: string; message: string }>([
    {
      name: 'an unknown method',
      fields: { ':path': '/test.Service/Other' },
      status: '12',
      message: 'unknown method /test.Service/Other',
    },
    {
      name: 'a path of objects',
      fields: { ':path': '__proto__' },
      status: '12',
      message: 'unknown method __proto__',
    },
    {
      name: 'an unknown encoding',
      fields: { 'grpc-encoding': 'snappy' },
      status: '12',
      message: 'unknown grpc-encoding snappy',
    },
    {
      name: 'a malformed deadline',
      fields: { 'grpc-timeout': '1' },
      status: '13',
      message: 'grpc-timeout: got 1',
    },
  ])('$name: status $status', ({ fields, status, message }) => {
    const { stream, answer } = request(fields);
    expect(answer()).toEqual(
      new Map([
        [':status', '200'],
        ['content-type', 'application/grpc'],
        ['grpc-accept-encoding', 'identity,deflate,gzip'],
        ['grpc-status', status],
        ['grpc-message', message],
      ]),
    );
    expect(stream.receiving.handler).toBeUndefined();
  });

  test('a path of 60 kB is not quoted in full', () => {
    const { answer } = request({ ':path': `/${'\xe9'.repeat(60_000)}` });
    const fields = answer();
    expect(fields).toBeInstanceOf(Map);
    expect([...(fields as Map<string, string>).values()].join('').length).toBeLessThan(10_000);
  });
});

test('a method that throws loses its call, and its deadline', () => {
  const owner = new FakeStreamOwner();
  const clock = new FakeClock();
  const head = new RequestHead();
  head.reset(false);
  for (const [name, value] of [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', METHOD],
    ['content-type', 'application/grpc'],
    ['grpc-timeout', '5S'],
  ] as const) {
    head.header(name, value);
  }
  const open = () => {
    throw new Error('bug');
  };
  const opener = new CallOpener(owner, head, {
    methods: new Map([[METHOD, open]]),
    maxReceiveBytes: 1,
    clock,
  });
  opener.open(opener.create(1, 0), true);
  expect(owner.errors).toEqual([new Error('bug')]);
  expect(answer(owner)).toBe(ERROR.INTERNAL_ERROR);
  expect(clock.pendingTimers).toBe(0);
  expect(owner.offenders).toEqual([]);
});
