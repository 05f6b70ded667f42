// What understanding a request body costs beyond one JSON.parse, and what replacing the model name in it costs.
import { bench, do_not_optimize, group, type k_state, run } from 'mitata';
import type { Parser } from '../../src/framework/parser.ts';
import { openaiParser } from '../../src/plugins/parsers/openai-parser.ts';
import { ParserRegistry } from '../../src/request/path.ts';
import { rewriteModel } from '../../src/request/rewrite-body.ts';
import { context } from '../../test/support/builders.ts';

const parser: Parser = openaiParser.create({}, context());
const SENTENCE = 'The quick brown fox said "jump" and\njumped over the lazy dog. ';
const PATH = '/v1/chat/completions';

/** A conversation of 20 turns, about `size` bytes long; every tenth letter non-ASCII when `isWide`. */
function chatBody(size: number, isWide: boolean): Buffer {
  const text = (isWide ? SENTENCE.replaceAll('o', 'ö') : SENTENCE).repeat(
    Math.ceil(size / 20 / SENTENCE.length),
  );
  const messages = Array.from({ length: 20 }, (_, i) => ({
    role: i % 2 === 0 ? 'user' : 'assistant',
    content: text,
  }));
  return Buffer.from(JSON.stringify({ messages, max_tokens: 100, stream: true, model: 'a/model' }));
}

const BODIES: readonly (readonly [string, Buffer])[] = [
  ['1 kB', chatBody(1000, false)],
  ['450 kB', chatBody(450_000, false)],
  ['450 kB, not ASCII', chatBody(450_000, true)],
  ['8 MB', chatBody(8_000_000, false)],
];

for (const [name, body] of BODIES) {
  group(`chat body of ${name} (${body.length} bytes)`, () => {
    bench('JSON.parse of the text', () => do_not_optimize(JSON.parse(body.toString('utf8')))).gc('inner');
    bench('parse', () => do_not_optimize(parser.parse(body, PATH))).gc('inner');
    bench('rewriteModel', () => do_not_optimize(rewriteModel(body, 'another/model'))).gc('inner');
  });
}

group('100,000 token ids', () => {
  const ids = Array.from({ length: 100_000 }, (_, i) => (i * 7919) % 150_000);
  const body = Buffer.from(JSON.stringify({ model: 'a/model', prompt: ids }));
  bench('JSON.parse of the text', () => do_not_optimize(JSON.parse(body.toString('utf8')))).gc('inner');
  bench('parse', () => do_not_optimize(parser.parse(body, '/v1/completions'))).gc('inner');
  bench('rewriteModel', () => do_not_optimize(rewriteModel(body, 'another/model'))).gc('inner');
});

bench('find the parser of $path', function* (state: k_state) {
  const registry = new ParserRegistry([{ name: 'openai', type: 'openai', plugin: parser }], context().log);
  const path = String(state.get('path'));
  yield () => do_not_optimize(registry.resolve(path));
}).args('path', ['/v1/chat/completions', '/v1/embeddings', '/metrics']);

await run({ throw: true });
