import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context } from '../../test/support/builders.ts';
import { anyCuts, singleBytes, splitAt } from '../../test/support/chunks.ts';
import { Usage } from '../framework/response.ts';
import { openaiParser } from '../plugins/parsers/openai-parser.ts';
import { DocumentUsageReader, decodeObject } from './usage-reader.ts';

const parser = openaiParser.create({}, context());
const USAGE = '"usage":{"prompt_tokens":7,"completion_tokens":10,"total_tokens":17}';
const MIB = 1024 * 1024;

function promptTokens(chunks: readonly Buffer[], tellsEnd = false): number {
  const usage = new Usage();
  const reader = new DocumentUsageReader(parser, usage);
  const filled = chunks.filter((chunk) => chunk.length > 0);
  filled.forEach((chunk, i) => void reader.push(chunk, tellsEnd && i === filled.length - 1));
  reader.finish();
  reader.finish();
  return usage.promptTokens;
}

/** In chunks of `size` bytes. */
function inChunks(bytes: Buffer, size: number): Buffer[] {
  const cuts: number[] = [];
  for (let at = size; at < bytes.length; at += size) cuts.push(at);
  return splitAt(bytes, cuts);
}

test.each([
  { name: 'plain', text: `{${USAGE}}`, want: 7 },
  { name: 'byte order mark and white space', text: `\ufeff \n{${USAGE}}\n`, want: 7 },
  { name: 'none', text: '{"id":1}', want: Number.NaN },
  { name: 'an array', text: `[{${USAGE}}]`, want: Number.NaN },
  { name: 'cut', text: `{${USAGE},"a":`, want: Number.NaN },
  { name: 'text', text: 'no healthy upstream', want: Number.NaN },
  { name: 'nothing', text: '', want: Number.NaN },
])('usage of a document: $name', ({ text, want }) => {
  const bytes = Buffer.from(text);
  expect(promptTokens([bytes])).toBe(want);
  expect(promptTokens([bytes], true)).toBe(want);
  expect(promptTokens(singleBytes(bytes))).toBe(want);
});

const filler = (size: number) => `"text":"${'{\\"usage\\":{\\"prompt_tokens\\":1}} '.repeat(size / 32)}"`;

test.each([
  { name: '100 kB', size: 100_000 },
  { name: 'just below what is kept', size: MIB - 5000 },
  { name: '5 MiB', size: 5 * MIB },
])('usage of $name, at the end and at the beginning', ({ size }) => {
  for (const text of [`{${filler(size)},${USAGE},"x":null}`, `{${USAGE},${filler(size)}}`]) {
    const bytes = Buffer.from(text);
    for (const chunkSize of [bytes.length, 65_536, 7_777])
      expect(promptTokens(inChunks(bytes, chunkSize))).toBe(7);
  }
});

test('usage in the middle of a document too long to be kept is not known', () => {
  const text = `{${filler(3 * MIB)},${USAGE},"after":[${filler(3 * MIB).replace('"text":', '')}]}`;
  expect(promptTokens(inChunks(Buffer.from(text), 65_536))).toBeNaN();
});

test('a nested usage is not the response usage, in short and long documents', () => {
  for (const size of [100, 200_000, 2 * MIB]) {
    expect(promptTokens([Buffer.from(`{${filler(size)},"choices":[{${USAGE}}]}`)])).toBeNaN();
  }
});

test('chunks may be reused by their owner', () => {
  const usage = new Usage();
  const reader = new DocumentUsageReader(parser, usage);
  const chunk = Buffer.from(`{${USAGE}}`);
  reader.push(chunk, false);
  chunk.fill(0);
  reader.finish();
  expect(usage.promptTokens).toBe(7);
});

test('any bytes are read without a throw, the same however they are cut', () => {
  const documents = fc.oneof(
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(`{"a":${text},${USAGE}}`)),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify({ usage: value }))),
  );
  fc.assert(
    fc.property(documents, anyCuts, (bytes, cuts) => {
      expect(promptTokens(splitAt(bytes, cuts))).toEqual(promptTokens([bytes]));
      expect(promptTokens(splitAt(bytes, cuts), true)).toEqual(promptTokens([bytes]));
    }),
  );
});

/** Member names with and without escapes, one of them often twice. */
const memberName = fc.constantFrom(
  '"usage"',
  '"us\\u0061ge"',
  '"\\u0075sage"',
  '"choices"',
  '"a\\"usage"',
  '"usage\\\\"',
);
const counts = fc.oneof(
  fc.nat(1000).map((count) => JSON.stringify({ prompt_tokens: count })),
  fc.nat(1000).map((count) => `{"prompt_\\u0074okens":${count}}`),
  fc.nat(1000).map((count) => `{"usage":{"prompt_tokens":${count}}}`),
  fc.nat(1000).map((count) => `[{"usage":{"prompt_tokens":${count}}}]`),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(`${text}","usage":{"prompt_tokens":1}`)),
  fc.json(),
);
const document = fc
  .tuple(fc.array(fc.tuple(memberName, counts), { maxLength: 6 }), fc.constantFrom('', ' ', '\r\n\t'))
  .map(([members, space]) => {
    const parts = members.map(([name, value]) => `${space}${name}${space}:${space}${value}${space}`);
    return `${space}{${parts.join(',')}}${space}`;
  });

/** What decoding all of it says. */
function decodedPromptTokens(bytes: Buffer): number {
  const usage = new Usage();
  const whole = decodeObject(bytes);
  if (whole !== undefined) parser.readUsage(whole, false, usage);
  return usage.promptTokens;
}

test('a document says what decoding all of it says: escapes, duplicates, nesting', () => {
  fc.assert(
    fc.property(document, fc.boolean(), (text, tellsEnd) => {
      const bytes = Buffer.from(text);
      expect(promptTokens([bytes], tellsEnd)).toEqual(decodedPromptTokens(bytes));
    }),
    { numRuns: 1000 },
  );
});

test('a document that is cut or goes on says nothing, as decoding it does', () => {
  fc.assert(
    fc.property(document, document, fc.nat(), (text, other, at) => {
      const bytes = Buffer.from(text);
      const end = Buffer.byteLength(text.trimEnd());
      for (const variant of [bytes.subarray(0, at % end), Buffer.from(text + other)]) {
        expect(promptTokens([variant])).toBeNaN();
        expect(decodedPromptTokens(variant)).toBeNaN();
      }
    }),
    { numRuns: 500 },
  );
});

test('decodeObject: objects only', () => {
  expect(decodeObject(Buffer.from(' {"a":1} '))).toEqual({ a: 1 });
  for (const text of ['[1]', 'null', '1', '', '{', '"x"'])
    expect(decodeObject(Buffer.from(text))).toBeUndefined();
});
