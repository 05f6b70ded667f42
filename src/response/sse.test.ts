import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context } from '../../test/support/builders.ts';
import { anyCuts, singleBytes, splitAt } from '../../test/support/chunks.ts';
import type { JsonObject } from '../framework/body.ts';
import type { Parser } from '../framework/parser.ts';
import { Usage } from '../framework/response.ts';
import { anthropicParser } from '../plugins/parsers/anthropic-parser.ts';
import { openaiParser } from '../plugins/parsers/openai-parser.ts';
import { EventUsageReader } from './sse.ts';
import { decodeObject } from './usage-reader.ts';

const openai: Parser = openaiParser.create({}, context());
const anthropic: Parser = anthropicParser.create({ promptIncludesCache: false }, context());

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
    name: 'two, of which the second says all anew',
    text: `data: ${JSON.stringify(A)}\n\ndata: ${JSON.stringify(B)}\n\ndata: [DONE]\n\n`,
    want: [B],
  },
  {
    name: 'two that say different things',
    text: `data: ${JSON.stringify(A)}\n\ndata: {"usage":{"total_tokens":3}}\n\n`,
    want: [A, { usage: { total_tokens: 3 } }],
  },
  {
    name: 'two that have a type',
    text: `data: {"type":"a","usage":{}}\n\ndata: {"type":"b","usage":{}}\n\n`,
    want: [
      { type: 'a', usage: {} },
      { type: 'b', usage: {} },
    ],
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

test('usage is what decoding every event says', () => {
  const count = fc.constantFrom('0', '1', '17', '205', '1.5', '-3', '2e1', '00', 'null', '"12"', '4.0');
  const details = fc.oneof(
    fc.constant('{}'),
    count.map((text) => `{"cached_tokens":${text}}`),
  );
  const member = fc.oneof(
    fc.tuple(fc.constantFrom('prompt_tokens', 'completion_tokens', 'total_tokens', 'input_tokens'), count),
    fc.tuple(fc.constantFrom('prompt_tokens_details', 'input_tokens_details'), details),
  );
  const block = fc
    .oneof(
      { weight: 3, arbitrary: fc.constantFrom(['prompt_tokens'], ['prompt_tokens', 'completion_tokens']) },
      { weight: 1, arbitrary: fc.constant([]) },
    )
    .chain((names) =>
      fc.tuple(
        fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), count))),
        fc.array(member, { maxLength: 2 }),
      ),
    )
    .map(
      ([fixed, more]) => `{${[...fixed, ...more].map(([name, value]) => `"${name}":${value}`).join(',')}}`,
    );
  const event = fc
    .tuple(
      fc.constantFrom('', '"a":1,', '"type":"message_start",', '"b":"usage",'),
      block,
      fc.constantFrom('', ',"c":2'),
    )
    .map(([before, usage, after]) => `{${before}"usage":${usage}${after}}`);
  fc.assert(
    fc.property(fc.array(event, { maxLength: 12 }), anyCuts, (events, cuts) => {
      const stream = Buffer.from(events.map((text) => `data: ${text}\n\n`).join(''));
      for (const parser of [openai, anthropic]) {
        const want = new Usage();
        for (const text of events) {
          const document = decodeObject(Buffer.from(text));
          if (document !== undefined) parser.readUsage(document, true, want);
        }
        const got = new Usage();
        const reader = new EventUsageReader(parser, got);
        for (const chunk of splitAt(stream, cuts)) if (chunk.length > 0) reader.push(chunk);
        reader.finish();
        expect(got).toEqual(want);
      }
    }),
    { numRuns: 1000 },
  );
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
