import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Headers } from '../framework/headers.ts';
import type { ProcessingRequest, Struct } from './codec.ts';
import { readPoolHints } from './pool-hint.ts';

function struct(values: Readonly<Record<string, string>>): Struct {
  return {
    fields: Object.fromEntries(
      Object.entries(values).map(([name, stringValue]) => [name, { stringValue }] as const),
    ),
  };
}

function headersOf(values: Readonly<Record<string, string>>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(values)) headers.receive(name, value);
  return headers;
}

const METADATA = { metadataContext: { filterMetadata: { 'llm-d.ai': struct({ 'inference-pool': ' a ' }) } } };
const ATTRIBUTES = {
  attributes: { 'envoy.filters.http.ext_proc': struct({ 'xds.cluster_name': 'b', 'xds.route_name': 'r' }) },
};

test.each<{ name: string; message: ProcessingRequest; header?: string; want: readonly string[] }>([
  { name: 'nothing', message: {}, want: [] },
  { name: 'metadata', message: METADATA, want: ['metadata llm-d.ai/inference-pool a'] },
  {
    name: 'attributes in their order',
    message: ATTRIBUTES,
    want: ['attribute xds.cluster_name b', 'attribute xds.route_name r'],
  },
  {
    name: 'all, the strongest first',
    message: { ...ATTRIBUTES, ...METADATA },
    header: 'x-pool',
    want: [
      'metadata llm-d.ai/inference-pool a',
      'attribute xds.cluster_name b',
      'attribute xds.route_name r',
      'header x-pool c',
    ],
  },
  {
    name: 'what is no text, and what is empty, is nothing',
    message: {
      metadataContext: {
        filterMetadata: { 'llm-d.ai': { fields: { 'inference-pool': { numberValue: 1 } } } },
      },
      attributes: { f: { fields: { a: { boolValue: true }, b: { stringValue: ' ' } } }, g: {} },
    },
    want: [],
  },
])('hints: $name', ({ message, header = '', want }) => {
  const hints = readPoolHints(message, headersOf({ 'x-pool': 'c' }), { header });
  expect(hints.map((hint) => `${hint.from} ${hint.name} ${hint.value}`)).toEqual(want);
});

test('the header is read only when it was named, and then ends here', () => {
  const headers = headersOf({ 'x-pool': 'c', 'x-other': 'd' });
  expect(readPoolHints({}, headers, { header: '' })).toEqual([]);
  expect(headers.removedNames).toEqual([]);
  expect(readPoolHints({}, headers, { header: 'x-pool' })).toHaveLength(1);
  expect(headers.removedNames).toEqual(['x-pool']);
});

test('names of the peer reach no prototype, and a flood is cut', () => {
  const name = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'toString'));
  fc.assert(
    fc.property(fc.array(fc.tuple(name, name, fc.string()), { maxLength: 100 }), (entries) => {
      const attributes: Record<string, Struct> = {};
      for (const [filter, key, value] of entries) attributes[`f${filter}`] = struct({ [`k${key}`]: value });
      const hints = readPoolHints({ attributes }, new Headers(), { header: '' });
      expect(hints.length).toBeLessThanOrEqual(32);
      for (const { from, value } of hints) expect([from, value.trim() === '']).toEqual(['attribute', false]);
    }),
  );
});
