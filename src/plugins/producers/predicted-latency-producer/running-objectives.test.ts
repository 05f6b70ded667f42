import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endpoint } from '../../../../test/support/builders.ts';
import { type RunningObjective, RunningObjectives } from './running-objectives.ts';

test('the tightest objective is that of a search through all, whatever comes and goes', () => {
  const step = fc.record({ at: fc.nat(2), tpotMs: fc.integer({ min: 1, max: 9 }), removes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pool = [endpoint(), endpoint(), endpoint()];
      const running = new RunningObjectives();
      let open: RunningObjective[] = [];
      for (const { at, tpotMs, removes } of steps) {
        const first = open[tpotMs % Math.max(1, open.length)];
        if (removes && first !== undefined) {
          running.remove(first);
          open = open.filter((one) => one !== first);
        } else {
          open.push(running.add(pool[at] ?? endpoint(), tpotMs, 0));
        }
        for (const one of pool) {
          const own = open.filter(({ endpoint: where }) => where === one).map((entry) => entry.tpotMs);
          expect(running.tightestMs(one)).toBe(Math.min(Number.POSITIVE_INFINITY, ...own));
        }
        expect(running.size).toBe(open.length);
      }
    }),
  );
});

test('old ones expire, and ending them later does nothing', () => {
  const [one, other] = [endpoint(), endpoint()];
  const running = new RunningObjectives();
  const old = running.add(one, 10, 100);
  running.add(one, 30, 200);
  running.add(other, 5, 100);
  running.expire(150);
  expect([running.tightestMs(one), running.tightestMs(other), running.size]).toEqual([
    30,
    Number.POSITIVE_INFINITY,
    1,
  ]);
  running.remove(old);
  expect(running.tightestMs(one)).toBe(30);
});
