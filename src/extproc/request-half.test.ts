import { describe, expect, test } from 'vitest';
import { decision } from '../../test/support/exchange-stages.ts';
import { FakeExchange, settle } from '../../test/support/exchange-wire.ts';
import { metadata } from '../../test/support/extproc-client.ts';
import { RejectionError } from '../framework/errors.ts';
import {
  BODY_SEND_MODE,
  type HttpBody,
  type ProcessingRequest,
  type ProtocolConfiguration,
} from './codec.ts';

const HEADERS = { headers: [{ key: ':path', rawValue: Buffer.from('/v1/completions') }] };
const DESTINATION = '->10.0.0.1:8000';

function headers(config?: ProtocolConfiguration, endOfStream = false): ProcessingRequest {
  return {
    requestHeaders: { headers: HEADERS, endOfStream },
    ...(config !== undefined && { protocolConfig: config }),
  };
}

function body(text: string, endOfStream = false): ProcessingRequest {
  const part: HttpBody = { body: Buffer.from(text), endOfStream };
  return { requestBody: part };
}

const TRAILERS: ProcessingRequest = { requestTrailers: {} };

function mode(requestBodyMode: number, sendsAhead = false): ProtocolConfiguration {
  return {
    requestBodyMode,
    responseBodyMode: requestBodyMode,
    sendBodyWithoutWaitingForHeaderResponse: sendsAhead,
  };
}

const FULL = mode(BODY_SEND_MODE.FULL_DUPLEX_STREAMED);
const STREAMED = mode(BODY_SEND_MODE.STREAMED);
const AHEAD = mode(BODY_SEND_MODE.STREAMED, true);
const BUFFERED = mode(BODY_SEND_MODE.BUFFERED);
const PARTIAL = mode(BODY_SEND_MODE.BUFFERED_PARTIAL);
const NONE = mode(BODY_SEND_MODE.NONE);
const GRPC = mode(BODY_SEND_MODE.GRPC);

const REPLIED = `requestHeaders ${DESTINATION} +metadata`;
const AHEAD_CHUNK = 'x'.repeat(20_000);

/** Each case: messages and the replies after each of them; how much of the body the decision saw. */
const CASES: readonly {
  name: string;
  rewritten?: readonly string[];
  view: string;
  script: readonly (readonly [ProcessingRequest, readonly string[]])[];
}[] = [
  {
    name: 'full duplex, no announcement: headers, two chunks',
    view: 'whole:ab',
    script: [
      [headers(), []],
      [body('a'), []],
      [body('b', true), [`requestHeaders ${DESTINATION} content-length=2 +metadata`, 'requestBody "ab" eos']],
    ],
  },
  {
    name: 'full duplex, announced: the end comes with an empty chunk',
    view: 'whole:ab',
    script: [
      [headers(FULL), []],
      [body('ab'), []],
      [body('', true), [`requestHeaders ${DESTINATION} content-length=2 +metadata`, 'requestBody "ab" eos']],
    ],
  },
  {
    name: 'full duplex: an empty body is one empty chunk, without length',
    view: 'whole:',
    script: [
      [headers(FULL), []],
      [body('', true), [REPLIED, 'requestBody "" eos']],
    ],
  },
  { name: 'full duplex: no body', view: 'absent:', script: [[headers(FULL, true), [REPLIED]]] },
  {
    name: 'full duplex: trailers end the body',
    view: 'whole:ab',
    script: [
      [headers(FULL), []],
      [body('ab'), []],
      [TRAILERS, [REPLIED, 'requestBody "ab"', 'requestTrailers']],
    ],
  },
  {
    name: 'full duplex: trailers without body',
    view: 'whole:',
    script: [
      [headers(FULL), []],
      [TRAILERS, [REPLIED, 'requestTrailers']],
    ],
  },
  {
    name: 'full duplex: rewritten body goes in place of the received one',
    view: 'whole:ab',
    rewritten: ['{', 'new', '}'],
    script: [
      [headers(FULL), []],
      [
        body('ab', true),
        [`requestHeaders ${DESTINATION} content-length=5 +metadata`, 'requestBody "{new}" eos'],
      ],
    ],
  },
  {
    name: 'full duplex: request headers are not sent',
    view: 'whole:ab',
    script: [
      [{ ...body('a'), protocolConfig: FULL }, []],
      [body('b', true), [`requestBody ${DESTINATION} content-length=2 "ab" eos +metadata`]],
    ],
  },
  {
    name: 'full duplex: what comes after the end is not answered',
    view: 'whole:ab',
    script: [
      [headers(FULL), []],
      [
        body('ab', true),
        [`requestHeaders ${DESTINATION} content-length=2 +metadata`, 'requestBody "ab" eos'],
      ],
      [body('c', true), []],
      [TRAILERS, []],
      [headers(), []],
    ],
  },
  {
    name: 'grpc is full duplex',
    view: 'whole:ab',
    script: [
      [headers(GRPC), []],
      [body('a'), []],
      [body('b', true), [`requestHeaders ${DESTINATION} content-length=2 +metadata`, 'requestBody "ab" eos']],
    ],
  },
  {
    name: 'buffered: headers are answered at once, the destination rides on the body',
    view: 'whole:ab',
    script: [
      [headers(BUFFERED), ['requestHeaders']],
      [body('ab', true), [`requestBody ${DESTINATION} +metadata`]],
    ],
  },
  {
    name: 'buffered: no body',
    view: 'absent:',
    script: [[headers(BUFFERED, true), [REPLIED]]],
  },
  {
    name: 'buffered: trailers follow the body',
    view: 'whole:ab',
    script: [
      [headers(BUFFERED), ['requestHeaders']],
      [body('ab'), [`requestBody ${DESTINATION} +metadata`]],
      [TRAILERS, ['requestTrailers']],
    ],
  },
  {
    name: 'buffered: trailers without body can carry metadata only',
    view: 'whole:',
    script: [
      [headers(BUFFERED), ['requestHeaders']],
      [TRAILERS, ['requestTrailers +metadata']],
    ],
  },
  {
    name: 'buffered: a rewritten body brings its length',
    view: 'whole:ab',
    rewritten: ['{', 'new}'],
    script: [
      [headers(BUFFERED), ['requestHeaders']],
      [body('ab', true), [`requestBody ${DESTINATION} content-length=5 ="{new}" +metadata`]],
    ],
  },
  {
    name: 'buffered partial: whole',
    view: 'whole:ab',
    rewritten: ['new'],
    script: [
      [headers(PARTIAL), ['requestHeaders']],
      [body('ab', true), [`requestBody ${DESTINATION} content-length=3 ="new" +metadata`]],
    ],
  },
  {
    name: 'buffered partial: cut off',
    view: 'prefix:ab',
    script: [
      [headers(PARTIAL), ['requestHeaders']],
      [body('ab'), [`requestBody ${DESTINATION} +metadata`]],
    ],
  },
  {
    name: 'buffered partial: a cut body cannot be rewritten',
    view: 'prefix:ab',
    rewritten: ['new'],
    script: [
      [headers(PARTIAL), ['requestHeaders']],
      [body('ab'), ['immediate 413 epp_too_large']],
    ],
  },
  {
    name: 'none: headers alone decide',
    view: 'none:',
    script: [[headers(NONE), [REPLIED]]],
  },
  {
    name: 'none: trailers are answered if they come',
    view: 'none:',
    script: [
      [headers(NONE), [REPLIED]],
      [TRAILERS, ['requestTrailers']],
    ],
  },
  {
    name: 'none: a needed rewrite is impossible',
    view: 'none:',
    rewritten: ['new'],
    script: [[headers(NONE), ['immediate 500 epp_internal']]],
  },
  {
    name: 'streamed: decided on the headers, then one answer for each chunk',
    view: 'none:',
    script: [
      [headers(STREAMED), [REPLIED]],
      [body('a'), ['requestBody']],
      [body('b'), ['requestBody']],
      [body('', true), ['requestBody']],
    ],
  },
  {
    name: 'streamed: trailers',
    view: 'none:',
    script: [
      [headers(STREAMED), [REPLIED]],
      [body('a'), ['requestBody']],
      [TRAILERS, ['requestTrailers']],
    ],
  },
  {
    name: 'streamed ahead: decided at the end, one answer for each chunk',
    view: 'whole:ab',
    script: [
      [headers(AHEAD), []],
      [body('a'), []],
      [body('b', true), [REPLIED, 'requestBody', 'requestBody']],
    ],
  },
  {
    name: 'streamed ahead: a rewritten body replaces the first chunk and clears the others',
    view: 'whole:ab',
    rewritten: ['new'],
    script: [
      [headers(AHEAD), []],
      [body('a'), []],
      [
        body('b', true),
        [
          `requestHeaders ${DESTINATION} content-length=3 +metadata`,
          'requestBody ="new"',
          'requestBody cleared',
        ],
      ],
    ],
  },
  {
    name: 'streamed ahead: decided on 32 KiB when no end is in sight',
    view: 'prefix:40000 bytes',
    script: [
      [headers(AHEAD), []],
      [body(AHEAD_CHUNK), []],
      [body(AHEAD_CHUNK), [REPLIED, 'requestBody', 'requestBody']],
      [body('c'), ['requestBody']],
      [body('d', true), ['requestBody']],
    ],
  },
  {
    name: 'streamed ahead: trailers end the body',
    view: 'whole:a',
    script: [
      [headers(AHEAD), []],
      [body('a'), []],
      [TRAILERS, [REPLIED, 'requestBody', 'requestTrailers']],
    ],
  },
];

test.each(CASES)('request, $name', ({ rewritten, view, script }) => {
  const exchange = new FakeExchange();
  exchange.stages.onDecide = () =>
    decision('10.0.0.1:8000', { body: rewritten?.map((piece) => Buffer.from(piece)) });
  for (const [message, replies] of script) expect(exchange.send(message).take()).toEqual(replies);
  const seen = exchange.stages.bodies[0] ?? Buffer.alloc(0);
  const text = seen.length > 40 ? `${seen.length} bytes` : seen.toString();
  expect(`${exchange.stages.contexts[0]?.bodyView}:${text}`).toBe(view);
  expect(exchange.stages.contexts).toHaveLength(1);
});

test('a rewritten body that trailers follow takes the old content-length away', () => {
  const exchange = new FakeExchange();
  exchange.stages.onDecide = () => decision('10.0.0.1:8000', { body: [Buffer.from('{new}')] });
  const { requestHeaders } = headers();
  const length = { key: 'content-length', rawValue: Buffer.from('2') };
  const sent = [...(requestHeaders?.headers?.headers ?? []), length];
  exchange.send({ requestHeaders: { headers: { headers: sent }, endOfStream: false }, protocolConfig: FULL });
  const replies = exchange.send(body('ab')).send(TRAILERS).take();
  expect(replies).toEqual([
    `requestHeaders ${DESTINATION} -content-length +metadata`,
    'requestBody "{new}"',
    'requestTrailers',
  ]);
});

describe('a decision that waits', () => {
  test.each(CASES.filter(({ rewritten }) => rewritten === undefined))(
    'gives the same answers late, $name',
    async ({ script }) => {
      const exchange = new FakeExchange();
      const promises = exchange.stages;
      const { promise, resolve } = Promise.withResolvers<ReturnType<typeof decision>>();
      promises.onDecide = () => promise;
      for (const [message] of script) exchange.send(message);
      const early = exchange.take();
      resolve(decision());
      await settle();
      const all = [...early, ...exchange.take()].filter((reply) => !reply.startsWith('more time'));
      // Trailers are known by the time of the answer, so no length is told.
      const isLate = script.some(([message]) => message.requestTrailers !== undefined);
      const want = script.flatMap(([, replies]) => replies);
      expect(isLate ? all.map(withoutLength) : all).toEqual(isLate ? want.map(withoutLength) : want);
    },
  );

  test.each([
    { name: 'full duplex has no timer', config: FULL, want: [] },
    { name: 'buffered', config: BUFFERED, want: ['requestHeaders', 'more time 60'] },
    { name: 'streamed ahead', config: AHEAD, want: ['more time 60'] },
  ])('asks for more time, $name', ({ config, want }) => {
    const exchange = new FakeExchange();
    exchange.stages.onDecide = () => new Promise(() => {});
    exchange.send(headers(config)).send(body('ab', true));
    expect(exchange.take()).toEqual(want);
  });

  test.each([
    { name: 'streamed', config: STREAMED },
    { name: 'none', config: NONE },
  ])('asks for more time on the headers, $name', ({ config }) => {
    const exchange = new FakeExchange({ messageTimeoutMs: 1500 });
    exchange.stages.onDecide = () => new Promise(() => {});
    exchange.send(headers(config));
    expect(exchange.wire.written[0]?.overrideMessageTimeout).toMatchObject({ nanos: 500_000_000 });
    expect(exchange.take()).toEqual(['more time 1']);
  });

  test('that is refused late becomes a reply to the client', async () => {
    const exchange = new FakeExchange();
    exchange.stages.onDecide = () =>
      Promise.reject(new RejectionError('resource-exhausted', 'full', { reason: 'rejected-saturated' }));
    exchange.send(headers()).send(body('ab', true));
    await settle();
    expect(exchange.take()).toEqual(['immediate 429 epp_rejected_saturated']);
    expect(exchange.stages.causes).toEqual(['error']);
    expect(exchange.wire.hasEnded).toBe(true);
  });
});

function withoutLength(reply: string): string {
  return reply.replace(/ content-length=\d+/, '');
}

test('a body over the limit is refused with 413 before it is complete', () => {
  const exchange = new FakeExchange({ maxRequestBodyBytes: 10 });
  exchange.send(headers()).send(body('12345678'));
  expect(exchange.take()).toEqual([]);
  expect(exchange.send(body('901')).take()).toEqual(['immediate 413 epp_too_large']);
  expect(exchange.stages.contexts).toEqual([]);
  expect(exchange.stages.causes).toEqual(['error']);
});

test('a body of exactly the limit is taken', () => {
  const exchange = new FakeExchange({ maxRequestBodyBytes: 10 });
  exchange.send(headers()).send(body('1234567890', true));
  expect(exchange.take().at(-1)).toBe('requestBody "1234567890" eos');
});

test('what streams past the picker is not limited', () => {
  const exchange = new FakeExchange({ maxRequestBodyBytes: 10 });
  exchange.send(headers(STREAMED));
  exchange.take();
  expect(exchange.send(body('123456789012', true)).take()).toEqual(['requestBody']);
});

test('62001 bytes leave as 62000 and 1', () => {
  const exchange = new FakeExchange();
  exchange.send(headers()).send(body('x'.repeat(62_001), true));
  const pieces = exchange.wire.written.map(
    (reply) => reply.requestBody?.response?.bodyMutation?.streamedResponse,
  );
  expect(pieces.map((piece) => [piece?.body?.length, piece?.endOfStream === true])).toEqual([
    [undefined, false],
    [62_000, false],
    [1, true],
  ]);
});

test.each([
  { name: 'as it came', rewrites: false },
  { name: 'with another model', rewrites: true },
])('a body that goes on $name is not touched by the requests after it', ({ rewrites }) => {
  const chunks = ['a', 'b', 'c'].map((letter) => letter.repeat(50_000));
  const send = (parts: readonly string[]) => {
    const exchange = new FakeExchange();
    // A transport that has room keeps what it is given until the peer reads.
    const kept: Uint8Array[] = [];
    exchange.wire.writeAround = (_before, _beforeBytes, piece) => kept.push(piece) > 0;
    if (rewrites) {
      exchange.stages.onDecide = (_context, _request, whole) =>
        decision('10.0.0.1:8000', {
          body: [whole.subarray(0, 60_000), Buffer.from('new'), whole.subarray(60_000)],
        });
    }
    exchange.send(headers());
    parts.forEach((part, i) => void exchange.send(body(part, i === parts.length - 1)));
    exchange.stream.halfClosed();
    return kept;
  };
  const kept = send(chunks);
  send(chunks.map((chunk) => 'x'.repeat(chunk.length)));
  const text = chunks.join('');
  const want = rewrites ? `${text.slice(0, 60_000)}new${text.slice(60_000)}` : text;
  expect(Buffer.concat(kept).toString() === want).toBe(true);
});

test('settings override what the data plane announces', () => {
  const exchange = new FakeExchange({ requestBodyMode: 'buffered' });
  expect(exchange.send(headers(FULL)).take()).toEqual(['requestHeaders']);
});

test('an announcement without modes means none', () => {
  const exchange = new FakeExchange();
  expect(exchange.send(headers({})).take()).toEqual([REPLIED]);
  expect(exchange.stages.contexts[0]?.bodyView).toBe('none');
});

test('the request stage sees lower-case names and raw values', () => {
  const exchange = new FakeExchange();
  exchange.send({
    requestHeaders: {
      headers: {
        headers: [
          { key: 'X-Test', value: 'wrong', rawValue: Buffer.from('b') },
          { key: 'x-plain', value: 'v' },
          { key: 'x-test', rawValue: Buffer.from('c') },
        ],
      },
    },
  });
  const seen: string[] = [];
  exchange.stages.requests[0]?.headers.forEach((name, value) => {
    seen.push(`${name}=${value}`);
  });
  expect(seen).toEqual(['x-test=b', 'x-plain=v', 'x-test=c']);
});

test('only what changed goes back, removed names by name', () => {
  const exchange = new FakeExchange();
  exchange.stages.onAccept = (request) => {
    request.headers.remove('x-gateway-destination-endpoint');
    request.headers.remove('x-llm-d-inference-objective');
    request.headers.set('x-request-id', 'r1');
    request.headers.set('x-empty', '');
  };
  const received = [
    ['x-gateway-destination-endpoint', '6.6.6.6:80'],
    ['x-llm-d-inference-objective', 'gold'],
    ['x-other', 'kept'],
  ].map(([key = '', value]) => ({ key, rawValue: Buffer.from(value ?? '') }));
  exchange.send({ requestHeaders: { headers: { headers: received }, endOfStream: true } });
  const mutation = exchange.wire.written[0]?.requestHeaders?.response?.headerMutation;
  expect(mutation?.setHeaders?.map(({ appendAction }) => appendAction)).toEqual([2, 2, 2]);
  expect(mutation?.setHeaders?.map(({ keepEmptyValue }) => keepEmptyValue === true)).toEqual([
    false,
    true,
    false,
  ]);
  expect(mutation?.setHeaders?.every(({ header }) => header.value === undefined)).toBe(true);
  expect(exchange.take()).toEqual([
    `requestHeaders x-request-id=r1 x-empty= ${DESTINATION} -x-llm-d-inference-objective +metadata`,
  ]);
});

test('destination and scores also travel as metadata, and the route is picked again', () => {
  const exchange = new FakeExchange();
  exchange.stages.onDecide = () =>
    decision('10.0.0.1:8000,10.0.0.2:8000', { scores: new Map([['10.0.0.1:8000', 0.75]]) });
  exchange.send(headers(undefined, true));
  const reply = exchange.wire.written[0];
  expect(reply?.requestHeaders?.response?.clearRouteCache).toBe(true);
  expect(reply?.dynamicMetadata?.fields?.['envoy.lb']?.structValue?.fields).toEqual({
    'x-gateway-destination-endpoint': { stringValue: '10.0.0.1:8000,10.0.0.2:8000' },
    'x-gateway-destination-endpoint-scores': {
      structValue: { fields: { '10.0.0.1:8000': { numberValue: 0.75 } } },
    },
  });
});

const HINT = ['envoy.lb.subset_hint', 'x-gateway-destination-endpoint-subset'] as const;

test.each([
  { name: 'with the headers only', sent: [['a'], undefined, undefined], want: ['a'] },
  { name: 'with the last chunk only', sent: [undefined, undefined, ['b']], want: ['b'] },
  { name: 'the last one counts', sent: [['a'], ['b'], undefined], want: ['b'] },
  { name: 'an empty one does not take a hint away', sent: [['a'], undefined, []], want: ['a'] },
  { name: 'an empty one is a hint', sent: [[], undefined, undefined], want: [] },
  { name: 'none', sent: [undefined, undefined, undefined], want: undefined },
])('subset hint: $name', ({ sent, want }) => {
  const exchange = new FakeExchange();
  const messages = [headers(), body('a'), body('b', true)];
  for (const [i, message] of messages.entries()) {
    const hint = sent[i];
    exchange.send({ ...message, ...(hint !== undefined && { metadataContext: metadata(...HINT, hint) }) });
  }
  expect(exchange.stages.contexts[0]?.subset).toEqual(want);
});

test('a route-only request ends the exchange when it is answered', () => {
  const exchange = new FakeExchange();
  exchange.stages.onDecide = () => decision('10.0.0.1:8000', { skipsResponse: true });
  exchange.send(headers()).send(body('ab', true));
  expect(exchange.take()).toHaveLength(2);
  expect(exchange.wire.hasEnded).toBe(true);
  expect(exchange.stages.causes).toEqual(['natural']);
});
