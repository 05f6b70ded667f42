import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatLabelSelector } from '../framework/label-selector.ts';
import type { Resource } from './objects.ts';
import { POOL_RESOURCES, type PoolReading, readPool, selectorPool } from './pool-spec.ts';

const [V1, V1ALPHA2] = POOL_RESOURCES;

function read(spec: unknown, resource: Resource = V1): PoolReading {
  return readPool({ metadata: { name: 'pool', namespace: 'ns' }, spec }, resource);
}

const good = {
  selector: { matchLabels: { app: 'vllm' } },
  targetPorts: [{ number: 8000 }, { number: 8001 }],
};

test('a pool of v1', () => {
  const { spec, problems } = read({ ...good, endpointPickerRef: { name: 'epp' } });
  expect(problems).toEqual([]);
  expect(formatLabelSelector(spec?.selector ?? [])).toBe('app=vllm');
  expect(spec).toMatchObject({ targetPorts: [8000, 8001], appProtocol: 'http', isDeleted: false });
  expect(read({ ...good, appProtocol: 'kubernetes.io/h2c' }).spec?.appProtocol).toBe('kubernetes.io/h2c');
});

test('a pool of v1alpha2', () => {
  const spec = { selector: { b: '', a: 'x' }, targetPortNumber: 8000, extensionRef: { name: 'epp' } };
  expect(read(spec, V1ALPHA2)).toMatchObject({
    spec: { targetPorts: [8000], appProtocol: undefined, isDeleted: false },
    problems: [],
  });
  expect(formatLabelSelector(read(spec, V1ALPHA2).spec?.selector ?? [])).toBe('a=x,b=');
});

test('a pool that is being deleted says so', () => {
  const object = { metadata: { name: 'p', deletionTimestamp: '2026-01-01T00:00:00Z' }, spec: good };
  expect(readPool(object, V1).spec?.isDeleted).toBe(true);
});

test.each<{ name: string; spec: unknown; resource?: Resource; want: readonly (string | RegExp)[] }>([
  { name: 'no spec', spec: undefined, want: [/^spec: .*expected object/] },
  { name: 'no selector', spec: { targetPorts: good.targetPorts }, want: [/^spec\.selector: /] },
  {
    name: 'no labels',
    spec: { ...good, selector: { matchLabels: {} } },
    want: ['spec.selector.matchLabels: want 1 to 64 labels, got 0'],
  },
  {
    name: 'a label that is none',
    spec: { ...good, selector: { matchLabels: { 'a b': 'x', c: '-' } } },
    want: [
      'spec.selector.matchLabels.a b: "a b" is not a label key',
      'spec.selector.matchLabels.c: "-" is not a label value',
    ],
  },
  {
    name: 'a number as label',
    spec: { ...good, selector: { matchLabels: { a: 1 } } },
    want: [/matchLabels\.a: /],
  },
  { name: 'no ports', spec: { ...good, targetPorts: [] }, want: [/^spec\.targetPorts: /] },
  {
    name: 'port 0',
    spec: { ...good, targetPorts: [{ number: 1 }, { number: 0 }] },
    want: [/^spec\.targetPorts\[1\]\.number: .*>=1/],
  },
  {
    name: 'a port twice',
    spec: { ...good, targetPorts: [{ number: 1 }, { number: 1 }] },
    want: ['spec.targetPorts: ports must differ'],
  },
  {
    name: 'nine ports',
    spec: { ...good, targetPorts: Array.from({ length: 9 }, (_, i) => ({ number: i + 1 })) },
    want: [/^spec\.targetPorts: .*8/],
  },
  { name: 'another protocol', spec: { ...good, appProtocol: 'grpc' }, want: [/^spec\.appProtocol: .*http/] },
  {
    name: 'v1 read as v1alpha2',
    spec: good,
    resource: V1ALPHA2,
    want: [/^spec\.selector\.matchLabels: /, /^spec\.targetPortNumber: /],
  },
])('a malformed pool: $name', ({ spec, resource, want }) => {
  const { problems, ...rest } = read(spec, resource);
  expect(rest.spec).toBeUndefined();
  expect(problems).toEqual(
    want.map((one): unknown => (typeof one === 'string' ? one : expect.stringMatching(one))),
  );
});

test('reading never throws, and what is read is in range', () => {
  const spec = fc.oneof(
    fc.anything(),
    fc.record({
      selector: fc.record({
        matchLabels: fc.dictionary(fc.constantFrom('a', 'b/c', '-'), fc.constantFrom('', 'v')),
      }),
      targetPorts: fc.array(fc.record({ number: fc.integer({ min: -1, max: 70_000 }) }), { maxLength: 10 }),
    }),
  );
  fc.assert(
    fc.property(spec, (any) => {
      const reading = read(any);
      expect(reading.spec === undefined).toBe(reading.problems.length > 0);
      for (const number of reading.spec?.targetPorts ?? []) {
        expect(number).toBeGreaterThanOrEqual(1);
        expect(number).toBeLessThanOrEqual(65_535);
      }
    }),
  );
});

test('the pool of flags', () => {
  expect(selectorPool('app=vllm,!canary', [8000, 8001, 8000])).toEqual({
    selector: [
      { key: 'app', operator: 'in', values: ['vllm'] },
      { key: 'canary', operator: 'absent', values: [] },
    ],
    targetPorts: [8000, 8001],
    appProtocol: undefined,
    isDeleted: false,
  });
});

test.each([
  { name: 'no port', selector: 'a', ports: [], want: '--endpoint-target-ports: got 0 ports, want 1 to 8' },
  { name: 'nine ports', selector: 'a', ports: [1, 2, 3, 4, 5, 6, 7, 8, 9], want: 'got 9 ports, want 1 to 8' },
  { name: 'port 0', selector: 'a', ports: [0], want: '--endpoint-target-ports: got 0, want 1 to 65535' },
  { name: 'a selector that is none', selector: 'a=', ports: [1], want: undefined },
  { name: 'a broken selector', selector: 'a b', ports: [1], want: 'label selector "a b": got' },
])('flags that may make no pool: $name', ({ selector, ports, want }) => {
  if (want === undefined) expect(selectorPool(selector, ports).targetPorts).toEqual(ports);
  else expect(() => selectorPool(selector, ports)).toThrow(want);
});
