import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { NO_BODY } from '../framework/body.ts';
import { Headers } from '../framework/headers.ts';
import type { Parser } from '../framework/parser.ts';
import type { Named } from '../framework/plugin.ts';
import { normalizePath, ParserRegistry } from './path.ts';

function parser(type: string, pathSuffixes: readonly string[]): Named<Parser> {
  const plugin: Parser = {
    pathSuffixes,
    protocols: [],
    readsResponse: false,
    errorShape: 'openai',
    parse: () => NO_BODY,
    readUsage: () => {},
  };
  return { name: type, type, plugin };
}

const openai = parser('openai-parser', [
  'chat/completions',
  'completions',
  'responses',
  'chat/completions/render',
]);
const anthropic = parser('anthropic-parser', ['messages', 'messages/count_tokens']);
const vllm = parser('vllmhttp-parser', ['inference/v1/generate']);
const sglang = parser('sglanghttp-parser', ['generate']);
const vertex = parser('vertexai-parser', ['PredictionService/ChatCompletions']);
const engine = parser('vllmgrpc-parser', [
  'vllm.grpc.engine.VllmEngine/Generate',
  'vllm.grpc.engine.VllmEngine/Embed',
]);
const fallback = parser('passthrough-parser', []);

test.each([
  { name: 'the pseudo header', headers: { ':path': '/v1/messages' }, want: '/v1/messages' },
  { name: 'query cut', headers: { ':path': '/v1/messages?beta=true' }, want: '/v1/messages' },
  { name: 'slash and blanks trimmed', headers: { ':path': ' /v1/messages/ ' }, want: '/v1/messages' },
  { name: 'one slash only', headers: { ':path': '/v1/messages//' }, want: '/v1/messages/' },
  { name: 'slash before the query', headers: { ':path': '/v1/messages/?a=/b' }, want: '/v1/messages' },
  { name: 'root', headers: { ':path': '/' }, want: '/' },
  { name: 'original path', headers: { ':path': '', 'x-original-path': '/a' }, want: '/a' },
  { name: 'forwarded path last', headers: { 'x-forwarded-path': '/b' }, want: '/b' },
  { name: 'pseudo header first', headers: { 'x-forwarded-path': '/b', ':path': '/c' }, want: '/c' },
  { name: 'default', headers: {}, want: '/v1/completions' },
])('normalizePath: $name', ({ headers, want }) => {
  const received = new Headers();
  for (const [name, value] of Object.entries(headers)) received.receive(name, value);
  expect(normalizePath(received)).toBe(want);
});

test.each([
  { path: '/v1/chat/completions', want: 'openai-parser' },
  { path: '/v1/completions', want: 'openai-parser' },
  { path: 'completions', want: 'openai-parser' },
  { path: '/prefix/of/any/depth/v1/responses', want: 'openai-parser' },
  { path: '/v1/chat/completions/render', want: 'openai-parser' },
  { path: '/v1/messages', want: 'anthropic-parser' },
  { path: '/v1/messages/count_tokens', want: 'anthropic-parser' },
  { path: '/inference/v1/generate', want: 'vllmhttp-parser' },
  { path: '/generate', want: 'sglanghttp-parser' },
  { path: '/google.cloud.aiplatform.v1beta1.PredictionService/ChatCompletions', want: 'vertexai-parser' },
  { path: '/a/b/generate', want: 'sglanghttp-parser' },
  { path: '/vllm.grpc.engine.VllmEngine/Generate', want: 'vllmgrpc-parser' },
  { path: '/vllm.grpc.engine.VllmEngine/Embed', want: 'vllmgrpc-parser' },
  { path: '/vllm.grpc.engine.VllmEngine/Abort', want: 'passthrough-parser' },
  { path: '/my.PredictionService/Predict', want: 'passthrough-parser' },
  { path: '/x/mycompletions', want: 'passthrough-parser' },
  { path: '/regenerate', want: 'passthrough-parser' },
  { path: '/v1/completions/other', want: 'passthrough-parser' },
  { path: '/', want: 'passthrough-parser' },
  { path: '', want: 'passthrough-parser' },
])('resolve: $path → $want', ({ path, want }) => {
  const registry = new ParserRegistry(
    [sglang, openai, anthropic, vllm, vertex, engine, fallback],
    new RecordingLog(),
  );
  expect(registry.resolve(path)?.type).toBe(want);
});

test('resolve: no fallback, no parser', () => {
  expect(new ParserRegistry([openai], new RecordingLog()).resolve('/v1/messages')).toBeUndefined();
});

test('resolve: of equal suffixes the earlier parser wins; suffixes are trimmed', () => {
  const one = parser('one', [' /v1/x/ ']);
  const two = parser('two', ['v1/x']);
  expect(new ParserRegistry([one, two], new RecordingLog()).resolve('/v1/x')?.type).toBe('one');
  expect(new ParserRegistry([two, one], new RecordingLog()).resolve('/v1/x')?.type).toBe('two');
});

test('the fallback ends the list and a type counts once, each with a warning', () => {
  const log = new RecordingLog();
  const again = { ...parser('openai-parser', ['embeddings']), name: 'again' };
  const registry = new ParserRegistry([openai, again, fallback, anthropic], log);
  expect(registry.resolve('/v1/embeddings')?.type).toBe('passthrough-parser');
  expect(registry.resolve('/v1/messages')?.type).toBe('passthrough-parser');
  expect(log.lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
    'warn: second parser of a type is skipped',
    'warn: parser after the fallback is skipped',
  ]);
});

test('the longest suffix at a boundary wins, whatever the order of parsers', () => {
  const names = fc.stringMatching(/^[a-c](\/[a-c]){0,2}$/);
  fc.assert(
    fc.property(
      fc.uniqueArray(names, { minLength: 1, maxLength: 6 }),
      names,
      fc.nat(),
      (suffixes, path, turn) => {
        const parsers = suffixes.map((suffix) => parser(suffix, [suffix]));
        const turned = [...parsers.slice(turn % parsers.length), ...parsers.slice(0, turn % parsers.length)];
        const matching = suffixes.filter((suffix) => `/${path}`.endsWith(`/${suffix}`));
        const longest = matching.sort((a, b) => b.length - a.length)[0];
        expect(new ParserRegistry(turned, new RecordingLog()).resolve(`/${path}`)?.type).toBe(longest);
      },
    ),
  );
});
