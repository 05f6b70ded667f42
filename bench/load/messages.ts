import { BODY_SEND_MODE, encodeRequest, type HttpHeaders } from '../../src/extproc/codec.ts';
import { framed } from './grpc-connection.ts';

/** What one kind of request looks like. */
export interface WorkloadShape {
  /** Size of the JSON body in bytes. */
  readonly promptBytes: number;
  /** Pieces in which the proxy sends the request body. */
  readonly bodyChunkBytes: number;
  /** Chunks of the response body; 1 is a JSON answer, more are a stream of events. */
  readonly responseChunks: number;
  /** Requests of a conversation, each with the previous one's prompt as its beginning; 1 for unrelated ones. */
  readonly turns: number;
}

/** One request and its answer as framed messages; the bytes are reused for each request. */
export interface PreparedExchange {
  /** Headers and body. */
  readonly request: Buffer;
  readonly requestBodyBytes: number;
  /** Response headers, then every chunk. */
  readonly responseHead: Buffer;
  readonly responseChunks: readonly Buffer[];
  readonly responseBodyBytes: number;
  /** Position of `ID_BYTES` digits in `request` that make its prompt unlike any other. */
  readonly idAt: number;
}

/** Length of the number that tells prompts apart. */
export const ID_BYTES = 16;
const ID_MARK = '#'.repeat(ID_BYTES);

const MODEL = 'meta-llama/Llama-3.1-8B-Instruct';
const WORDS =
  'the a model server holds prefix blocks of each prompt and answers token by token while others wait for their turn'.split(
    ' ',
  );

/** One exchange per turn of a conversation. */
export function prepare(shape: WorkloadShape): readonly PreparedExchange[] {
  return Array.from({ length: shape.turns }, (_, turn) => prepareTurn(shape, turn + 1));
}

function prepareTurn(shape: WorkloadShape, turn: number): PreparedExchange {
  const isStream = shape.responseChunks > 1;
  const body = requestBody(shape.promptBytes, turn, isStream);
  const messages = [
    encodeRequest({ requestHeaders: requestHeaders(body.length), protocolConfig: FULL_DUPLEX }),
  ];
  for (let at = 0; at < body.length; at += shape.bodyChunkBytes) {
    const endOfStream = at + shape.bodyChunkBytes >= body.length;
    messages.push(
      encodeRequest({ requestBody: { body: body.subarray(at, at + shape.bodyChunkBytes), endOfStream } }),
    );
  }
  const request = Buffer.concat(messages.map(framed));
  const chunks = isStream ? streamChunks(shape.responseChunks) : [Buffer.from(JSON.stringify(answer()))];
  return {
    request,
    requestBodyBytes: body.length,
    idAt: request.indexOf(ID_MARK),
    responseHead: framed(encodeRequest({ responseHeaders: responseHeaders(isStream) })),
    responseChunks: responseMessages(chunks, isStream),
    responseBodyBytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
  };
}

const FULL_DUPLEX = {
  requestBodyMode: BODY_SEND_MODE.FULL_DUPLEX_STREAMED,
  responseBodyMode: BODY_SEND_MODE.FULL_DUPLEX_STREAMED,
};

/** An event stream ends with an empty chunk of its own, a JSON answer with its only chunk. */
function responseMessages(chunks: readonly Buffer[], isStream: boolean): readonly Buffer[] {
  const messages = chunks.map((body, i) =>
    framed(encodeRequest({ responseBody: { body, endOfStream: !isStream && i === chunks.length - 1 } })),
  );
  if (isStream) messages.push(framed(encodeRequest({ responseBody: { endOfStream: true } })));
  return messages;
}

function requestBody(promptBytes: number, turn: number, isStream: boolean): Buffer {
  const shell = (text: string) =>
    JSON.stringify({
      model: MODEL,
      stream: isStream,
      ...(isStream ? { stream_options: { include_usage: true } } : {}),
      max_tokens: 128,
      messages: [{ role: 'user', content: text }],
    });
  const overhead = shell(ID_MARK).length;
  return Buffer.from(shell(ID_MARK + words(Math.max(0, promptBytes * turn - overhead))));
}

/** Text of exactly `length` characters; a longer one begins with every shorter one. */
function words(length: number): string {
  const parts: string[] = [];
  let state = 12_345;
  for (let size = 0; size < length; ) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    const word = ` ${WORDS[state % WORDS.length] ?? ''}`;
    parts.push(word);
    size += word.length;
  }
  return parts.join('').slice(0, length);
}

function requestHeaders(bodyBytes: number): HttpHeaders {
  return headers([
    [':authority', 'llm.example.com'],
    [':path', '/v1/chat/completions'],
    [':method', 'POST'],
    [':scheme', 'https'],
    ['content-type', 'application/json'],
    ['content-length', String(bodyBytes)],
    ['accept', '*/*'],
    ['accept-encoding', 'gzip, deflate'],
    ['user-agent', 'OpenAI/Python 2.8.1'],
    ['authorization', `Bearer ${'x'.repeat(48)}`],
    ['x-stainless-lang', 'python'],
    ['x-stainless-retry-count', '0'],
    ['x-forwarded-for', '10.1.2.3'],
    ['x-forwarded-proto', 'https'],
    ['x-request-id', '3c2f9a52-0b7e-4f55-9d2c-6a1b8f0e7d44'],
  ]);
}

function responseHeaders(isStream: boolean): HttpHeaders {
  return headers([
    [':status', '200'],
    ['date', 'Sat, 01 Aug 2026 12:00:00 GMT'],
    ['server', 'uvicorn'],
    ['content-type', isStream ? 'text/event-stream; charset=utf-8' : 'application/json'],
    ['x-envoy-upstream-service-time', '12'],
  ]);
}

function headers(entries: readonly (readonly [string, string])[]): HttpHeaders {
  return { headers: { headers: entries.map(([key, value]) => ({ key, rawValue: Buffer.from(value) })) } };
}

const USAGE = { prompt_tokens: 250, total_tokens: 378, completion_tokens: 128 };

function answer(): object {
  return {
    id: 'chatcmpl-8f14e45fceea167a5a36dedd4bea2543',
    object: 'chat.completion',
    created: 1_785_585_600,
    model: MODEL,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: words(600), refusal: null, tool_calls: [] },
        logprobs: null,
        finish_reason: 'stop',
        stop_reason: null,
      },
    ],
    usage: USAGE,
  };
}

/** Events as vLLM sends them: one token each, usage with the last. */
function streamChunks(count: number): readonly Buffer[] {
  const chunk = (choices: readonly object[], more: object) => ({
    id: 'chatcmpl-8f14e45fceea167a5a36dedd4bea2543',
    object: 'chat.completion.chunk',
    created: 1_785_585_600,
    model: MODEL,
    choices,
    ...more,
  });
  return Array.from({ length: count }, (_, i) => {
    const delta = { content: ` ${WORDS[i % WORDS.length] ?? ''}` };
    const choice = { index: 0, delta, logprobs: null, finish_reason: null, token_ids: null };
    if (i < count - 1) return Buffer.from(`data: ${JSON.stringify(chunk([choice], {}))}\n\n`);
    return Buffer.from(`data: ${JSON.stringify(chunk([], { usage: USAGE }))}\n\ndata: [DONE]\n\n`);
  });
}
