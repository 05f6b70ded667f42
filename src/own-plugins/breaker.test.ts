import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context } from '../../test/support/builders.ts';
import { Breaker } from './breaker.ts';

function setUp() {
  const services = context();
  const breaker = new Breaker({ name: 'mine', type: 'my-scorer', plugin: {} }, services);
  const { clock, log, instruments } = services;
  return {
    clock,
    /** One call of `ms`; returns whether it was made. */
    call(ms: number): boolean {
      if (breaker.skips()) return false;
      const startMs = clock.nowMs();
      clock.advance(ms);
      breaker.ended(startMs);
      return true;
    },
    skipped: () =>
      instruments.counters.get('plugin_skipped_calls_total{plugin_name="mine",plugin_type="my-scorer"}')
        ?.value,
    messages: () => log.lines.map(({ level, message }) => `${level}: ${message}`),
  };
}

test.each([
  { name: 'five slow calls', calls: [21, 21, 21, 21, 21], skipped: true },
  { name: 'four slow calls', calls: [21, 21, 21, 21], skipped: false },
  { name: 'calls within the budget', calls: Array.from({ length: 100 }, () => 20), skipped: false },
  { name: 'one second at once', calls: [1000], skipped: true },
  { name: 'one second in two', calls: [500, 500], skipped: true },
  { name: 'slow calls with fast ones between', calls: [21, 1, 21, 1, 21, 1, 21, 1, 21], skipped: true },
  { name: 'slow calls that are far apart', calls: [21, 20, 900, 0, 21], skipped: false },
])('$name: skipped $skipped', ({ calls, skipped }) => {
  const { call } = setUp();
  for (const ms of calls) expect(call(ms)).toBe(true);
  expect(call(0)).toBe(!skipped);
});

test('slow calls of an earlier minute do not count', () => {
  const { call, clock } = setUp();
  for (let i = 0; i < 4; i += 1) call(21);
  clock.advance(60_001);
  for (let i = 0; i < 4; i += 1) call(21);
  expect(call(0)).toBe(true);
});

test('it is skipped for 30 s and then tried: a slow trial skips it again, a fast one restores it', () => {
  const { call, clock, skipped, messages } = setUp();
  call(1000);
  clock.advance(29_999);
  expect(call(0)).toBe(false);
  clock.advance(1);
  expect(call(21)).toBe(true);
  expect(call(0)).toBe(false);
  clock.advance(30_000);
  expect(call(1)).toBe(true);
  for (let i = 0; i < 4; i += 1) expect(call(21)).toBe(true);
  expect(call(0)).toBe(true);
  expect(skipped()).toBe(2);
  expect(messages()).toEqual([
    'error: plugin is too slow and is skipped',
    'error: plugin is too slow and is skipped',
    'info: plugin is fast enough again and is called',
  ]);
});

test('whatever its calls take, in a minute it is given up three times at most, each after a second or one call more', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 60 }), (times) => {
      const { call, clock } = setUp();
      const startMs = clock.nowMs();
      let slowMs = 0;
      for (const ms of times) {
        if (clock.nowMs() - startMs > 60_000) break;
        if (call(ms) && ms > 20) slowMs += ms;
        clock.advance(100);
      }
      expect(slowMs).toBeLessThan(3 * (1000 + 3000));
    }),
  );
});
