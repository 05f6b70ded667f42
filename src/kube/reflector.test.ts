import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { eventually } from '../../test/support/eventually.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { KubeApiServer } from '../../test/support/kube-api-server.ts';
import type { Fault } from '../../test/support/kube-api-wire.ts';
import { SeededRng } from '../util/rng.ts';
import { loadKubeApi } from './client.ts';
import type { KubeObject, Resource } from './objects.ts';
import { Reflector } from './reflector.ts';

const PODS: Resource = { group: '', version: 'v1', plural: 'pods' };
const FAILING = 'warn cannot follow objects of Kubernetes, what is known of them stays';
const FORBIDDEN = 'error Kubernetes permission is missing';
const WORKING = 'info following objects of Kubernetes again';

function pod(name: string, value = ''): KubeObject {
  return { metadata: { name, namespace: 'demo' }, spec: { value } };
}

function shownValue({ spec }: KubeObject): string | undefined {
  const { value } = spec as { value: string }; // as `pod` made it
  if (value === 'broken') throw new TypeError('a broken pod');
  return value === 'hidden' ? undefined : value;
}

/** A reflector of the pods of `demo` whose value is not `hidden`; each delivery as `name=value` words. */
interface Fixture {
  readonly server: KubeApiServer;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  readonly reflector: Reflector<string>;
  readonly delivered: string[];
  readonly abort: AbortController;
  /** Thrown by the receiver when set. */
  problem: Error | undefined;
}

async function fixture(): Promise<Fixture> {
  const server = await KubeApiServer.start([PODS]);
  const clock = new FakeClock();
  const log = new RecordingLog();
  const api = await loadKubeApi({ ...server.access, clock });
  const abort = new AbortController();
  const delivered: string[] = [];
  const reflector = new Reflector<string>({
    api,
    resource: PODS,
    selection: { namespace: 'demo' },
    project: shownValue,
    changed: (items) => {
      delivered.push([...items].map(([key, value]) => `${key.replace('demo/', '')}=${value}`).join(' '));
      if (own.problem !== undefined) throw own.problem;
    },
    clock,
    rng: new SeededRng(1),
    log,
  });
  const own: Fixture = { server, clock, log, reflector, delivered, abort, problem: undefined };
  onTestFinished(async () => {
    abort.abort();
    await api[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  return own;
}

/** Runs until the reflector has listed and watches. */
async function started(): Promise<Fixture> {
  const own = await fixture();
  own.server.put(PODS, pod('a', '1'));
  await own.reflector.start(own.abort.signal);
  await eventually(() => expect(own.server.openWatches).toBe(1));
  expect(own.delivered).toEqual(['a=1']);
  return own;
}

/** Lets time pass, `stepMs` every few milliseconds, until `check` passes. */
async function passing(clock: FakeClock, check: () => void, stepMs = 50): Promise<void> {
  await eventually(() => {
    clock.advance(stepMs);
    check();
  });
}

function linesOf(log: RecordingLog): string[] {
  return log.lines.map(({ level, message }) => `${level} ${message}`);
}

test('reflector: delivers the first list, then changes once per turn, then nothing after the end', async () => {
  const own = await fixture();
  const { server, delivered, reflector, abort } = own;
  server.put(PODS, pod('a', '1'));
  server.put(PODS, pod('b', 'hidden'));
  expect(reflector.hasSynced).toBe(false);
  await reflector.start(abort.signal);
  expect(reflector.hasSynced).toBe(true);
  expect(delivered).toEqual(['a=1']);
  await eventually(() => expect(server.openWatches).toBe(1));
  server.sendRaw(
    ['c', 'd', 'e']
      .map((name) => ({
        type: 'ADDED',
        object: { ...pod(name, '2'), metadata: { name, namespace: 'demo', resourceVersion: '200' } },
      }))
      .map((event) => `${JSON.stringify(event)}\n`)
      .join(''),
  );
  await eventually(() => expect(delivered).toEqual(['a=1', 'a=1 c=2 d=2 e=2']));
  server.put(PODS, pod('b', '3'));
  await eventually(() => expect(delivered.at(-1)).toBe('a=1 c=2 d=2 e=2 b=3'));
  server.put(PODS, pod('b', 'hidden'));
  await eventually(() => expect(delivered.at(-1)).toBe('a=1 c=2 d=2 e=2'));
  const { length } = delivered;
  server.put(PODS, pod('b', 'hidden'));
  server.bookmark();
  server.remove(PODS, 'demo', 'b');
  server.remove(PODS, 'demo', 'a');
  await eventually(() => expect(delivered.at(-1)).toBe('c=2 d=2 e=2'));
  expect(delivered).toHaveLength(length + 1);
  abort.abort();
  await eventually(() => expect(server.openWatches).toBe(0));
  expect(linesOf(own.log)).toEqual([]);
  expect(own.clock.pendingTimers).toBe(0);
});

test('reflector: an end of the watch goes on from the last version, bookmarks counted, without a list', async () => {
  const own = await started();
  const { server, clock } = own;
  for (let i = 0; i < 5; i += 1) {
    server.remove(PODS, 'demo', 'elsewhere');
    server.store.put('/v1/nodes', pod(`n${i}`));
    server.bookmark();
    await passing(clock, () => expect(Number.isNaN(own.reflector.failingSinceMs)).toBe(true), 1500);
    server.endWatches();
    await eventually(() => expect(server.count('watch')).toBe(i + 2));
  }
  const watches = server.calls.filter((call) => call.verb === 'watch').map((call) => call.query);
  expect(watches.map((query) => Number(query.get('resourceVersion')))).toEqual([
    101, 102, 103, 104, 105, 106,
  ]);
  const timeouts = watches.map((query) => Number(query.get('timeoutSeconds')));
  expect(Math.min(...timeouts)).toBeGreaterThanOrEqual(240);
  expect(Math.max(...timeouts)).toBeLessThanOrEqual(300);
  expect(new Set(timeouts).size).toBeGreaterThan(2);
  expect(server.count('list')).toBe(1);
  expect(linesOf(own.log)).toEqual([]);
});

test.each(['event', 'status', 'in the middle'] as const)(
  'reflector: 410 as %s lists again at once, and what is gone vanishes with it',
  async (how) => {
    const own = await started();
    const { server, delivered } = own;
    server.put(PODS, pod('b', '1'));
    await eventually(() => expect(delivered.at(-1)).toBe('a=1 b=1'));
    if (how === 'in the middle') {
      server.expireWatches();
    } else {
      server.expiredAs = how;
      server.endWatches();
      server.remove(PODS, 'demo', 'a');
      server.put(PODS, pod('c', '1'));
      server.compact();
    }
    await eventually(() => expect(server.count('list')).toBe(2));
    const want = how === 'in the middle' ? 'a=1 b=1' : 'b=1 c=1';
    await eventually(() => expect(delivered.at(-1)).toBe(want));
    expect(delivered.filter((set) => set !== want)).toEqual([
      'a=1',
      ...(want === 'a=1 b=1' ? [] : ['a=1 b=1']),
    ]);
    await eventually(() => expect(server.openWatches).toBe(1));
    expect(linesOf(own.log)).toEqual([]);
    expect(own.reflector.failingSinceMs).toBeNaN();
  },
);

test('reflector: a server that answers each watch with 410 is not asked without pause', async () => {
  const own = await fixture();
  own.server.always('watch', { kind: 'status', status: 410 });
  await own.reflector.start(own.abort.signal);
  for (let i = 0; i < 20; i += 1) await own.clock.advanceAsync(1000, 100);
  await passing(own.clock, () => expect(own.server.count('watch')).toBeGreaterThan(6));
  expect(own.server.count('list')).toBeLessThan(14);
  expect(linesOf(own.log)).toEqual([FAILING]);
  own.server.always('watch', undefined);
  await passing(own.clock, () => expect(linesOf(own.log)).toEqual([FAILING, WORKING]), 500);
});

test.each<{ name: string; fault: Fault; lists: boolean }>([
  { name: 'an error of the server', fault: { kind: 'status', status: 500 }, lists: false },
  { name: 'too many requests', fault: { kind: 'status', status: 429 }, lists: false },
  { name: 'a reset connection', fault: { kind: 'reset' }, lists: false },
  { name: 'no answer', fault: { kind: 'hang' }, lists: false },
  { name: 'garbage', fault: { kind: 'text', text: 'nonsense\n' }, lists: true },
  { name: 'a line that is cut', fault: { kind: 'cut', text: '{"type":' }, lists: false },
  { name: 'an end at once', fault: { kind: 'text', text: '' }, lists: true },
  {
    name: 'a pod without a version',
    fault: { kind: 'text', text: '{"type":"ADDED","object":{"metadata":{}}}\n' },
    lists: true,
  },
])(
  'reflector: watches that meet $name keep the set, are logged once, and go on',
  async ({ fault, lists }) => {
    const own = await started();
    const { server, clock, delivered, log, reflector } = own;
    server.always('watch', fault);
    const failedAtMs = clock.nowMs();
    server.cutConnections();
    const step = fault.kind === 'hang' ? 2000 : 100;
    await passing(clock, () => expect(server.count('watch')).toBeGreaterThan(4), step);
    expect(new Set(delivered)).toEqual(new Set(['a=1']));
    expect(reflector.failingSinceMs).toBeGreaterThanOrEqual(failedAtMs);
    expect(linesOf(log)).toEqual([FAILING]);
    expect(log.lines[0]?.fields).toMatchObject({ resource: 'pods', namespace: 'demo' });
    server.put(PODS, pod('b', '2'));
    server.always('watch', undefined);
    await passing(clock, () => expect(delivered.at(-1)).toBe('a=1 b=2'), step);
    await passing(clock, () => expect(linesOf(log)).toEqual([FAILING, WORKING]), step);
    expect(reflector.failingSinceMs).toBeNaN();
    expect(server.count('list') > 1).toBe(lists);
  },
);

test.each<{ name: string; fault: Fault; line: string }>([
  { name: 'a missing permission', fault: { kind: 'status', status: 403 }, line: FORBIDDEN },
  { name: 'a resource that is not served', fault: { kind: 'status', status: 404 }, line: FAILING },
  { name: 'garbage', fault: { kind: 'text', text: '<html>' }, line: FAILING },
  {
    name: 'a list without a version',
    fault: { kind: 'text', text: '{"metadata":{},"items":[]}' },
    line: FAILING,
  },
  { name: 'half an answer', fault: { kind: 'cut', text: '{' }, line: FAILING },
  { name: 'no answer', fault: { kind: 'hang' }, line: FAILING },
])(
  'reflector: first lists that meet $name are tried again; start resolves when one works',
  async ({ fault, line }) => {
    const { server, clock, delivered, log, reflector, abort } = await fixture();
    server.always('list', fault);
    let isReady = false;
    void reflector.start(abort.signal).then(() => {
      isReady = true;
    });
    const step = fault.kind === 'hang' ? 2000 : 100;
    await passing(clock, () => expect(server.count('list')).toBeGreaterThan(3), step);
    expect([isReady, reflector.hasSynced]).toEqual([false, false]);
    expect(delivered).toEqual([]);
    expect(linesOf(log)).toEqual([line]);
    server.always('list', undefined);
    await passing(clock, () => expect(isReady).toBe(true), step);
    expect(delivered).toEqual(['']);
    expect(linesOf(log)).toEqual([line, WORKING]);
  },
);

test('reflector: where watching is not allowed, lists with a back-off keep the set, and it stays one failure', async () => {
  const { server, clock, delivered, log, reflector, abort } = await fixture();
  server.always('watch', { kind: 'status', status: 403 });
  await reflector.start(abort.signal);
  server.put(PODS, pod('a', '1'));
  await passing(clock, () => expect(delivered.at(-1)).toBe('a=1'));
  await passing(clock, () => expect(server.count('list')).toBeGreaterThan(4));
  expect(linesOf(log)).toEqual([FORBIDDEN]);
});

test('reflector: what the server asks to wait is waited', async () => {
  const { server, clock, reflector, abort } = await fixture();
  server.next('list', { kind: 'status', status: 429, retryAfterS: 20 });
  const ready = reflector.start(abort.signal);
  await eventually(() => expect(clock.pendingTimers).toBe(1));
  await eventually(() => expect(reflector.failingSinceMs).toBe(clock.nowMs()));
  await clock.advanceAsync(19_999, 1000);
  expect(server.count('list')).toBe(1);
  await clock.advanceAsync(1);
  await ready;
  expect(server.count('list')).toBe(2);
});

test('reflector: pages make one set; one whose rest is forgotten is listed again in one', async () => {
  const { server, delivered, reflector, abort, log } = await fixture();
  const names = Array.from({ length: 250 }, (_, i) => `p${String(i).padStart(3, '0')}`);
  for (const name of names) server.put(PODS, pod(name, '1'));
  const { promise: until, resolve } = Promise.withResolvers<void>();
  server.next('list', { kind: 'slow', until: Promise.resolve() }, { kind: 'slow', until });
  const ready = reflector.start(abort.signal);
  await eventually(() => expect(server.count('list')).toBe(2));
  server.remove(PODS, 'demo', 'p000');
  server.compact();
  resolve();
  await ready;
  expect(delivered).toEqual([
    names
      .slice(1)
      .map((name) => `${name}=1`)
      .join(' '),
  ]);
  expect(server.calls.slice(0, 3).map((call) => call.query.get('limit'))).toEqual(['100', '100', null]);
  expect(linesOf(log)).toEqual([]);
});

test('reflector: a server that is gone for a while leaves the set, and is followed from where it was', async () => {
  const own = await started();
  const { server, clock, delivered, log } = own;
  await server.suspend();
  for (let i = 0; i < 60; i += 1) await clock.advanceAsync(1000, 100);
  await eventually(() => expect(linesOf(log)).toEqual([FAILING]));
  expect(delivered).toEqual(['a=1']);
  server.put(PODS, pod('b', '2'));
  await server.resume();
  await passing(clock, () => expect(delivered.at(-1)).toBe('a=1 b=2'), 500);
  expect(server.count('list')).toBe(1);
});

test('reflector: what throws on one side is logged and does not end it', async () => {
  const own = await started();
  own.problem = new TypeError('from the receiver');
  own.server.put(PODS, pod('a', '2'));
  const line = 'error cannot take over objects of Kubernetes';
  await eventually(() => expect(linesOf(own.log)).toEqual([line]));
  own.problem = undefined;
  own.server.put(PODS, pod('a', 'broken'));
  await passing(own.clock, () => expect(linesOf(own.log)).toEqual([line, FAILING]));
  own.server.put(PODS, pod('a', '3'));
  await passing(own.clock, () => expect(own.delivered.at(-1)).toBe('a=3'));
  await passing(own.clock, () => expect(linesOf(own.log)).toEqual([line, FAILING, WORKING]), 500);
});

test('reflector: start resolves when its signal aborts before the first list', async () => {
  const { server, clock, reflector, abort } = await fixture();
  server.always('list', { kind: 'hang' });
  const ready = reflector.start(abort.signal);
  await eventually(() => expect(server.count('list')).toBe(1));
  abort.abort();
  await ready;
  expect(reflector.hasSynced).toBe(false);
  expect(clock.pendingTimers).toBe(0);
});

/** What happens to the objects or between the two sides. */
const STEP = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: fc.nat(9), value: fc.constantFrom('1', '2', 'hidden') }) },
  { weight: 3, arbitrary: fc.record({ remove: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'bookmark',
      'end',
      'cut',
      'expire',
      'compact',
      'garbage',
      'list fails',
      'watch fails',
    ),
  },
);

test('reflector: whatever happens, the set ends as what the server has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { maxLength: 30 }), async (steps) => {
      const own = await fixture();
      const { server, clock, delivered, reflector, abort } = own;
      const ready = reflector.start(abort.signal);
      for (const step of steps) {
        if (typeof step === 'object' && 'put' in step) server.put(PODS, pod(`p${step.put}`, step.value));
        else if (typeof step === 'object') server.remove(PODS, 'demo', `p${step.remove}`);
        else if (step === 'bookmark') server.bookmark();
        else if (step === 'end') server.endWatches();
        else if (step === 'cut') server.cutConnections();
        else if (step === 'expire') server.expireWatches();
        else if (step === 'compact') server.compact();
        else if (step === 'garbage') server.sendRaw('{"garbage"\n');
        else server.next(step === 'list fails' ? 'list' : 'watch', { kind: 'status', status: 503 });
        if (typeof step === 'string') await clock.advanceAsync(600, 300);
      }
      const passes = passing(clock, () => expect(reflector.hasSynced).toBe(true), 500);
      await Promise.all([passes, ready]);
      const want = server.store
        .select('/v1/pods', { namespace: 'demo' })
        .filter((object) => shownValue(object) !== undefined)
        .map((object) => `${object.metadata.name}=${shownValue(object)}`);
      const check = () =>
        expect((delivered.at(-1) ?? '').split(' ').sort()).toEqual(want.join(' ').split(' ').sort());
      await passing(clock, check, 500);
      abort.abort();
      await server.suspend();
    }),
    { numRuns: 25 },
  );
}, 60_000);
