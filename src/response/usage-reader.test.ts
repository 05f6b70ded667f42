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

function promptTokens(chunks: readonly Buffer[]): number {
  const usage = new Usage();
  const reader = new DocumentUsageReader(parser, usage);
  for (const chunk of chunks) if (chunk.length > 0) reader.push(chunk);
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
  reader.push(chunk);
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
    }),
  );
});

test('decodeObject: objects only', () => {
  expect(decodeObject(Buffer.from(' {"a":1} '))).toEqual({ a: 1 });
  for (const text of ['[1]', 'null', '1', '', '{', '"x"'])
    expect(decodeObject(Buffer.from(text))).toBeUndefined();
});
