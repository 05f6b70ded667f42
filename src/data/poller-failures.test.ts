import { describe, expect, test } from 'vitest';
import { endpoint as buildEndpoint } from '../../test/support/builders.ts';
import { gaps, setUpPoller } from '../../test/support/scripted-polls.ts';
import { PollError } from '../framework/data-source.ts';

describe('failures', () => {
  test('a poll without end is given up after a second and counted', async () => {
    const { clock, poller, source, bindings, ends } = setUpPoller();
    const one = buildEndpoint();
    source.tookMs = Number.POSITIVE_INFINITY;
    poller.start();
    poller.endpointAdded(one);
    await clock.advanceAsync(990, 10);
    expect(ends).toEqual([]);
    await clock.advanceAsync(20, 10);
    expect(ends).toEqual([`${one.name} 0 failed`]);
    expect(bindings[0]?.pollErrors.value).toBe(1);
    source.tookMs = 1;
    await clock.advanceAsync(100, 10);
    expect(ends.at(-1)).toBe(`${one.name} 0 ok`);
    poller.close();
  });

  test('a source that gives a page instead of a promise goes on being polled', async () => {
    const { clock, poller, source } = setUpPoller();
    let polls = 0;
    Reflect.set(source, 'poll', () => {
      polls += 1;
      return new Uint8Array(1);
    });
    poller.start();
    poller.endpointAdded(buildEndpoint());
    await clock.advanceAsync(2_000, 10);
    expect(polls).toBeGreaterThan(2);
    poller.close();
  });

  test('polls of a dead endpoint back off to less than a second, and it is back within one', async () => {
    const { clock, poller, source, ends } = setUpPoller();
    const one = buildEndpoint({ name: 'e' });
    source.failure = new PollError('refused', true);
    poller.start();
    poller.endpointAdded(one);
    await clock.advanceAsync(20_000, 10);
    const times = source.times(one);
    expect(times.length).toBeLessThan(40);
    const late = gaps(times).slice(-10);
    for (const gap of late) expect(gap).toBeGreaterThan(600);
    for (const gap of late) expect(gap).toBeLessThan(1_000);
    expect(new Set(late.map((gap) => Math.round(gap / 20))).size).toBeGreaterThan(1);
    expect(new Set(ends)).toEqual(new Set(['e 0 refused']));
    source.failure = undefined;
    await clock.advanceAsync(1_000, 10);
    expect(ends.at(-1)).toBe('e 0 ok');
    poller.close();
  });

  test('a source that throws instead of rejecting is contained', async () => {
    const { clock, poller, source, bindings } = setUpPoller();
    source.poll = () => {
      throw new Error('broken');
    };
    poller.start();
    poller.endpointAdded(buildEndpoint());
    await clock.advanceAsync(500, 10);
    expect(bindings[0]?.pollErrors.value).toBeGreaterThan(1);
    poller.close();
  });

  test('one warning when data becomes stale, one line when it is fresh again', async () => {
    const { clock, poller, source, log } = setUpPoller();
    const one = buildEndpoint({ name: 'e' });
    poller.start();
    poller.endpointAdded(one);
    await clock.advanceAsync(500, 10);
    source.failure = new PollError('HTTP 500, want 200', false);
    await clock.advanceAsync(1_900, 10);
    expect(log.lines).toEqual([]);
    await clock.advanceAsync(20_000, 10);
    expect(log.lines).toHaveLength(1);
    expect(log.lines[0]).toMatchObject({
      level: 'warn',
      message: 'endpoint data is stale',
      fields: { endpoint: one.id, source: 's0', reason: 'HTTP 500, want 200' },
    });
    source.failure = undefined;
    await clock.advanceAsync(5_000, 10);
    expect(log.lines.map((line) => line.message)).toEqual([
      'endpoint data is stale',
      'endpoint data is fresh again',
    ]);
    poller.close();
  });

  test('of an unreachable endpoint nothing more is said', async () => {
    const { clock, poller, source, log } = setUpPoller();
    const one = buildEndpoint();
    one.isReachable = false;
    source.failure = new PollError('refused', true);
    poller.start();
    poller.endpointAdded(one);
    await clock.advanceAsync(10_000, 10);
    expect(log.lines).toEqual([]);
    poller.close();
  });
});
