// What following a response costs per chunk: reading usage, and restoring the model name.
import { readFileSync } from 'node:fs';
import { bench, do_not_optimize, group, run } from 'mitata';
import type { Parser } from '../../src/framework/parser.ts';
import { Usage } from '../../src/framework/response.ts';
import { openaiParser } from '../../src/plugins/parsers/openai-parser.ts';
import { ModelRestorer } from '../../src/response/restore-model.ts';
import { EventUsageReader } from '../../src/response/sse.ts';
import { DocumentUsageReader } from '../../src/response/usage-reader.ts';
import { context } from '../../test/support/builders.ts';

const parser: Parser = openaiParser.create({}, context());

function fixture(name: string): Buffer {
  return readFileSync(new URL(`../../test/fixtures/vllm-0.32.0/${name}`, import.meta.url));
}

/** One buffer per event. */
function events(name: string): Buffer[] {
  return fixture(name)
    .toString('utf8')
    .split(/(?<=\n\n)/)
    .map((text) => Buffer.from(text));
}

for (const name of ['chat-stream-usage.sse', 'chat-stream-continuous-usage.sse']) {
  const chunks = events(name);
  const halves = chunks.flatMap((chunk) => [chunk.subarray(0, 100), chunk.subarray(100)]);
  group(`${name}, ${chunks.length} events`, () => {
    bench('usage', () => do_not_optimize(readEvents(chunks)));
    bench('usage, each event in two chunks', () => do_not_optimize(readEvents(halves)));
    bench('restore', () => do_not_optimize(restore(chunks, true)));
  });
}

group('JSON documents', () => {
  const chat = [fixture('chat.json')];
  const floats = Array.from({ length: 100_000 }, (_, i) => Math.sin(i));
  const text = JSON.stringify({ model: 'tiny', data: floats, usage: { prompt_tokens: 5, total_tokens: 5 } });
  const long: Buffer[] = [];
  for (let at = 0; at < text.length; at += 16_384) long.push(Buffer.from(text.slice(at, at + 16_384)));
  bench('usage of chat.json', () => do_not_optimize(readDocument(chat)));
  bench('restore chat.json', () => do_not_optimize(restore(chat, false)));
  bench(`usage of ${text.length} bytes of embeddings`, () => do_not_optimize(readDocument(long)));
  bench(`restore ${text.length} bytes of embeddings`, () => do_not_optimize(restore(long, false)));
});

function readEvents(chunks: readonly Buffer[]): Usage {
  const usage = new Usage();
  const reader = new EventUsageReader(parser, usage);
  for (const chunk of chunks) reader.push(chunk);
  reader.finish();
  return usage;
}

function readDocument(chunks: readonly Buffer[]): Usage {
  const usage = new Usage();
  const reader = new DocumentUsageReader(parser, usage);
  for (const chunk of chunks) reader.push(chunk, chunk === chunks.at(-1));
  reader.finish();
  return usage;
}

function restore(chunks: readonly Buffer[], isEvents: boolean): number {
  const restorer = new ModelRestorer('tiny', 'public/name', { isEvents });
  let sizeBytes = 0;
  for (const chunk of chunks) sizeBytes += restorer.push(chunk, false).length;
  return sizeBytes;
}

await run({ throw: true });
