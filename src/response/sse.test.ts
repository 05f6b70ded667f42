import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context } from '../../test/support/builders.ts';
import { anyCuts, singleBytes, splitAt } from '../../test/support/chunks.ts';
import type { JsonObject } from '../framework/body.ts';
import type { Parser } from '../framework/parser.ts';
import { Usage } from '../framework/response.ts';
import { openaiParser } from '../plugins/parsers/openai-parser.ts';
import { EventUsageReader } from './sse.ts';

const openai: Parser = openaiParser.create({}, context());

/** The documents that reach the parser, in order. */
function documents(chunks: readonly Buffer[]): JsonObject[] {
  const seen: JsonObject[] = [];
  const parser: Parser = {
    pathSuffixes: [],
    protocols: [],
    readsResponse: true,
    errorShape: 'openai',
    parse: (bytes, path) => openai.parse(bytes, path),
    readUsage(document, isEvent, usage) {
      expect(isEvent).toBe(true);
      seen.push(document);
      openai.readUsage(document, isEvent, usage);
    },
  };
  const reader = new EventUsageReader(parser, new Usage());
  for (const chunk of chunks) if (chunk.length > 0) reader.push(chunk);
  reader.finish();
  reader.finish();
  return seen;
}

const A = { usage: { prompt_tokens: 1 } };
const B = { usage: { prompt_tokens: 2 } };

test.each([
  { name: 'one event', text: `data: ${JSON.stringify(A)}\n\n`, want: [A] },
  {
    name: 'two',
    text: `data: ${JSON.stringify(A)}\n\ndata: ${JSON.stringify(B)}\n\ndata: [DONE]\n\n`,
    want: [A, B],
  },
  {
    name: 'no space, CRLF',
    text: `event: x\r\ndata:${JSON.stringify(A)}\r\n\r\ndata: {}\r\n\r\n`,
    want: [A],
  },
  { name: 'no end', text: `data: ${JSON.stringify(A)}`, want: [A] },
  { name: 'one line end', text: `data: ${JSON.stringify(A)}\ndata: [DONE]`, want: [A] },
  { name: 'no line end between events', text: `data: {}data: ${JSON.stringify(A)}\ndata: [DONE]`, want: [A] },
  { name: 'data over lines', text: 'data: {"usage":\ndata: {"prompt_tokens":1\ndata: }}\n\n', want: [A] },
  { name: 'after blank lines', text: `\n\n\ndata: ${JSON.stringify(A)}\n\n`, want: [A] },
  { name: 'null is passed over', text: 'data: {"usage":null}\n\ndata: {"usage": null,"a":1}\n\n', want: [] },
  { name: 'null, then more', text: `data: {"usage":null}\n\ndata: ${JSON.stringify(A)}\n\n`, want: [A] },
  {
    name: 'null beside a real one',
    text: 'data: {"usage":null,"response":{"usage":{}}}\n\n',
    want: [{ usage: null, response: { usage: {} } }],
  },
  {
    name: 'other fields',
    text: `event: usage\nid: usage\n: usage\ndata: {}\n\nxdata: ${JSON.stringify(A)}\n\n`,
    want: [],
  },
  { name: 'no JSON', text: `data: usage\n\ndata: {"usage"\n\ndata: ${JSON.stringify(A)}\n\n`, want: [A] },
  { name: 'no object', text: 'data: ["usage"]\n\ndata: "usage"\n\n', want: [] },
  { name: 'the word in text', text: 'data: {"a":"usage"}\n\n', want: [{ a: 'usage' }] },
  { name: 'nothing', text: '', want: [] },
])('events: $name', ({ text, want }) => {
  const bytes = Buffer.from(text);
  expect(documents([bytes])).toEqual(want);
  expect(documents(singleBytes(bytes))).toEqual(want);
});

test('chunks may be reused by their owner', () => {
  const usage = new Usage();
  const reader = new EventUsageReader(openai, usage);
  for (const part of splitAt(Buffer.from(`data: ${JSON.stringify(A)}\n\n`), [3, 9, 20])) {
    const chunk = Buffer.from(part);
    reader.push(chunk);
    chunk.fill(0);
  }
  reader.finish();
  expect(usage.promptTokens).toBe(1);
});

test('an event too long to be kept is passed over, the next one is read', () => {
  const long = `data: {"text":"${'x'.repeat(3 * 1024 * 1024)}","usage":{"prompt_tokens":9}}\n\n`;
  const bytes = Buffer.from(`${long}data: ${JSON.stringify(A)}\n\n`);
  for (const size of [1000, 65_536]) {
    const cuts: number[] = [];
    for (let at = size; at < bytes.length; at += size) cuts.push(at);
    expect(documents(splitAt(bytes, cuts))).toEqual([A]);
  }
});

test('a megabyte of an event in small chunks takes linear time', () => {
  const bytes = Buffer.from(`data: {"text":"${'\\n'.repeat(250_000)}","usage":{}}\n\n`);
  const cuts = Array.from({ length: bytes.length / 16 }, (_, i) => i * 16);
  expect(documents(splitAt(bytes, cuts))).toHaveLength(1);
});

test('any stream gives the same documents however it is cut', () => {
  const lines = fc.oneof(
    fc.constantFrom(
      'data: {"usage":{"a":1}}',
      'data:{"b":"usage"}',
      'data: {"usage":',
      'data: {}}',
      'event: usage',
      'data',
      '',
    ),
    fc.json().map((text) => `data: {"usage":${text}}`),
    fc.string(),
  );
  const streams = fc.oneof(
    fc
      .tuple(fc.array(fc.tuple(lines, fc.constantFrom('\n', '\n\n', '\r\n', '\r\n\r\n', ''))))
      .map(([parts]) => Buffer.from(parts.flat().join(''))),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(streams, anyCuts, (bytes, cuts) => {
      expect(documents(splitAt(bytes, cuts))).toEqual(documents([bytes]));
    }),
    { numRuns: 500 },
  );
});
