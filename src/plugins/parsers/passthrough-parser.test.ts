import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import { NO_BODY } from '../../framework/body.ts';
import type { Parser } from '../../framework/parser.ts';
import { Usage } from '../../framework/response.ts';
import { passthroughParser } from './passthrough-parser.ts';

const parser: Parser = passthroughParser.create({}, context());

test('it claims no path, fits any protocol and reads no response', () => {
  expect(parser.pathSuffixes).toEqual([]);
  expect(parser.protocols).toEqual([]);
  expect(parser.readsResponse).toBe(false);
});

test('whatever the bytes are, nothing is known of them', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.webPath(), (bytes, path) => {
      const parsed = parser.parse(Buffer.from(bytes), path);
      expect(parsed).toEqual(NO_BODY);
      expect(parsed).not.toBe(NO_BODY);
    }),
  );
});

test('usage stays unknown', () => {
  const usage = new Usage();
  parser.readUsage({ usage: { prompt_tokens: 1 } }, false, usage);
  expect(usage.promptTokens).toBeNaN();
});
