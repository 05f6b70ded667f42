import { describe, expect, test } from 'vitest';
import { endpoint, RecordingLog } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { Reachability } from './reachability.ts';

function setUp(options: { isScraped?: boolean; updatedAtMs?: number } = {}) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const asked: Endpoint[] = [];
  const subject = new Reachability(clock, log, {
    scrapes: () => options.isScraped ?? true,
    scrapeSoon: (one) => void asked.push(one),
  });
  const one = endpoint({ updatedAtMs: options.updatedAtMs ?? clock.nowMs() });
  return { clock, log, asked, subject, one };
}

describe('a refused scrape', () => {
  test('marks at once; a good scrape that started later takes it back', () => {
    const { clock, log, subject, one } = setUp();
    subject.pollFailed(one, 0, true);
    expect(one.isReachable).toBe(false);
    clock.advance(50);
    subject.pollSucceeded(one, 0, clock.nowMs() - 10);
    expect(one.isReachable).toBe(true);
    expect(log.lines.map((line) => [line.level, line.message])).toEqual([
      ['warn', 'endpoint refuses connections'],
      ['info', 'endpoint is reachable again'],
    ]);
    expect(log.lines[1]?.fields).toMatchObject({ afterMs: 50 });
  });

  test('a scrape that started before the mark takes nothing back', () => {
    const { clock, subject, one } = setUp();
    const startedAtMs = clock.nowMs();
    clock.advance(5);
    subject.pollFailed(one, 0, true);
    subject.pollSucceeded(one, 0, startedAtMs);
    expect(one.isReachable).toBe(false);
  });

  test('only the source that was refused takes it back', () => {
    const { clock, subject, one } = setUp();
    subject.pollFailed(one, 0, true);
    clock.advance(5);
    subject.pollSucceeded(one, 1, clock.nowMs());
    expect(one.isReachable).toBe(false);
    subject.pollSucceeded(one, 0, clock.nowMs());
    expect(one.isReachable).toBe(true);
  });

  test('is logged once, however often it repeats, and a flapping server once in ten seconds', () => {
    const { clock, log, subject, one } = setUp();
    for (let i = 0; i < 50; i += 1) subject.pollFailed(one, 0, true);
    expect(log.lines).toHaveLength(1);
    for (let i = 0; i < 50; i += 1) {
      clock.advance(50);
      subject.pollSucceeded(one, 0, clock.nowMs());
      expect(one.isReachable).toBe(true);
      subject.pollFailed(one, 0, true);
      expect(one.isReachable).toBe(false);
    }
    expect(log.lines).toHaveLength(2);
    clock.advance(10_000);
    subject.pollSucceeded(one, 0, clock.nowMs());
    subject.pollFailed(one, 0, true);
    expect(log.lines).toHaveLength(3);
  });
});

test('another failure says nothing about reachability', () => {
  const { log, subject, one } = setUp();
  subject.pollFailed(one, 0, false);
  expect(one.isReachable).toBe(true);
  expect(log.lines).toEqual([]);
});

describe('a refused request', () => {
  test('marks and asks for a scrape, whose success takes it back', () => {
    const { subject, asked, clock, one } = setUp();
    subject.reportRefused(one);
    expect(one.isReachable).toBe(false);
    expect(asked).toEqual([one]);
    subject.pollSucceeded(one, 0, clock.nowMs());
    expect(one.isReachable).toBe(true);
  });

  test('marks nothing where no scrape could take it back', () => {
    const { subject, asked, one } = setUp({ isScraped: false });
    subject.reportRefused(one);
    expect(one.isReachable).toBe(true);
    expect(asked).toEqual([]);
  });

  test.each([
    { name: 'scrapes never worked', updatedAtMs: Number.NEGATIVE_INFINITY, lapseMs: 1_000 },
    { name: 'scrapes worked before', updatedAtMs: undefined, lapseMs: 30_000 },
  ])('where $name, the mark lapses with failed scrapes', ({ updatedAtMs, lapseMs }) => {
    const { subject, clock, one } = setUp(updatedAtMs === undefined ? {} : { updatedAtMs });
    subject.reportRefused(one);
    clock.advance(lapseMs - 1);
    subject.pollFailed(one, 0, false);
    expect(one.isReachable).toBe(false);
    clock.advance(1);
    subject.pollFailed(one, 0, false);
    expect(one.isReachable).toBe(true);
  });
});

test('an endpoint that left is forgotten', () => {
  const { subject, clock, log, one } = setUp();
  subject.pollFailed(one, 0, true);
  subject.endpointRemoved(one);
  subject.pollSucceeded(one, 0, clock.nowMs());
  expect(log.lines).toHaveLength(1);
  expect(one.isReachable).toBe(false);
});
