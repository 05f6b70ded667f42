import { describe, expect, test } from 'vitest';
import {
  context,
  endpoint,
  RecordingInstruments,
  RecordingLog,
  type RequestOptions,
  request,
} from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { Headers } from '../framework/headers.ts';
import type { Parser } from '../framework/parser.ts';
import type { InferenceRequest } from '../framework/request.ts';
import { InferenceResponse } from '../framework/response.ts';
import { openaiParser } from '../plugins/parsers/openai-parser.ts';
import { passthroughParser } from '../plugins/parsers/passthrough-parser.ts';
import { ResponseHandler } from './handler.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const EVENTS_TYPE = { 'content-type': 'text/event-stream' };
const EMPTY = Buffer.alloc(0);

/** A handler whose surroundings write down what they are told. */
function setUp(
  options: { pool?: readonly Endpoint[]; fail?: string; tells?: boolean; countsEvents?: boolean } = {},
) {
  const calls: string[] = [];
  const clock = new FakeClock();
  const log = new RecordingLog();
  const note = (call: string) => {
    calls.push(call);
    if (options.fail !== undefined && call.startsWith(options.fail)) throw new Error(`${call} is broken`);
  };
  const handler = new ResponseHandler({
    clock,
    log,
    instruments: new RecordingInstruments(),
    observer: {
      chunkFollowed: (_request, _response, gapMs) => note(`gap ${gapMs}`),
      completed: (one, response, processingMs) =>
        note(
          `completed ${one.endpoint?.name} ${response.cause} ${response.usage.promptTokens} ${processingMs}`,
        ),
    },
    headerHooks: [{ name: 'h', type: 'h', plugin: { responseHeaders: () => note('header hook') } }],
    bodyHooks: [
      {
        name: 'b',
        type: 'b',
        plugin: {
          countsEvents: options.countsEvents === true,
          responseStarted: () => note('started'),
          responseComplete: (_request, response) => note(`complete ${response.usage.promptTokens}`),
          ...(options.tells === true && {
            finalMetadata: (_request: InferenceRequest, response: InferenceResponse) => {
              note('asked');
              return { namespace: 'n', key: 'k', value: response.usage.promptTokens };
            },
          }),
        },
      },
    ],
    served: (hostPort) => options.pool?.find((member) => member.hostPort === hostPort),
    moved: (one, to) => note(`moved ${one.requestId} to ${to.name}`),
    refused: (one) => note(`refused ${one.endpoint?.name}`),
    release: () => note('release'),
  });
  return { handler, calls, clock, log };
}

/** A request that went to `to`. */
function sent(
  options: RequestOptions = {},
  to: Endpoint | undefined = endpoint({ name: 'chosen' }),
): InferenceRequest {
  const built = request(options);
  const parser: Parser = openaiParser.create({}, context());
  built.parser = parser;
  built.endpoint = to;
  built.requestId = 'r';
  return built;
}

function answer(headers: Record<string, string>, status = 200): InferenceResponse {
  const response = new InferenceResponse();
  response.status = status;
  response.headers = new Headers();
  for (const [name, value] of Object.entries(headers)) response.headers.receive(name, value);
  return response;
}

test.each([
  { name: 'a stream, where a plugin asks', countsEvents: true, headers: EVENTS_TYPE, want: 3 },
  { name: 'a stream, where none does', countsEvents: false, headers: EVENTS_TYPE, want: 0 },
  { name: 'a document', countsEvents: true, headers: JSON_TYPE, want: 0 },
  {
    name: 'a stream that cannot be read',
    countsEvents: true,
    headers: { ...EVENTS_TYPE, 'content-encoding': 'gzip' },
    want: 0,
  },
])('events of $name: $want', ({ countsEvents, headers, want }) => {
  const { handler } = setUp({ countsEvents });
  const [one, response] = [sent(), answer(headers)];
  handler.headers(one, response);
  for (const text of ['data: {}\n\ndata: {"a"', ':1}\n\ndata: {}\n\n', 'data: [DONE]\n\n'])
    handler.chunk(one, response, Buffer.from(text), false);
  handler.end(one, response);
  expect(response.events).toBe(want);
});

test('a streamed answer: forwarded at once, timed, counted, ended in order', () => {
  const { handler, calls, clock } = setUp();
  const [one, response] = [sent(), answer(EVENTS_TYPE)];
  handler.headers(one, response);
  expect(response.isStreaming).toBe(true);
  const chunks = [
    'data: {}\n\n',
    'data: {"usage":{"prompt_tokens":7,"total_tokens":17,"completion_tokens":10}}\n\n',
  ];
  for (const text of chunks) {
    clock.advance(20);
    const chunk = Buffer.from(text);
    expect(handler.chunk(one, response, chunk, false)).toBe(chunk);
  }
  expect(handler.chunk(one, response, EMPTY, true)).toBe(EMPTY);
  response.cause = 'natural';
  handler.end(one, response);
  handler.end(one, response);
  expect(calls).toEqual([
    'header hook',
    'started',
    'gap 20',
    'complete 7',
    'completed chosen natural 7 0',
    'release',
  ]);
  expect(response).toMatchObject({ sizeBytes: 88, firstByteAtMs: 1_000_020, lastByteAtMs: 1_000_040 });
  expect(response.usage).toMatchObject({ promptTokens: 7, completionTokens: 10, totalTokens: 17 });
});

test('a JSON answer: chunks are forwarded as they come and usage is read at the end', () => {
  const { handler, calls, clock } = setUp();
  const [one, response] = [sent({ body: { isStreaming: true } }), answer(JSON_TYPE)];
  handler.headers(one, response);
  expect(response.isStreaming).toBe(false);
  for (const text of ['{"usage":{"prompt_', 'tokens":3}}']) {
    clock.advance(20);
    const chunk = Buffer.from(text);
    expect(handler.chunk(one, response, chunk, false)).toBe(chunk);
  }
  handler.end(one, response);
  expect(calls).toEqual(['header hook', 'started', 'complete 3', 'completed chosen  3 40', 'release']);
});

test.each([
  { name: 'an error', status: 500, headers: JSON_TYPE },
  { name: 'a compressed body', status: 200, headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } },
  { name: 'another type', status: 200, headers: { 'content-type': 'audio/wav' } },
])('$name is neither read nor changed', ({ status, headers }) => {
  const { handler } = setUp();
  const [one, response] = [
    sent({ model: 'a', targetModel: 'b' }),
    answer({ ...headers, 'content-length': '9' }, status),
  ];
  handler.headers(one, response);
  const chunk = Buffer.from('{"model":"b","usage":{"prompt_tokens":3}}');
  expect(handler.chunk(one, response, chunk, true)).toBe(chunk);
  handler.end(one, response);
  expect(response.usage.promptTokens).toBeNaN();
  expect(response.headers?.removedNames).toEqual([]);
});

test('a body that no parser reads passes', () => {
  for (const parser of [undefined, passthroughParser.create({}, context())]) {
    const { handler, calls } = setUp();
    const [one, response] = [sent({ model: 'a', targetModel: 'b' }), answer(JSON_TYPE)];
    one.parser = parser;
    handler.headers(one, response);
    const chunk = Buffer.from('{"model":"b","usage":{"prompt_tokens":3}}');
    expect(handler.chunk(one, response, chunk, true)).toBe(chunk);
    handler.end(one, response);
    expect(calls).toEqual(['header hook', 'started', 'complete NaN', 'completed chosen  NaN 0', 'release']);
  }
});

test.each([
  { name: 'no headers', headers: undefined },
  { name: 'headers without status', headers: JSON_TYPE },
])('$name: read and restored as others are', ({ headers }) => {
  const { handler } = setUp();
  const one = sent({ model: 'proxy', targetModel: 'backend' });
  const response = headers === undefined ? new InferenceResponse() : answer(headers, 0);
  if (headers !== undefined) handler.headers(one, response);
  const chunk = Buffer.from('{"model":"backend","usage":{"prompt_tokens":3}}');
  const forwarded = handler.chunk(one, response, chunk, true).toString();
  handler.end(one, response);
  expect(JSON.parse(forwarded)).toEqual({ model: 'proxy', usage: { prompt_tokens: 3 } });
  expect(response.usage.promptTokens).toBe(3);
});

test('a body that is not seen keeps its length', () => {
  const { handler } = setUp();
  const one = sent({ model: 'proxy', targetModel: 'backend' });
  const response = answer({ ...JSON_TYPE, 'content-length': '40' });
  response.isBodySeen = false;
  handler.headers(one, response);
  expect(response.headers?.removedNames).toEqual([]);
});

describe('the model name', () => {
  test('is restored when it was rewritten, and content-length goes', () => {
    const { handler } = setUp();
    const [one, response] = [
      sent({ model: 'proxy', targetModel: 'backend' }),
      answer({ ...JSON_TYPE, 'content-length': '40' }),
    ];
    handler.headers(one, response);
    const forwarded = [
      handler.chunk(one, response, Buffer.from('{"model":"back'), false),
      handler.chunk(one, response, Buffer.from('end","usage":{"prompt_tokens":3}}'), false),
      handler.chunk(one, response, EMPTY, true),
    ];
    expect(Buffer.concat(forwarded).toString()).toBe('{"model":"proxy","usage":{"prompt_tokens":3}}');
    handler.end(one, response);
    expect(response.headers?.removedNames).toEqual(['content-length']);
    expect(response).toMatchObject({ sizeBytes: 47, usage: { promptTokens: 3 } });
  });

  test('what is held back leaves with the last chunk, even an empty one', () => {
    const { handler } = setUp();
    const [one, response] = [sent({ model: 'proxy', targetModel: 'backend' }), answer(EVENTS_TYPE)];
    handler.headers(one, response);
    expect(handler.chunk(one, response, Buffer.from('data: {"model":"ba'), false).toString()).toBe(
      'data: {"model":',
    );
    expect(handler.chunk(one, response, EMPTY, true).toString()).toBe('"ba');
  });

  test.each([
    { model: 'm', targetModel: 'm' },
    { model: '', targetModel: 'm' },
  ])('stays when $model became $targetModel', ({ model, targetModel }) => {
    const { handler } = setUp();
    const [one, response] = [sent({ model, targetModel }), answer({ ...JSON_TYPE, 'content-length': '13' })];
    handler.headers(one, response);
    const chunk = Buffer.from('{"model":"m"}');
    expect(handler.chunk(one, response, chunk, true)).toBe(chunk);
    expect(response.headers?.removedNames).toEqual([]);
  });
});

describe('who served', () => {
  const other = endpoint({ name: 'other', address: '10.1.1.1', port: 9000 });

  test.each([
    {
      name: 'another member',
      served: '10.1.1.1:9000',
      want: ['moved r to other', 'header hook'],
      by: 'other',
    },
    { name: 'nobody known', served: '10.9.9.9:1', want: ['header hook'], by: 'chosen' },
    { name: 'not said', served: '', want: ['header hook'], by: 'chosen' },
  ])('$name', ({ served, want, by }) => {
    const { handler, calls } = setUp({ pool: [other] });
    const [one, response] = [sent(), answer(JSON_TYPE)];
    response.servedEndpoint = served;
    handler.headers(one, response);
    expect(calls).toEqual(want);
    expect(one.endpoint?.name).toBe(by);
  });

  test.each([
    { name: 'of its own pod', address: '10.1.1.1', want: ['header hook'] },
    { name: 'of another pod', address: '10.1.1.2', want: ['moved r to other', 'header hook'] },
  ])('a rank $name, when ranks share a port', ({ address, want }) => {
    const { handler, calls } = setUp({ pool: [other] });
    const chosen = endpoint({ address, port: 9001 });
    const [one, response] = [sent({}, chosen), answer(JSON_TYPE)];
    one.result = { profiles: new Map(), primary: 'p', destination: `${address}:9000` };
    response.servedEndpoint = other.hostPort;
    handler.headers(one, response);
    expect(calls).toEqual(want);
  });

  test('the chosen one', () => {
    const { handler, calls } = setUp({ pool: [other] });
    const [one, response] = [sent({}, other), answer(JSON_TYPE)];
    response.servedEndpoint = other.hostPort;
    handler.headers(one, response);
    expect(calls).toEqual(['header hook']);
  });
});

test('an endpoint that Envoy could not reach is reported once', () => {
  const { handler, calls } = setUp();
  const [one, response] = [sent(), answer({ 'content-type': 'text/plain' }, 503)];
  handler.headers(one, response);
  handler.chunk(one, response, Buffer.from('upstream connect error'), true);
  handler.end(one, response);
  expect(calls.filter((call) => call.startsWith('refused'))).toEqual(['refused chosen']);
});

test('a request without endpoint sees no hook, but is observed and released', () => {
  const { handler, calls } = setUp();
  const one = sent();
  one.endpoint = undefined;
  const response = answer({ 'content-type': 'text/plain' }, 503);
  handler.headers(one, response);
  handler.chunk(one, response, Buffer.from('no healthy upstream'), true);
  response.cause = 'natural';
  handler.end(one, response);
  expect(calls).toEqual(['completed undefined natural NaN 0', 'release']);
});

test('an exchange that ends before any answer is completed for its hooks', () => {
  const { handler, calls } = setUp();
  const [one, response] = [sent(), new InferenceResponse()];
  response.cause = 'client-disconnect';
  handler.end(one, response);
  expect(calls).toEqual(['complete NaN', 'completed chosen client-disconnect NaN NaN', 'release']);
});

test('a client that leaves is billed for what was seen', () => {
  const { handler } = setUp();
  const [one, response] = [sent(), answer(EVENTS_TYPE)];
  handler.headers(one, response);
  handler.chunk(one, response, Buffer.from('data: {"usage":{"prompt_tokens":4}}\n\ndata: {"usa'), false);
  response.cause = 'client-disconnect';
  handler.end(one, response);
  expect(response.usage.promptTokens).toBe(4);
});

test.each(['header hook', 'started', 'complete ', 'completed'])(
  'when "%s" throws, everything else happens',
  (fail) => {
    const { handler, calls, log } = setUp({ fail });
    const [one, response] = [sent(), answer(EVENTS_TYPE)];
    handler.headers(one, response);
    handler.chunk(one, response, Buffer.from('data: {}\n\n'), true);
    handler.end(one, response);
    expect(calls.map((call) => call.split(' ')[0])).toEqual([
      'header',
      'started',
      'complete',
      'completed',
      'release',
    ]);
    expect(log.lines).toHaveLength(1);
  },
);

test('what there is to tell at the end is asked for when usage is final, and only of who answers a request', () => {
  const { handler, calls } = setUp({ tells: true });
  const [one, response] = [sent(), answer(JSON_TYPE)];
  handler.headers(one, response);
  handler.chunk(one, response, Buffer.from('{"usage":{"prompt_tok'), false);
  handler.chunk(one, response, Buffer.from('ens":3}}'), true);
  expect(handler.finalMetadata(one, response)).toEqual([{ namespace: 'n', key: 'k', value: 3 }]);
  handler.end(one, response);
  expect(calls).toEqual([
    'header hook',
    'started',
    'asked',
    'complete 3',
    'completed chosen  3 0',
    'release',
  ]);
  one.endpoint = undefined;
  expect(handler.finalMetadata(one, response)).toEqual([]);
  expect(setUp().handler.finalMetadata(one, response)).toEqual([]);
});

test('an answer that is no JSON is read by the reader of its parser', () => {
  const { handler } = setUp();
  const [one, response] = [sent(), answer({ 'content-type': 'application/grpc' })];
  const read: string[] = [];
  one.parser = {
    ...openaiParser.create({}, context()),
    parse: () => one.body,
    createResponseReader: (_request, { usage }) => ({
      push: (chunk, isLast) => void read.push(`${chunk.toString()} ${isLast}`),
      finish: () => {
        usage.promptTokens = 9;
      },
    }),
  };
  handler.headers(one, response);
  for (const [text, isLast] of [
    ['a', false],
    ['b', true],
  ] as const) {
    const chunk = Buffer.from(text);
    expect(handler.chunk(one, response, chunk, isLast)).toBe(chunk);
  }
  handler.end(one, response);
  expect(read).toEqual(['a false', 'b true']);
  expect(response.usage.promptTokens).toBe(9);
});
