import { describe, expect, onTestFinished, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { MemoryKubeApi } from '../../test/support/memory-kube-api.ts';
import type { ObjectKind, ObservedObject } from '../framework/hooks.ts';
import { SeededRng } from '../util/rng.ts';
import { ObjectFeed } from './object-feed.ts';
import type { KubeObject, Resource } from './objects.ts';
import { POD_RESOURCE } from './pods.ts';

const POD: ObjectKind = { group: '', version: 'v1', kind: 'Pod' };
const NODE: ObjectKind = { group: '', version: 'v1', kind: 'Node' };
const NODES: Resource = { group: '', version: 'v1', plural: 'nodes' };

function pod(name: string, phase = 'Running', namespace = 'demo'): KubeObject {
  const metadata = { name, namespace, labels: { app: 'vllm' }, managedFields: [{ manager: 'kubelet' }] };
  return { metadata, status: { phase } };
}

function phaseOf({ object }: ObservedObject): string {
  return (object['status'] as { phase: string }).phase; // as `pod` made it
}

function fixture(kind: ObjectKind, api = new MemoryKubeApi([POD_RESOURCE])) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const feed = new ObjectFeed({ api, namespace: 'demo', clock, rng: new SeededRng(1), log }, kind);
  /** What an observer hears, as words. */
  const join = (name: string, fails = false) => {
    const heard: string[] = [];
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    const hear = (word: string) => {
      heard.push(word);
      if (fails) throw new Error('broken observer');
    };
    const plugin = {
      observedKind: kind,
      objectChanged: (object: ObservedObject) => hear(`${object.name}=${phaseOf(object)}`),
      objectRemoved: (_namespace: string, gone: string) => hear(`-${gone}`),
      objectsSettled: (areFollowed: boolean) => hear(areFollowed ? 'all' : 'none'),
    };
    feed.follow({ name, type: 'test', plugin }, stop.signal);
    return { heard, stop };
  };
  const hears = (heard: readonly string[], want: readonly string[]) =>
    expect.poll(() => heard, { interval: 2 }).toEqual(want);
  return { api, clock, log, join, hears };
}

describe('pods', () => {
  test('what there is comes first, then what changes; one list and one watch for all observers', async () => {
    const { api, join, hears } = fixture(POD);
    api.put(POD_RESOURCE, pod('a'), pod('b'), pod('elsewhere', 'Running', 'other'));
    const early = join('early');
    expect(early.heard).toEqual([]);
    await hears(early.heard, ['a=Running', 'b=Running', 'all']);
    await expect.poll(() => api.openWatches, { interval: 2 }).toBe(1);
    api.put(POD_RESOURCE, pod('a', 'Failed'));
    await hears(early.heard, ['a=Running', 'b=Running', 'all', 'a=Failed']);
    api.remove(POD_RESOURCE, 'demo', 'b');
    await hears(early.heard, ['a=Running', 'b=Running', 'all', 'a=Failed', '-b']);
    const late = join('late');
    expect(late.heard).toEqual(['a=Failed', 'all']);
    expect(api.calls).toEqual(['list pods', 'watch pods']);
  });

  test('a new list tells only what is different', async () => {
    const { api, clock, join } = fixture(POD);
    api.put(POD_RESOURCE, pod('a'), pod('b'));
    const { heard } = join('one');
    await expect.poll(() => api.openWatches, { interval: 2 }).toBe(1);
    api.fail(410, POD_RESOURCE);
    api.put(POD_RESOURCE, pod('c'));
    api.remove(POD_RESOURCE, 'demo', 'a');
    api.recover();
    await expect
      .poll(
        async () => {
          await clock.advanceAsync(1_000);
          return heard;
        },
        { interval: 2 },
      )
      .toEqual(['a=Running', 'b=Running', 'all', 'c=Running', '-a']);
  });

  test('objects come without the list of who manages what', async () => {
    const { api, clock, log } = fixture(POD);
    api.put(POD_RESOURCE, pod('a'));
    const seen: ObservedObject[] = [];
    const stop = new AbortController();
    onTestFinished(() => stop.abort());
    const plugin = {
      observedKind: POD,
      objectChanged: (object: ObservedObject) => void seen.push(object),
      objectRemoved: () => {},
    };
    const services = { api, namespace: 'demo', clock, rng: new SeededRng(1), log };
    new ObjectFeed(services, POD).follow({ name: 'p', type: 't', plugin }, stop.signal);
    await expect.poll(() => seen.length, { interval: 2 }).toBe(1);
    expect(seen[0]).toMatchObject({ namespace: 'demo', name: 'a', labels: new Map([['app', 'vllm']]) });
    expect(seen[0]?.object['metadata']).not.toHaveProperty('managedFields');
  });

  test('an observer that fails is named and keeps nobody from hearing', async () => {
    const { api, join, hears, log } = fixture(POD);
    api.put(POD_RESOURCE, pod('a'));
    const broken = join('broken', true);
    const well = join('well');
    await hears(well.heard, ['a=Running', 'all']);
    expect(broken.heard).toEqual(['a=Running', 'all']);
    expect(log.lines.map(({ level, fields }) => [level, (fields as { plugin?: string }).plugin])).toEqual([
      ['error', 'broken'],
      ['error', 'broken'],
    ]);
  });

  test('who left hears nothing more; the watch ends with the last one', async () => {
    const { api, join, hears } = fixture(POD);
    const one = join('one');
    const two = join('two');
    await hears(two.heard, ['all']);
    await expect.poll(() => api.openWatches, { interval: 2 }).toBe(1);
    one.stop.abort();
    api.put(POD_RESOURCE, pod('a'));
    await hears(two.heard, ['all', 'a=Running']);
    expect(one.heard).toEqual(['all']);
    two.stop.abort();
    await expect.poll(() => api.openWatches, { interval: 2 }).toBe(0);
  });

  test('without permission nothing is told, and it is said which one is missing', async () => {
    const { api, join, log } = fixture(POD);
    api.fail(403);
    const { heard } = join('one');
    await expect
      .poll(() => log.lines.map(({ fields }) => JSON.stringify(fields)).join(), { interval: 2 })
      .toContain('list and watch pods');
    expect(heard).toEqual([]);
  });
});

describe('other kinds', () => {
  test('a kind without namespaces is followed everywhere', async () => {
    const api = new MemoryKubeApi();
    api.serveKind({ kind: 'Node', isNamespaced: false }, NODES);
    api.put(NODES, { metadata: { name: 'n1' }, status: { phase: 'Up' } });
    const { join, hears } = fixture(NODE, api);
    const { heard } = join('one');
    await hears(heard, ['n1=Up', 'all']);
    expect(api.calls.slice(0, 2)).toEqual(['find Node', 'list nodes']);
  });

  test('a kind that is missing is said once, looked for each minute, and followed when it is there', async () => {
    const { api, clock, join, log } = fixture(NODE);
    const { heard } = join('one');
    await expect.poll(() => log.lines.length, { interval: 2 }).toBe(1);
    expect(log.lines[0]).toMatchObject({ level: 'warn', fields: { kind: 'Node', plugins: ['one'] } });
    await clock.advanceAsync(80_000, 1_000);
    expect(api.calls.filter((call) => call === 'find Node').length).toBeGreaterThan(1);
    expect(log.lines).toHaveLength(1);
    api.serveKind({ kind: 'Node', isNamespaced: false }, NODES);
    await expect
      .poll(
        async () => {
          await clock.advanceAsync(80_000, 1_000);
          return heard;
        },
        { interval: 2 },
      )
      .toEqual(['all']);
  });

  test('a server that cannot say which kinds it has is asked again', async () => {
    const { api, clock, join, log } = fixture(NODE);
    api.serveKind({ kind: 'Node', isNamespaced: false }, NODES);
    api.failDiscovery(500);
    const { heard } = join('one');
    await expect.poll(() => api.calls.length, { interval: 2 }).toBeGreaterThan(0);
    api.recover();
    await expect
      .poll(
        async () => {
          await clock.advanceAsync(5_000, 500);
          return heard;
        },
        { interval: 2 },
      )
      .toEqual(['all']);
    expect(log.lines.map(({ message }) => message)).toContain('Kubernetes says again which kinds it has');
  });
});
