import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { metadata } from '../../test/support/extproc-client.ts';
import type { Metadata, Value } from './codec.ts';
import { destinationMetadata, mergeSubset, servedEndpoint, subsetHint } from './metadata.ts';

const NAMESPACE = 'envoy.lb.subset_hint';
const KEY = 'x-gateway-destination-endpoint-subset';

function hint(value: Value): Metadata {
  return { filterMetadata: { [NAMESPACE]: { fields: { [KEY]: value } } } };
}

describe('subset hint', () => {
  test.each<{ name: string; from: Metadata | undefined; want: readonly string[] | undefined }>([
    { name: 'no metadata', from: undefined, want: undefined },
    { name: 'no namespace', from: { filterMetadata: { other: {} } }, want: undefined },
    { name: 'no key', from: { filterMetadata: { [NAMESPACE]: {} } }, want: undefined },
    { name: 'empty list', from: hint({ listValue: {} }), want: [] },
    {
      name: 'list',
      from: metadata(NAMESPACE, KEY, ['10.0.0.1:80', '10.0.0.2']),
      want: ['10.0.0.1:80', '10.0.0.2'],
    },
    {
      name: 'items with commas',
      from: metadata(NAMESPACE, KEY, ['a:1, b:2', 'c']),
      want: ['a:1', 'b:2', 'c'],
    },
    { name: 'a string', from: metadata(NAMESPACE, KEY, ' a:1 ,, b:2 '), want: ['a:1', 'b:2'] },
    { name: 'an empty string', from: metadata(NAMESPACE, KEY, ''), want: [] },
    {
      name: 'IPv6',
      from: metadata(NAMESPACE, KEY, ['[fd00::1]:80', 'fd00::2']),
      want: ['[fd00::1]:80', 'fd00::2'],
    },
    {
      name: 'only items that are no strings',
      from: hint({ listValue: { values: [{ numberValue: 1 }, { boolValue: true }] } }),
      want: [],
    },
    { name: 'neither list nor string', from: hint({ numberValue: 5 }), want: undefined },
    {
      name: 'the later name',
      from: metadata(NAMESPACE, 'x-llm-d-router-destination-endpoint-subset', ['a']),
      want: ['a'],
    },
  ])('$name', ({ from, want }) => {
    expect(subsetHint(from)).toEqual(want);
  });

  test('any text gives trimmed items without commas', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (items) => {
        for (const item of subsetHint(metadata(NAMESPACE, KEY, items)) ?? []) {
          expect(item).toBe(item.trim());
          expect(item).not.toBe('');
          expect(item).not.toContain(',');
        }
      }),
    );
  });
});

test.each([
  { known: undefined, next: undefined, want: undefined },
  { known: ['a'], next: undefined, want: ['a'] },
  { known: undefined, next: [], want: [] },
  { known: ['a'], next: [], want: ['a'] },
  { known: ['a'], next: ['b'], want: ['b'] },
  { known: [], next: ['b'], want: ['b'] },
])('$known then $next is $want', ({ known, next, want }) => {
  const message = next === undefined ? undefined : metadata(NAMESPACE, KEY, next);
  expect(mergeSubset(known, message)).toEqual(want);
});

test.each<{ from: Metadata | undefined; want: string }>([
  { from: undefined, want: '' },
  { from: metadata('envoy.lb', 'x-gateway-destination-endpoint-served', '10.0.0.1:80'), want: '10.0.0.1:80' },
  { from: metadata('envoy.lb', 'x-gateway-destination-endpoint-served', ['10.0.0.1:80']), want: '' },
  { from: metadata('envoy.lb', 'x-llm-d-router-destination-endpoint-served', 'e'), want: 'e' },
])('served endpoint is "$want"', ({ from, want }) => {
  expect(servedEndpoint(from)).toBe(want);
});

test('no scores, no scores key', () => {
  const fields = destinationMetadata('e', new Map()).fields?.['envoy.lb']?.structValue?.fields;
  expect(Object.keys(fields ?? {})).toEqual(['x-gateway-destination-endpoint']);
});
