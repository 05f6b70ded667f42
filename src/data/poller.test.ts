import { describe, expect, test } from 'vitest';
import { endpoint as buildEndpoint } from '../../test/support/builders.ts';
import { gaps, setUpPoller } from '../../test/support/scripted-polls.ts';
import { PollError } from '../framework/data-source.ts';

describe('the timetable', () => {
  test('polls at once, then at the base interval in a phase of its own', async () => {
    const { clock, poller, source } = setUpPoller();
    const endpoints = Array.from({ length: 20 }, (_, i) => buildEndpoint({ name: `e${i}` }));
    poller.start();
    for (const endpoint of endpoints) poller.endpointAdded(endpoint);
    expect(source.polls).toHaveLength(20);
    await clock.advanceAsync(1_000, 1);
    const phases = new Set<number>();
    for (const endpoint of endpoints) {
      const times = source.times(endpoint);
      expect(times.length).toBeGreaterThanOrEqual(19);
      expect(times.length).toBeLessThanOrEqual(21);
      phases.add((times.at(-1) ?? 0) % 50);
      for (const gap of gaps(times.slice(1))) expect(gap).toBe(50);
    }
    expect(phases.size).toBeGreaterThan(2);
    poller.close();
  });

  test('endpoints that are there before the start are polled at the start', async () => {
    const { poller, source } = setUpPoller();
    poller.endpointAdded(buildEndpoint());
    expect(source.polls).toHaveLength(0);
    poller.start();
    expect(source.polls).toHaveLength(1);
    poller.close();
  });

  test('slows down without requests, and the first request wakes everything within one interval', async () => {
    const { clock, poller, source } = setUpPoller();
    const endpoints = Array.from({ length: 10 }, (_, i) => buildEndpoint({ name: `e${i}` }));
    poller.start();
    for (const endpoint of endpoints) poller.endpointAdded(endpoint);
    await clock.advanceAsync(8_000, 10);
    const before = source.polls.length;
    await clock.advanceAsync(4_000, 10);
    expect(source.polls.length - before).toBe(40);
    expect(poller.intervalMs).toBe(1_000);
    expect(Math.round((endpoints[0]?.scrapeIntervalMs ?? 0) / 100)).toBe(10);
    poller.noteActivity();
    const woken = source.polls.length;
    await clock.advanceAsync(70, 10);
    expect(new Set(source.polls.slice(woken).map((poll) => poll.endpoint)).size).toBe(10);
    expect(poller.intervalMs).toBe(50);
    for (const endpoint of endpoints) expect(endpoint.scrapeIntervalMs).toBeLessThanOrEqual(50);
    poller.close();
  });

  test('a source with a period of its own keeps it', async () => {
    const { clock, poller, source } = setUpPoller({ periodMs: 300 });
    const one = buildEndpoint();
    poller.start();
    poller.endpointAdded(one);
    await clock.advanceAsync(3_000, 10);
    for (const gap of gaps(source.times(one).slice(1))) expect(gap).toBe(300);
    poller.close();
  });

  test('never two polls of one endpoint by one source; a slow endpoint delays nobody', async () => {
    const { clock, poller, source } = setUpPoller();
    const slow = buildEndpoint({ name: 'slow' });
    const quick = buildEndpoint({ name: 'quick' });
    poller.start();
    source.tookMsOf.set(slow, 170);
    poller.endpointAdded(slow);
    poller.endpointAdded(quick);
    await clock.advanceAsync(4_000, 1);
    expect(source.mostAtOnce).toBe(1);
    expect(source.times(quick).length).toBeGreaterThan(75);
    for (const gap of gaps(source.times(quick).slice(1))) expect(gap).toBe(50);
    for (const gap of gaps(source.times(slow))) expect(gap).toBeGreaterThanOrEqual(170);
    expect(source.times(slow).length).toBeGreaterThan(15);
    poller.close();
  });

  test('every source of an endpoint has its own timetable', async () => {
    const { clock, poller, sources } = setUpPoller({ sources: 2 });
    const one = buildEndpoint();
    poller.start();
    const [first, second] = sources;
    if (first !== undefined) first.tookMs = Number.POSITIVE_INFINITY;
    poller.endpointAdded(one);
    await clock.advanceAsync(900, 10);
    expect(first?.polls).toHaveLength(1);
    expect(second?.polls.length).toBeGreaterThan(15);
    poller.close();
  });
});

describe('extractors', () => {
  test('get the page and the time; one that throws or finds nothing is counted, and its values grow stale', async () => {
    const seen: string[] = [];
    let mode = 'ok';
    const { clock, poller, bindings, log, ends } = setUpPoller({
      extract: (bytes, endpoint, nowMs) => {
        seen.push(`${Buffer.from(bytes).toString()} ${endpoint.name} ${nowMs - 1_000_000}`);
        if (mode === 'throw') throw new Error('no metrics page');
        return mode === 'ok';
      },
    });
    poller.start();
    poller.endpointAdded(buildEndpoint({ name: 'e' }));
    await clock.advanceAsync(1, 1);
    expect(seen).toEqual(['page e 1']);
    mode = 'throw';
    await clock.advanceAsync(5_000, 10);
    expect(bindings[0]?.extractErrors[0]?.value).toBe(seen.length - 1);
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { reason: 'no metrics page' } }]);
    expect(new Set(ends)).toEqual(new Set(['e 0 ok']));
    mode = 'nothing';
    await clock.advanceAsync(3_000, 10);
    expect(bindings[0]?.extractErrors[0]?.value).toBe(seen.length - 1);
    expect(bindings[0]?.pollErrors.value).toBe(0);
    poller.close();
  });
});

describe('membership', () => {
  test('after an endpoint left, nothing is written to it and its connections are closed', async () => {
    let writes = 0;
    const { clock, poller, source, ends } = setUpPoller({
      extract: () => {
        writes += 1;
        return true;
      },
    });
    const one = buildEndpoint({ name: 'one' });
    const two = buildEndpoint({ name: 'two' });
    poller.start();
    source.tookMs = 30;
    poller.endpointAdded(one);
    poller.endpointAdded(two);
    await clock.advanceAsync(10, 10);
    poller.endpointRemoved(one);
    expect(source.released).toEqual([one]);
    await clock.advanceAsync(1_000, 10);
    expect(ends.filter((end) => end.startsWith('one'))).toEqual([]);
    expect(source.times(one)).toHaveLength(1);
    expect(source.times(two).length).toBeGreaterThan(10);
    expect(writes).toBe(ends.length);
    poller.close();
  });

  test('close ends everything: no timer, no poll, no late comer', async () => {
    const { clock, poller, source } = setUpPoller();
    poller.start();
    const one = buildEndpoint();
    poller.endpointAdded(one);
    poller.close();
    poller.endpointAdded(buildEndpoint());
    expect(source.released).toEqual([one]);
    const count = source.polls.length;
    await clock.advanceAsync(5_000, 100);
    expect(source.polls).toHaveLength(count);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a poll on demand', () => {
  test('starts at once, back-off or not, but not two at a time and not without pause', async () => {
    const { clock, poller, source } = setUpPoller();
    const one = buildEndpoint();
    source.failure = new PollError('refused', true);
    poller.start();
    poller.endpointAdded(one);
    expect(poller.scrapes(one)).toBe(true);
    await clock.advanceAsync(5_000, 10);
    // right behind a poll there is a long pause
    const last = source.polls.length;
    while (source.polls.length === last) await clock.advanceAsync(1, 1);
    await clock.advanceAsync(100, 10);
    const count = source.polls.length;
    poller.scrapeSoon(one);
    expect(source.polls).toHaveLength(count + 1);
    poller.scrapeSoon(one);
    expect(source.polls).toHaveLength(count + 1);
    await clock.advanceAsync(100, 1);
    expect(source.polls).toHaveLength(count + 2);
    expect(gaps(source.times(one)).at(-1)).toBeGreaterThanOrEqual(25);
    expect(source.mostAtOnce).toBe(1);
    poller.close();
  });

  test('of an endpoint that nobody polls does nothing', () => {
    const { poller, source } = setUpPoller();
    poller.start();
    const stranger = buildEndpoint();
    poller.scrapeSoon(stranger);
    expect(poller.scrapes(stranger)).toBe(false);
    expect(source.polls).toEqual([]);
    poller.close();
  });
});

describe('the first round', () => {
  test('ends when every endpoint was polled, well or not', async () => {
    const { clock, poller, source } = setUpPoller();
    poller.start();
    source.tookMs = 30;
    poller.endpointAdded(buildEndpoint());
    source.failure = new Error('no');
    poller.endpointAdded(buildEndpoint());
    let isOver = false;
    const round = poller.firstRound(500).then(() => {
      isOver = true;
    });
    await clock.advanceAsync(29, 1);
    expect(isOver).toBe(false);
    await clock.advanceAsync(2, 1);
    await round;
    poller.close();
  });

  test('ends with its time when a poll does not, and at once without endpoints', async () => {
    const { clock, poller, source } = setUpPoller();
    poller.start();
    await poller.firstRound(500);
    source.tookMs = Number.POSITIVE_INFINITY;
    const gone = buildEndpoint();
    poller.endpointAdded(gone);
    const timed = poller.firstRound(500);
    clock.advance(500);
    await timed;
    const untimed = poller.firstRound(500);
    poller.endpointRemoved(gone);
    await untimed;
    poller.close();
    expect(clock.pendingTimers).toBe(0);
  });
});
