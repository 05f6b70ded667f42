import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint } from '../../../test/support/builders.ts';
import { SERVED_MODELS } from '../attributes/models.ts';
import { modelsDataExtractor } from './models-data-extractor.ts';

const EMPTY = { object: '', created: 0, ownedBy: '', parent: '' };

function reader() {
  const subject = modelsDataExtractor.create({}, context());
  const target = endpoint();
  return {
    read: (page: string | Buffer) => subject.extract(Buffer.from(page), target, 0),
    models: () => target.attributes.get(SERVED_MODELS),
  };
}

test.each([
  {
    name: 'a model and an adapter of it',
    page: '{"object":"list","data":[{"id":"m","object":"model","created":7,"owned_by":"vllm","parent":null,"max_model_len":9},{"id":"a","parent":"m"}]}',
    want: [
      { ...EMPTY, id: 'm', object: 'model', created: 7, ownedBy: 'vllm' },
      { ...EMPTY, id: 'a', parent: 'm' },
    ],
  },
  { name: 'no models', page: '{"data":[]}', want: [] },
  { name: 'null for none', page: '{"data":null}', want: [] },
  { name: 'no list', page: '{}', want: [] },
])('models-data-extractor: $name', ({ page, want }) => {
  const one = reader();
  expect(one.read(page)).toBe(true);
  expect(one.models()).toEqual(want);
});

test('models-data-extractor: what vLLM answers', () => {
  const one = reader();
  one.read(readFileSync('test/fixtures/vllm-0.32.0/models.json'));
  expect(one.models()?.map(({ id, object, ownedBy }) => ({ id, object, ownedBy }))).toContainEqual(
    expect.objectContaining({ object: 'model', ownedBy: 'vllm' }),
  );
});

test('models-data-extractor: the same answer again changes nothing, another one everything', () => {
  const one = reader();
  one.read('{"data":[{"id":"a"}]}');
  const before = one.models();
  one.read('{"data":[{"id":"a"}]}');
  expect(one.models()).toBe(before);
  one.read('{"data":[{"id":"b"}]}');
  expect(one.models()).toEqual([{ ...EMPTY, id: 'b' }]);
});

test.each([
  { name: 'HTML', page: '<html></html>' },
  { name: 'a list', page: '[]' },
  { name: 'a model without name', page: '{"data":[{"object":"model"}]}' },
  { name: 'a number for a name', page: '{"data":[{"id":1}]}' },
])('models-data-extractor: $name is an error, what was known stays', ({ page }) => {
  const one = reader();
  one.read('{"data":[{"id":"a"}]}');
  expect(() => one.read(page)).toThrow(SyntaxError);
  expect(one.models()).toEqual([{ ...EMPTY, id: 'a' }]);
});

test('models-data-extractor: any bytes give a list or an error', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (page) => {
      const one = reader();
      try {
        one.read(page);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
        expect(one.models()).toBeUndefined();
        return;
      }
      expect(Array.isArray(one.models())).toBe(true);
    }),
  );
});
