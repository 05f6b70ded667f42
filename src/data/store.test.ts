import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { type Endpoint, type EndpointMetadata, hostPort } from '../framework/endpoint.ts';
import { endpointId } from '../framework/ids.ts';
import { EndpointStore } from './store.ts';

function metadata(name: string, more: Partial<EndpointMetadata> = {}): EndpointMetadata {
  const address = more.address ?? '10.0.0.1';
  const port = more.port ?? 8000;
  return {
    id: endpointId('default', name),
    namespace: 'default',
    name,
    address,
    port,
    nodeAddress: '',
    metricsHost: hostPort(address, port),
    labels: new Map(),
    rankIndex: 0,
    ...more,
  };
}

function store(log = new RecordingLog()): EndpointStore {
  return new EndpointStore(log);
}

describe('identity', () => {
  test('same identity and place: the same object, whatever its labels; the array says that labels changed', () => {
    const subject = store();
    subject.replaceAll([metadata('a'), metadata('b', { port: 1 })]);
    const before = subject.endpoints;
    const a = before[0];
    subject.replaceAll([metadata('a'), metadata('b', { port: 1 })]);
    expect(subject.endpoints).toBe(before);
    subject.upsert(metadata('a', { labels: new Map([['role', 'decode']]) }));
    expect(subject.endpoints).not.toBe(before);
    expect(subject.endpoints[0]).toBe(a);
    expect(a?.labels.get('role')).toBe('decode');
    expect(before).toHaveLength(2);
  });

  test.each([
    { name: 'address', more: { address: '10.0.0.2' } },
    { name: 'port', more: { port: 9000 } },
    { name: 'metrics host', more: { metricsHost: '10.0.0.1:9100' } },
    { name: 'node', more: { nodeAddress: '192.168.0.1' } },
    { name: 'rank', more: { rankIndex: 1 } },
  ])('another $name: another object without the old metrics, the old one leaves first', ({ more }) => {
    const subject = store();
    const events: string[] = [];
    subject.upsert(metadata('a'));
    const old = subject.endpoints[0];
    if (old !== undefined) old.scraped.waitingQueueSize = 9;
    subject.observe({
      endpointAdded: (endpoint) => void events.push(`+${endpoint.slot}`),
      endpointRemoved: (endpoint) => void events.push(`-${endpoint.slot}`),
    });
    subject.upsert(metadata('a', more));
    expect(events).toEqual(['+0', '-0', '+0']);
    expect(subject.endpoints).toHaveLength(1);
    expect(subject.endpoints[0]).not.toBe(old);
    expect(subject.endpoints[0]?.scraped.waitingQueueSize).toBe(0);
  });

  test('of two with one identity the last counts', () => {
    const subject = store();
    subject.replaceAll([metadata('a', { port: 1 }), metadata('a', { port: 2 })]);
    expect(subject.endpoints.map((endpoint) => endpoint.port)).toEqual([2]);
  });

  test('what was passed in may change afterwards', () => {
    const subject = store();
    const labels = new Map([['a', 'b']]);
    const objectives = new Map([['fast', 1]]);
    subject.upsert(metadata('a', { labels }));
    subject.replaceObjectives(objectives);
    labels.clear();
    objectives.clear();
    expect(subject.endpoints[0]?.labels.size).toBe(1);
    expect(subject.objective('fast')).toBe(1);
  });
});

test('lookups follow every change', () => {
  const subject = store();
  subject.replaceAll([
    metadata('a', { address: '2001:db8::1', port: 1 }),
    metadata('b', { address: '2001:db8::1', port: 2 }),
    metadata('c', { address: 'host', port: 1 }),
  ]);
  expect(subject.byHostPort('[2001:db8::1]:2')?.name).toBe('b');
  expect(subject.byAddress('2001:db8::1').map((endpoint) => endpoint.name)).toEqual(['a', 'b']);
  expect(subject.byId(endpointId('default', 'c'))?.hostPort).toBe('host:1');
  subject.remove(endpointId('default', 'b'));
  subject.remove(endpointId('default', 'nobody'));
  expect(subject.byHostPort('[2001:db8::1]:2')).toBeUndefined();
  expect(subject.byAddress('2001:db8::1').map((endpoint) => endpoint.name)).toEqual(['a']);
  subject.replaceAll([]);
  expect(subject.endpoints).toEqual([]);
  expect(subject.byAddress('host')).toEqual([]);
  expect(subject.byId(endpointId('default', 'c'))).toBeUndefined();
});

test('objectives are replaced whole', () => {
  const subject = store();
  subject.replaceObjectives(new Map([['fast', 10]]));
  subject.replaceObjectives(new Map([['slow', -1]]));
  expect(subject.objective('fast')).toBeUndefined();
  expect(subject.objective('slow')).toBe(-1);
  expect([...subject.objectives]).toEqual([['slow', -1]]);
});

describe('observers', () => {
  test('hear of an endpoint before it is listed, and of its end when it is no longer listed', () => {
    const subject = store();
    const seen: string[] = [];
    const listed = (endpoint: Endpoint) => subject.endpoints.includes(endpoint);
    subject.observe({
      endpointAdded: (endpoint) => void seen.push(`+${endpoint.name} ${listed(endpoint)}`),
      endpointRemoved: (endpoint) => void seen.push(`-${endpoint.name} ${listed(endpoint)}`),
    });
    subject.replaceAll([metadata('a'), metadata('b')]);
    subject.replaceAll([metadata('b'), metadata('c')]);
    expect(seen).toEqual(['+a false', '+b false', '-a false', '+c false']);
  });

  test('a late one is told of what is there; one that throws harms nobody', () => {
    const log = new RecordingLog();
    const subject = store(log);
    subject.upsert(metadata('a'));
    const seen: string[] = [];
    const fail = () => {
      throw new Error('broken');
    };
    subject.observe({ endpointAdded: fail, endpointRemoved: fail });
    subject.observe({
      endpointAdded: (endpoint) => void seen.push(`+${endpoint.name}`),
      endpointRemoved: (endpoint) => void seen.push(`-${endpoint.name}`),
    });
    subject.replaceAll([metadata('b')]);
    expect(seen).toEqual(['+a', '-a', '+b']);
    expect(log.lines.map((line) => line.level)).toEqual(['error', 'error', 'error']);
  });
});

test('slots of those who left are given out again, oldest first', () => {
  const subject = store();
  const slots = () => subject.endpoints.map((endpoint) => `${endpoint.name}${endpoint.slot}`);
  subject.replaceAll(['a', 'b', 'c', 'd'].map((name) => metadata(name)));
  subject.remove(endpointId('default', 'c'));
  subject.remove(endpointId('default', 'a'));
  subject.upsert(metadata('e'));
  subject.upsert(metadata('f'));
  subject.upsert(metadata('g'));
  expect(slots()).toEqual(['b1', 'd3', 'e2', 'f0', 'g4']);
});

test('observers are told of changed labels, and of nothing when they stay the same', () => {
  const subject = store();
  const seen: string[] = [];
  subject.observe({ endpointRemoved: () => {} });
  subject.observe({
    endpointChanged: ({ name, labels }) => void seen.push(`${name} ${[...labels].join()}`),
    endpointRemoved: ({ name }) => void seen.push(`-${name}`),
  });
  subject.observe({
    endpointChanged: () => {
      throw new Error('broken observer');
    },
    endpointRemoved: () => {},
  });
  const labelled = (value: string) => metadata('a', { labels: new Map([['rev', value]]) });
  subject.replaceAll([labelled('1'), metadata('b')]);
  expect(seen).toEqual([]);
  const [before] = subject.endpoints;
  subject.replaceAll([labelled('2'), metadata('b')]);
  subject.upsert(labelled('2'));
  subject.upsert(labelled('3'));
  expect(seen).toEqual(['a rev,2', 'a rev,3']);
  expect(subject.endpoints[0]).toBe(before);
});

test('whatever happens: ids and slots are unique, slots dense, observers and lookups agree with the list', () => {
  const change = fc.record({
    kind: fc.constantFrom('upsert', 'remove', 'replace'),
    names: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1, maxLength: 6 }),
    port: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const subject = store();
      const present = new Set<Endpoint>();
      let most = 0;
      subject.observe({
        endpointAdded: (endpoint) => {
          expect([...present].map((other) => other.slot)).not.toContain(endpoint.slot);
          present.add(endpoint);
          most = Math.max(most, present.size);
        },
        endpointRemoved: (endpoint) => expect(present.delete(endpoint)).toBe(true),
      });
      for (const { kind, names, port } of changes) {
        const before = subject.endpoints;
        const copy = [...before];
        if (kind === 'replace') subject.replaceAll(names.map((name) => metadata(name, { port })));
        else if (kind === 'upsert') subject.upsert(metadata(names[0] ?? '', { port }));
        else subject.remove(endpointId('default', names[0] ?? ''));
        expect(before).toEqual(copy);
        expect(new Set(subject.endpoints)).toEqual(present);
        for (const endpoint of subject.endpoints) {
          expect(endpoint.slot).toBeLessThan(most);
          expect(subject.byId(endpoint.id)).toBe(endpoint);
          expect(subject.byAddress(endpoint.address)).toContain(endpoint);
          expect(subject.byHostPort(endpoint.hostPort)?.port).toBe(endpoint.port);
        }
      }
    }),
  );
});
