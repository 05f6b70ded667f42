import { expect, test } from 'vitest';
import { FakeExchange } from '../../test/support/exchange-wire.ts';
import { metadata } from '../../test/support/extproc-client.ts';
import { BODY_SEND_MODE, type ProcessingRequest } from './codec.ts';

const FULL = BODY_SEND_MODE.FULL_DUPLEX_STREAMED;

function headers(status = '200', endOfStream = false): ProcessingRequest {
  const entries = { headers: [{ key: ':status', rawValue: Buffer.from(status) }] };
  return { responseHeaders: { headers: entries, endOfStream } };
}

function body(text: string, endOfStream = false): ProcessingRequest {
  return { responseBody: { body: Buffer.from(text), endOfStream } };
}

const TRAILERS: ProcessingRequest = { responseTrailers: {} };

/** An exchange whose bodiless request is answered; `responseBodyMode` as announced. */
function routed(responseBodyMode: number): FakeExchange {
  const exchange = new FakeExchange();
  exchange.send({
    requestHeaders: { endOfStream: true },
    protocolConfig: { requestBodyMode: FULL, responseBodyMode },
  });
  exchange.take();
  return exchange;
}

const { NONE, STREAMED, BUFFERED, BUFFERED_PARTIAL, GRPC } = BODY_SEND_MODE;

/** Each case: messages and the replies after each; `change` is what the stage makes of chunks. */
const CASES: readonly {
  name: string;
  mode: number;
  change?: (chunk: Buffer, isLast: boolean) => Buffer;
  script: readonly (readonly [ProcessingRequest, readonly string[]])[];
  chunks: readonly string[];
  /** After the script, and after the data plane's half-close. */
  causes: readonly [string, string];
}[] = [
  {
    name: 'full duplex: server-sent events, empty last chunk',
    mode: FULL,
    script: [
      [headers(), ['responseHeaders']],
      [body('data: {}'), ['responseBody "data: {}"']],
      [body('data: [DONE]'), ['responseBody "data: [DONE]"']],
      [body('', true), ['responseBody "" eos']],
    ],
    chunks: ['data: {}', 'data: [DONE]', '|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'full duplex: JSON in two chunks, echoed as they come',
    mode: FULL,
    script: [
      [headers(), ['responseHeaders']],
      [body('{"a":'), ['responseBody "{"a":"']],
      [body('1}', true), ['responseBody "1}" eos']],
    ],
    chunks: ['{"a":', '1}|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'full duplex: trailers end the body',
    mode: FULL,
    script: [
      [headers(), ['responseHeaders']],
      [body('ab'), ['responseBody "ab"']],
      [TRAILERS, ['responseTrailers']],
    ],
    chunks: ['ab', '|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'full duplex: what was held back goes before the trailers',
    mode: FULL,
    change: (chunk, isLast) => (isLast ? Buffer.from('held') : chunk.subarray(0, 0)),
    script: [
      [headers(), ['responseHeaders']],
      [body('ab'), []],
      [TRAILERS, ['responseBody "held"', 'responseTrailers']],
    ],
    chunks: ['ab', '|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'full duplex: no body',
    mode: FULL,
    script: [[headers('204', true), ['responseHeaders']]],
    chunks: [],
    causes: ['natural', 'natural'],
  },
  {
    name: 'full duplex: response headers are not sent',
    mode: FULL,
    script: [[body('ab', true), ['responseBody "ab" eos']]],
    chunks: ['ab|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'full duplex: nothing is answered after the end',
    mode: FULL,
    script: [
      [headers(), ['responseHeaders']],
      [body('ab', true), ['responseBody "ab" eos']],
      [body('cd', true), []],
      [headers(), []],
      [TRAILERS, []],
    ],
    chunks: ['ab|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'full duplex: cut off in the middle',
    mode: FULL,
    script: [
      [headers(), ['responseHeaders']],
      [body('ab'), ['responseBody "ab"']],
    ],
    chunks: ['ab'],
    causes: ['', 'client-disconnect'],
  },
  {
    name: 'grpc: half frames, then trailers',
    mode: GRPC,
    script: [
      [headers(), ['responseHeaders']],
      [body('fra'), ['responseBody "fra"']],
      [body('me'), ['responseBody "me"']],
      [TRAILERS, ['responseTrailers']],
    ],
    chunks: ['fra', 'me', '|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'streamed: exactly one answer for each chunk',
    mode: STREAMED,
    script: [
      [headers(), ['responseHeaders']],
      [body('a'), ['responseBody']],
      [body('b'), ['responseBody']],
      [body('', true), ['responseBody']],
    ],
    chunks: ['a', 'b', '|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'streamed: changed and held back chunks',
    mode: STREAMED,
    change: (chunk, isLast) => (isLast ? Buffer.from('AB') : chunk.subarray(0, 0)),
    script: [
      [headers(), ['responseHeaders']],
      [body('a'), ['responseBody cleared']],
      [body('b', true), ['responseBody ="AB"']],
    ],
    chunks: ['a', 'b|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'streamed: trailers',
    mode: STREAMED,
    script: [
      [headers(), ['responseHeaders']],
      [body('a'), ['responseBody']],
      [TRAILERS, ['responseTrailers']],
    ],
    chunks: ['a', '|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'streamed: what trailers leave no room for is an error, not a silent loss',
    mode: STREAMED,
    change: (chunk, isLast) => (isLast ? Buffer.from('held') : chunk.subarray(0, 0)),
    script: [
      [headers(), ['responseHeaders']],
      [body('a'), ['responseBody cleared']],
      [TRAILERS, ['immediate 500 epp_internal']],
    ],
    chunks: ['a', '|'],
    causes: ['error', 'error'],
  },
  {
    name: 'buffered: unchanged',
    mode: BUFFERED,
    script: [
      [headers(), ['responseHeaders']],
      [body('ab', true), ['responseBody']],
    ],
    chunks: ['ab|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'buffered: a changed body brings its length',
    mode: BUFFERED,
    change: () => Buffer.from('changed'),
    script: [
      [headers(), ['responseHeaders']],
      [body('ab', true), ['responseBody content-length=7 ="changed"']],
    ],
    chunks: ['ab|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'buffered: without end of stream trailers follow',
    mode: BUFFERED,
    change: () => Buffer.from('changed'),
    script: [
      [headers(), ['responseHeaders']],
      [body('ab'), ['responseBody content-length=7 ="changed"']],
      [TRAILERS, ['responseTrailers']],
    ],
    chunks: ['ab|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'buffered partial: whole',
    mode: BUFFERED_PARTIAL,
    change: () => Buffer.from('changed'),
    script: [
      [headers(), ['responseHeaders']],
      [body('ab', true), ['responseBody content-length=7 ="changed"']],
    ],
    chunks: ['ab|'],
    causes: ['natural', 'natural'],
  },
  {
    name: 'buffered partial: cut off, so left as it is, and its end is that of the stream',
    mode: BUFFERED_PARTIAL,
    change: () => Buffer.from('changed'),
    script: [
      [headers(), ['responseHeaders']],
      [body('ab'), ['responseBody']],
    ],
    chunks: ['ab'],
    causes: ['', 'natural'],
  },
  {
    name: 'none: complete when the stream ends',
    mode: NONE,
    script: [[headers(), ['responseHeaders']]],
    chunks: [],
    causes: ['', 'natural'],
  },
  {
    name: 'none: trailers complete it',
    mode: NONE,
    script: [
      [headers(), ['responseHeaders']],
      [TRAILERS, ['responseTrailers']],
    ],
    chunks: [],
    causes: ['natural', 'natural'],
  },
];

test.each(CASES)('response, $name', ({ mode, change, script, chunks, causes }) => {
  const exchange = routed(mode);
  if (change !== undefined) exchange.stages.onChunk = change;
  for (const [message, replies] of script) expect(exchange.send(message).take()).toEqual(replies);
  expect(exchange.stages.chunks).toEqual(chunks);
  expect(exchange.stages.causes.join()).toBe(causes[0]);
  exchange.stream.halfClosed();
  expect(exchange.take()).toEqual([]);
  expect(exchange.stages.causes.join()).toBe(causes[1]);
  expect(exchange.wire.hasEnded).toBe(true);
});

test('the stage sees status, headers and who served; its header changes go on', () => {
  const exchange = routed(FULL);
  exchange.stages.onHeaders = (response) => {
    response.headers?.set('x-session-token', 't');
    response.headers?.remove('server');
    response.headers?.set(':status', '500');
  };
  exchange.send({
    responseHeaders: {
      headers: {
        headers: [
          { key: ':status', rawValue: Buffer.from('201') },
          { key: 'server', value: 'uvicorn' },
        ],
      },
      endOfStream: true,
    },
    metadataContext: metadata('envoy.lb', 'x-gateway-destination-endpoint-served', '10.0.0.9:8000'),
  });
  expect(exchange.take()).toEqual(['responseHeaders x-session-token=t -server']);
  const response = exchange.stages.responses[0];
  expect([response?.status, response?.servedEndpoint]).toEqual([201, '10.0.0.9:8000']);
});

test('a response of many MiB in one message leaves in pieces as the transport takes them', () => {
  const exchange = routed(FULL);
  exchange.send(headers());
  exchange.take();
  exchange.wire.room = 10;
  const big = Buffer.alloc(4 << 20, 'x');
  exchange.send({ responseBody: { body: big, endOfStream: true } });
  expect(exchange.wire.written).toHaveLength(10);
  expect(exchange.wire.isPaused).toBe(true);
  expect(exchange.stages.causes).toEqual([]);
  const parts: Buffer[] = [];
  let ends = 0;
  for (let rounds = 0; exchange.stages.causes.length === 0 && rounds < 100; rounds += 1) {
    exchange.wire.room = 10;
    exchange.stream.drained();
  }
  for (const reply of exchange.wire.written) {
    const piece = reply.responseBody?.response?.bodyMutation?.streamedResponse;
    parts.push(Buffer.from(piece?.body ?? []));
    if (piece?.endOfStream === true) ends += 1;
  }
  expect(Buffer.concat(parts).equals(big)).toBe(true);
  expect(ends).toBe(1);
  expect(exchange.wire.isPaused).toBe(false);
  expect(exchange.stages.causes).toEqual(['natural']);
});

const COST = { namespace: 'envoy.lb', key: 'cost', value: 17 };

/** What the answers to the last part carry as metadata. */
test.each([
  { name: 'full duplex: the last chunk', mode: FULL, script: [headers(), body('ab'), body('c', true)] },
  { name: 'full duplex: the empty last chunk', mode: FULL, script: [headers(), body('ab'), body('', true)] },
  { name: 'full duplex: the trailers', mode: FULL, script: [headers(), body('ab'), TRAILERS] },
  { name: 'headers without body', mode: FULL, script: [headers('204', true)] },
  { name: 'streamed: the last chunk', mode: STREAMED, script: [headers(), body('ab'), body('c', true)] },
  { name: 'buffered: the body', mode: BUFFERED, script: [headers(), body('ab', true)] },
  { name: 'buffered: the trailers', mode: BUFFERED, script: [headers(), body('ab'), TRAILERS] },
])('what is told at the end rides on the last answer alone: $name', ({ mode, script }) => {
  const exchange = routed(mode);
  exchange.stages.metadata = [COST, { ...COST, key: 'tokens', value: 5 }, { ...COST, namespace: 'other' }];
  for (const message of script) exchange.send(message);
  const told = exchange.wire.written.map(({ dynamicMetadata }) => dynamicMetadata);
  expect(told.slice(-script.length)).toHaveLength(script.length);
  expect(told.slice(-script.length, -1).every((metadata) => metadata === undefined)).toBe(true);
  expect(told.at(-1)).toEqual({
    fields: {
      'envoy.lb': {
        structValue: { fields: { cost: { numberValue: 17 }, tokens: { numberValue: 5 } } },
      },
      other: { structValue: { fields: { cost: { numberValue: 17 } } } },
    },
  });
});

test('headers changed by hooks and metadata leave in one answer', () => {
  const exchange = routed(FULL);
  exchange.stages.metadata = [COST];
  exchange.stages.onHeaders = (response) => response.headers?.set('x-a', 'b');
  exchange.send(headers('204', true));
  const { dynamicMetadata, responseHeaders } = exchange.wire.written.at(-1) ?? {};
  expect(dynamicMetadata?.fields).toHaveProperty(['envoy.lb']);
  expect(responseHeaders?.response?.headerMutation?.setHeaders?.map(({ header }) => header.key)).toEqual([
    'x-a',
  ]);
});

test('whether the data plane reported on its load balancing is kept apart from whom it named', () => {
  for (const [said, want] of [
    [metadata('envoy.lb', 'x', 'y'), true],
    [metadata('other', 'x', 'y'), false],
  ] as const) {
    const exchange = routed(FULL);
    exchange.send({ ...headers(), metadataContext: said });
    exchange.send(body('', true));
    expect(exchange.stages.responses[0]?.hasLoadBalancerMetadata).toBe(want);
  }
});
