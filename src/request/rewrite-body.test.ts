import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rewriteModel } from './rewrite-body.ts';

function rewritten(text: string, model: string): string | undefined {
  const slices = rewriteModel(Buffer.from(text), model);
  return slices === undefined ? undefined : Buffer.concat(slices).toString();
}

test.each([
  { name: 'replaced', text: '{"model":"a","prompt":"x"}', want: '{"model":"b","prompt":"x"}' },
  {
    name: 'white space, key order and big numbers kept',
    text: '{ "seed" : 12345678901234567890,\n "model" : "a" , "a":1.0 }',
    want: '{ "seed" : 12345678901234567890,\n "model" : "b" , "a":1.0 }',
  },
  {
    name: 'every duplicate',
    text: '{"model":"a","x":1,"model":"c"}',
    want: '{"model":"b","x":1,"model":"b"}',
  },
  {
    name: 'nested ones kept',
    text: '{"a":{"model":"a"},"model":"a"}',
    want: '{"a":{"model":"a"},"model":"b"}',
  },
  { name: 'a value of any type', text: '{"model":null}', want: '{"model":"b"}' },
  { name: 'added', text: ' {"prompt":"x"}', want: ' {"model":"b","prompt":"x"}' },
  { name: 'added to nothing', text: '{ }', want: '{"model":"b" }' },
  { name: 'after a byte order mark', text: '\ufeff{"x":1}', want: '\ufeff{"model":"b","x":1}' },
  { name: 'cut body', text: '{"model":"a","prompt":"x', want: undefined },
  { name: 'no object', text: '["model"]', want: undefined },
  { name: 'nothing', text: '', want: undefined },
])('rewriteModel: $name', ({ text, want }) => {
  expect(rewritten(text, 'b')).toBe(want);
});

test('rewriteModel escapes the name', () => {
  expect(rewritten('{"model":"a"}', 'a"\\\n日\ud800')).toBe('{"model":"a\\"\\\\\\n日\\ud800"}');
});

test('rewriteModel leaves the original bytes alone and does not copy them', () => {
  const bytes = Buffer.from('{"model":"a","prompt":"x"}');
  const before = Buffer.from(bytes);
  const slices = rewriteModel(bytes, 'another name') ?? [];
  expect(bytes).toEqual(before);
  expect(slices[0]?.buffer).toBe(bytes.buffer);
  expect(slices.at(-1)?.buffer).toBe(bytes.buffer);
});

test('the rewritten body decodes to the same but for the model', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.oneof(fc.constantFrom('model', 'messages'), fc.string()), fc.jsonValue()),
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom(0, 2, '\t'),
      (body, model, indent) => {
        const text = JSON.stringify(body, undefined, indent);
        const want: unknown = JSON.parse(JSON.stringify({ ...(JSON.parse(text) as object), model }));
        expect(JSON.parse(rewritten(text, model) ?? '')).toEqual(want);
      },
    ),
  );
});
