import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Headers } from '../../src/framework/headers.ts';
import type { Parser } from '../../src/framework/parser.ts';
import type { Named } from '../../src/framework/plugin.ts';
import { InferenceRequest } from '../../src/framework/request.ts';
import { InferenceResponse } from '../../src/framework/response.ts';
import { anthropicParser } from '../../src/plugins/parsers/anthropic-parser.ts';
import { openaiParser } from '../../src/plugins/parsers/openai-parser.ts';
import { passthroughParser } from '../../src/plugins/parsers/passthrough-parser.ts';
import { vllmhttpParser } from '../../src/plugins/parsers/vllmhttp-parser.ts';
import { ParserRegistry } from '../../src/request/path.ts';
import { rewriteModel } from '../../src/request/rewrite-body.ts';
import { ResponseHandler } from '../../src/response/handler.ts';
import { context, endpoint, RecordingInstruments, RecordingLog } from '../support/builders.ts';
import { anyCuts, singleBytes, splitAt } from '../support/chunks.ts';
import { FakeClock } from '../support/fake-clock.ts';

const FIXTURES = 'test/fixtures/vllm-0.32.0';
const CLIENT_MODEL = 'the "client\'s" name/ü';

const parsers: readonly Named<Parser>[] = [
  { name: 'openai', type: openaiParser.type, plugin: openaiParser.create({}, context()) },
  {
    name: 'anthropic',
    type: anthropicParser.type,
    plugin: anthropicParser.create({ promptIncludesCache: false }, context()),
  },
  { name: 'vllm', type: vllmhttpParser.type, plugin: vllmhttpParser.create({}, context()) },
  { name: 'rest', type: passthroughParser.type, plugin: passthroughParser.create({}, context()) },
];
const registry = new ParserRegistry(parsers, new RecordingLog());

const handler = new ResponseHandler({
  clock: new FakeClock(),
  log: new RecordingLog(),
  instruments: new RecordingInstruments(),
  observer: { chunkFollowed: () => {}, completed: () => {} },
  headerHooks: [],
  bodyHooks: [],
  served: () => undefined,
  moved: () => {},
  refused: () => {},
  release: () => {},
});

interface Exchange {
  readonly path: string;
  readonly body: { readonly model: string };
}

const requests = new Map(
  Object.entries(JSON.parse(readFileSync(`${FIXTURES}/requests.json`, 'utf8')) as Record<string, Exchange>),
);

/** Answers with a request on record and a path that some parser other than the fallback takes. */
const answers = globSync(`${FIXTURES}/*.head`)
  .map((file) => basename(file, '.head'))
  .filter((name) => {
    const path = requests.get(name)?.path;
    return path !== undefined && registry.resolve(path)?.type !== 'passthrough-parser';
  })
  .sort();

/** What the client gets, and what the picker learns, when the answer arrives in `chunks`. */
function exchange(name: string, cut: (body: Buffer) => readonly Buffer[], clientModel?: string) {
  const { path, body } = requests.get(name) ?? { path: '', body: { model: '' } };
  const request = new InferenceRequest(new Headers(), 0);
  request.path = path;
  request.endpoint = endpoint();
  request.parser = registry.resolve(path)?.plugin;
  request.targetModel = body.model;
  const sent = Buffer.from(JSON.stringify({ ...body, model: clientModel ?? body.model }));
  if (name !== 'error-validation.json' && request.parser !== undefined) {
    request.body = request.parser.parse(sent, path, request.headers);
  }
  const response = answerOf(name);
  handler.headers(request, response);
  const received = readFileSync(`${FIXTURES}/${name}`);
  const forwarded = cut(received).map((chunk) => handler.chunk(request, response, chunk, false));
  forwarded.push(handler.chunk(request, response, Buffer.alloc(0), true));
  handler.end(request, response);
  return { received, forwarded: Buffer.concat(forwarded), response };
}

function answerOf(name: string): InferenceResponse {
  const [status = '', ...lines] = readFileSync(`${FIXTURES}/${name}.head`, 'utf8').trim().split('\n');
  const response = new InferenceResponse();
  response.status = Number(status);
  response.headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(':');
    response.headers.receive(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return response;
}

/** Prompt, completion, total and cached tokens that vLLM reported; null where it did not. */
const WANT: Readonly<Record<string, readonly (number | null)[]>> = {
  'chat.json': [433, 5, 438, 0],
  'chat-cached.json': [433, 5, 438, 384],
  'chat-stream.sse': [null, null, null, null],
  'chat-stream-usage.sse': [433, 6, 439, 384],
  'chat-stream-continuous-usage.sse': [433, 4, 437, 384],
  'completion.json': [21, 5, 26, 0],
  'completion-batch.json': [9, 8, 17, 0],
  'completion-cache-salt.json': [81, 2, 83, 0],
  'completion-lora.json': [21, 3, 24, 0],
  'completion-stream-usage.sse': [21, 5, 26, 0],
  'completion-tokens.json': [97, 3, 100, 0],
  'embeddings-unsupported.json': [null, null, null, null],
  'error-model-not-found.json': [null, null, null, null],
  'error-too-long.json': [null, null, null, null],
  'error-validation.json': [null, null, null, null],
  'generate.json': [57, 3, 60, 0],
  'messages.json': [22, 5, 27, 0],
  'messages-stream.sse': [22, 5, 27, 0],
  'render-chat.json': [null, null, null, null],
  'render-completion.json': [null, null, null, null],
  'responses.json': [22, 5, 27, 0],
  'responses-stream.sse': [22, 5, 27, 0],
};

test('every captured answer is in the table', () => {
  expect(answers).toEqual(Object.keys(WANT).sort());
});

function counts(response: InferenceResponse): (number | null)[] {
  const { promptTokens, completionTokens, totalTokens, cachedTokens } = response.usage;
  return [promptTokens, completionTokens, totalTokens, cachedTokens].map((n) => (Number.isNaN(n) ? null : n));
}

describe.each(answers.map((name) => ({ name })))('$name', ({ name }) => {
  test('is forwarded byte for byte and counted, however it is cut', () => {
    for (const cut of [(body: Buffer) => [body], singleBytes]) {
      const { received, forwarded, response } = exchange(name, cut);
      expect(forwarded).toEqual(received);
      expect(counts(response)).toEqual(WANT[name]);
      expect(response.isStreaming).toBe(name.endsWith('.sse'));
    }
    fc.assert(
      fc.property(anyCuts, (cuts) => {
        const { received, forwarded, response } = exchange(name, (body) => splitAt(body, cuts));
        expect(forwarded).toEqual(received);
        expect(counts(response)).toEqual(WANT[name]);
      }),
      { numRuns: 30 },
    );
  });

  test('carries the client name of the model where it carried the rewritten one, and differs in nothing else', () => {
    const target = JSON.stringify(requests.get(name)?.body.model);
    const isRestored = answerOf(name).status === 200 && name !== 'render-completion.json';
    const check = (cut: (body: Buffer) => readonly Buffer[]) => {
      const { received, forwarded, response } = exchange(name, cut, CLIENT_MODEL);
      const text = received.toString();
      const want = isRestored
        ? text.replaceAll(`"model":${target}`, `"model":${JSON.stringify(CLIENT_MODEL)}`)
        : text;
      expect(forwarded.toString()).toBe(want);
      expect(counts(response)).toEqual(WANT[name]);
    };
    check((body) => [body]);
    check(singleBytes);
    fc.assert(
      fc.property(anyCuts, (cuts) => check((body) => splitAt(body, cuts))),
      { numRuns: 30 },
    );
  });

  test('answers a request whose model can be rewritten in its bytes', () => {
    const body = requests.get(name)?.body;
    const bytes = Buffer.from(JSON.stringify(body, undefined, 1));
    const rewritten = Buffer.concat(rewriteModel(bytes, CLIENT_MODEL) ?? []);
    expect(JSON.parse(rewritten.toString())).toEqual({ ...body, model: CLIENT_MODEL });
  });
});
