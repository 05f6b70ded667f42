import { expect, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { WarnLimiter } from './warn-limiter.ts';

test('one warning per key and window, then the number of those left out', () => {
  const log = new RecordingLog();
  const clock = new FakeClock();
  const limiter = new WarnLimiter(log, clock, 1000);
  for (let i = 0; i < 5; i += 1) limiter.warn('a', { i }, 'went wrong');
  limiter.warn('b', {}, 'went wrong elsewhere');
  clock.advance(999);
  limiter.warn('a', { i: 5 }, 'went wrong');
  clock.advance(1);
  limiter.warn('a', { i: 6 }, 'went wrong');
  clock.advance(1000);
  limiter.warn('a', { i: 7 }, 'went wrong');
  expect(log.lines.map(({ level, fields, message }) => [level, fields, message])).toEqual([
    ['warn', { i: 0 }, 'went wrong'],
    ['warn', {}, 'went wrong elsewhere'],
    ['warn', { i: 6, suppressed: 5 }, 'went wrong'],
    ['warn', { i: 7 }, 'went wrong'],
  ]);
});

test('the number of remembered keys is bounded', () => {
  const log = new RecordingLog();
  const limiter = new WarnLimiter(log, new FakeClock(), 1000);
  for (let i = 0; i <= 1000; i += 1) limiter.warn(`key ${i}`, {}, 'went wrong');
  limiter.warn('key 1000', {}, 'went wrong');
  limiter.warn('key 0', {}, 'went wrong');
  expect(log.lines).toHaveLength(1002);
});
