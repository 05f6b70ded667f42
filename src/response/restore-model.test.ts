import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyCuts, singleBytes, splitAt } from '../../test/support/chunks.ts';
import { ModelRestorer } from './restore-model.ts';

interface Options {
  from?: string;
  to?: string;
  isEvents?: boolean;
}

function restore(chunks: readonly Buffer[], options: Options = {}): Buffer {
  const { from = 'backend', to = 'proxy', isEvents = false } = options;
  const restorer = new ModelRestorer(from, to, { isEvents });
  const forwarded = chunks.map((chunk) => restorer.push(chunk, false));
  return Buffer.concat([...forwarded, restorer.push(Buffer.alloc(0), true)]);
}

function restored(text: string, options: Options = {}): string {
  const bytes = Buffer.from(text);
  const whole = restore([bytes], options).toString();
  expect(restore(singleBytes(bytes), options).toString()).toBe(whole);
  return whole;
}

describe('a document', () => {
  test.each([
    { name: 'top level', text: '{"id":1,"model":"backend","x":2}', want: '{"id":1,"model":"proxy","x":2}' },
    {
      name: 'any spacing',
      text: '\ufeff\n{ "model" :\t"backend" }\n',
      want: '\ufeff\n{ "model" :\t"proxy" }\n',
    },
    {
      name: 'in a response',
      text: '{"response":{"a":[{}],"model":"backend"}}',
      want: '{"response":{"a":[{}],"model":"proxy"}}',
    },
    {
      name: 'in a message',
      text: '{"message":{"model":"backend"},"b":1}',
      want: '{"message":{"model":"proxy"},"b":1}',
    },
    {
      name: 'both',
      text: '{"response":{"model":"backend"},"model":"backend"}',
      want: '{"response":{"model":"proxy"},"model":"proxy"}',
    },
    {
      name: 'duplicates',
      text: '{"model":"backend","model":"backend"}',
      want: '{"model":"proxy","model":"proxy"}',
    },
    {
      name: 'escaped name and value',
      text: '{"m\\u006fdel":"back\\u0065nd"}',
      want: '{"m\\u006fdel":"proxy"}',
    },
    {
      name: 'after a long name',
      text: `{"${'x'.repeat(100)}":1,"model":"backend"}`,
      want: `{"${'x'.repeat(100)}":1,"model":"proxy"}`,
    },
    { name: 'cut after the value', text: '{"model":"backend","te', want: '{"model":"proxy","te' },
  ])('$name', ({ text, want }) => {
    expect(restored(text)).toBe(want);
  });

  test.each([
    { name: 'another model', text: '{"model":"other"}' },
    { name: 'a name that begins alike', text: '{"model":"backend-2"}' },
    { name: 'a much longer name', text: `{"model":"${'backend'.repeat(50)}"}` },
    { name: 'no string', text: '{"model":null,"x":"backend"}' },
    { name: 'deeper', text: '{"choices":[{"model":"backend"}],"x":{"model":"backend"}}' },
    { name: 'deeper in a response', text: '{"response":{"x":{"model":"backend"}}}' },
    { name: 'a list named response', text: '{"response":["model","backend",{"model":"backend"}]}' },
    { name: 'a response in a response', text: '{"x":{"response":{"model":"backend"}}}' },
    { name: 'in generated text', text: '{"text":"\\"model\\":\\"backend\\" {\\"model\\":\\"backend\\"}"}' },
    { name: 'as values', text: '{"a":"model","b":"backend"}' },
    { name: 'an array', text: '[{"model":"backend"}]' },
    { name: 'two documents', text: '{"a":1}{"model":"backend"}' },
    { name: 'no JSON', text: 'data: {"model":"backend"}' },
    { name: 'cut in the value', text: '{"model":"backend' },
    { name: 'cut in an escape', text: '{"model":"backend\\' },
    { name: 'nothing', text: '' },
  ])('unchanged: $name', ({ text }) => {
    expect(restored(text)).toBe(text);
  });

  test('names that need escapes', () => {
    expect(restored('{"model":"a\\"\\u00fc"}', { from: 'a"ü', to: 'é"\\😀' })).toBe('{"model":"é\\"\\\\😀"}');
    expect(restored('{"model":"\\ud83d\\ude00"}', { from: '😀', to: 'x' })).toBe('{"model":"x"}');
  });

  test('a chunk without a model name comes back as it is', () => {
    const restorer = new ModelRestorer('backend', 'proxy', { isEvents: false });
    for (const text of ['{"id":"x",', '"text":"abc', 'def"', ',"list":[1,2']) {
      const chunk = Buffer.from(text);
      expect(restorer.push(chunk, false)).toBe(chunk);
    }
  });

  test('only a value that may be the name is held back, and no longer than needed', () => {
    const restorer = new ModelRestorer('backend', 'proxy', { isEvents: false });
    expect(restorer.push(Buffer.from('{"a":1,"model":"back'), false).toString()).toBe('{"a":1,"model":');
    expect(restorer.push(Buffer.from('end'), false).toString()).toBe('');
    expect(restorer.push(Buffer.from('",'), false).toString()).toBe('"proxy",');
    expect(restorer.push(Buffer.from('"model":"'), false).toString()).toBe('"model":');
    expect(restorer.push(Buffer.from('x'.repeat(60)), false).toString()).toBe(`"${'x'.repeat(60)}`);
  });
});

describe('events', () => {
  test.each([
    {
      name: 'each event',
      text: 'data: {"model":"backend"}\n\ndata: {"model":"backend"}\n\ndata: [DONE]\n\n',
      want: 'data: {"model":"proxy"}\n\ndata: {"model":"proxy"}\n\ndata: [DONE]\n\n',
    },
    {
      name: 'CRLF, no space, other fields',
      text: ': hi\r\nevent: x\r\nid: 1\r\ndata:{"model":"backend"}\r\n\r\n',
      want: ': hi\r\nevent: x\r\nid: 1\r\ndata:{"model":"proxy"}\r\n\r\n',
    },
    {
      name: 'of the Responses API',
      text: 'event: a\ndata: {"response":{"model":"backend"},"type":"a"}\n\n',
      want: 'event: a\ndata: {"response":{"model":"proxy"},"type":"a"}\n\n',
    },
    {
      name: 'of the Messages API',
      text: 'data: {"message":{"model":"backend"}}\n\n',
      want: 'data: {"message":{"model":"proxy"}}\n\n',
    },
    {
      name: 'data over two lines',
      text: 'data: {"a":1,\ndata: "model":"backend"}\n\n',
      want: 'data: {"a":1,\ndata: "model":"proxy"}\n\n',
    },
    {
      name: 'documents on lines without a blank one',
      text: 'data: {"model":"backend"}\ndata: [DONE]\ndata: {"model":"backend"}',
      want: 'data: {"model":"proxy"}\ndata: [DONE]\ndata: {"model":"proxy"}',
    },
    {
      name: 'after a byte order mark',
      text: '\ufeffdata: {"model":"backend"}\n\n',
      want: '\ufeffdata: {"model":"proxy"}\n\n',
    },
    {
      name: 'after an event that is no JSON',
      text: 'data: {"a":"b\n\ndata: {"model":"backend"}\n\n',
      want: 'data: {"a":"b\n\ndata: {"model":"proxy"}\n\n',
    },
    {
      name: 'after a value that breaks off',
      text: 'data: {"model":"back\n\ndata: {"model":"backend"}\n\n',
      want: 'data: {"model":"back\n\ndata: {"model":"proxy"}\n\n',
    },
    {
      name: 'after a name that breaks off',
      text: 'data: {"mod\n\ndata\n\ndata: {"model":"backend"}\n\n',
      want: 'data: {"mod\n\ndata\n\ndata: {"model":"proxy"}\n\n',
    },
    {
      name: 'after text alone',
      text: 'data: hello\n\ndata: {"model":"backend"}\n\n',
      want: 'data: hello\n\ndata: {"model":"proxy"}\n\n',
    },
  ])('$name', ({ text, want }) => {
    expect(restored(text, { isEvents: true })).toBe(want);
  });

  test.each([
    {
      name: 'other fields',
      text: 'event: {"model":"backend"}\ndatax: {"model":"backend"}\n: {"model":"backend"}\n\n',
    },
    { name: 'deeper', text: 'data: {"choices":[{"model":"backend"}]}\n\n' },
    { name: 'in generated text', text: 'data: {"text":"{\\"model\\":\\"backend\\"}"}\n\n' },
    { name: 'no events', text: '{"model":"backend"}' },
  ])('unchanged: $name', ({ text }) => {
    expect(restored(text, { isEvents: true })).toBe(text);
  });
});

/** A JSON value in which the wanted names and the rewritten model are frequent. */
const values = fc.letrec<{ value: unknown; object: object }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('backend', 'other', 'model', '{"model":"backend"}'),
    fc.jsonValue({ maxDepth: 1 }),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(
    fc.oneof(fc.constantFrom('model', 'response', 'message'), fc.string()),
    tie('value'),
    {
      maxKeys: 5,
    },
  ),
}));

/** `document` as the restored one must decode. */
function expected(document: object): unknown {
  const plain: unknown = JSON.parse(JSON.stringify(document));
  return Object.fromEntries(
    Object.entries(plain as object).map(([key, value]: [string, unknown]) => {
      if (key === 'model') return [key, value === 'backend' ? 'proxy' : value];
      const isWrapper =
        (key === 'response' || key === 'message') && typeof value === 'object' && value !== null;
      if (!isWrapper || Array.isArray(value)) return [key, value];
      const inner = Object.entries(value).map(([name, model]: [string, unknown]) => [
        name,
        name === 'model' && model === 'backend' ? 'proxy' : model,
      ]);
      return [key, Object.fromEntries(inner)];
    }),
  );
}

test('a restored document decodes to the same but for the model, however it is cut', () => {
  fc.assert(
    fc.property(values.object, fc.constantFrom(0, 1, '\t'), anyCuts, (document, indent, cuts) => {
      const bytes = Buffer.from(JSON.stringify(document, undefined, indent));
      const whole = restore([bytes]);
      expect(JSON.stringify(JSON.parse(whole.toString()))).toBe(JSON.stringify(expected(document)));
      expect(restore(splitAt(bytes, cuts))).toEqual(whole);
    }),
  );
});

test('restored events decode to the same but for the model, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(values.object, { maxLength: 4 }),
      fc.constantFrom('\n', '\r\n'),
      fc.constantFrom('data:', 'data: ', 'event: x\ndata: '),
      anyCuts,
      (documents, feed, field, cuts) => {
        const text = documents
          .map((document) => `${field}${JSON.stringify(document)}${feed}${feed}`)
          .join('');
        const bytes = Buffer.from(text);
        const whole = restore([bytes], { isEvents: true });
        const want = documents.map(
          (document) => `${field}${JSON.stringify(expected(document))}${feed}${feed}`,
        );
        expect(whole.toString()).toBe(want.join(''));
        expect(restore(splitAt(bytes, cuts), { isEvents: true })).toEqual(whole);
      },
    ),
  );
});

test('any bytes pass without a throw or a loss, however they are cut', () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    ',',
    '\\',
    '"model"',
    '"response":{',
    'data:',
    '\n',
    'x',
  );
  const bytesOf = fc.oneof(
    fc.array(pieces).map((parts) => Buffer.from(parts.join(''))),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(bytesOf, fc.boolean(), anyCuts, (bytes, isEvents, cuts) => {
      expect(restore(splitAt(bytes, cuts), { isEvents })).toEqual(bytes);
      expect(restore([bytes], { isEvents, from: 'x' })).toEqual(
        restore(splitAt(bytes, cuts), { isEvents, from: 'x' }),
      );
    }),
  );
});
