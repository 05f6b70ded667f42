import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hitRate, percentile, type RunResult, report } from './report.ts';

function run(
  name: string,
  ttftMs: readonly number[],
  hitTokens: number,
  errors: [string, number][] = [],
): RunResult {
  return {
    name,
    load: {
      ttftMs,
      totalMs: ttftMs,
      sent: ttftMs.length,
      completed: ttftMs.length,
      errors: new Map(errors),
      durationMs: 2000,
    },
    counters: { queriedTokens: 1000, hitTokens, generatedTokens: 500, finished: [3, 1] },
  };
}

describe('percentile', () => {
  test.each([
    [[5], 0.5, 5],
    [[3, 1, 2], 0.5, 2],
    [[1, 2, 3, 4], 0.5, 2],
    [[1, 2, 3, 4], 0.99, 4],
    [[1, 2, 3, 4], 0, 1],
  ])('of %j at %d is %d', (values, share, expected) => {
    expect(percentile(values, share)).toBe(expected);
  });

  test('is one of the values, at least as many as the share lie at or below it', () => {
    const values = fc.array(fc.integer(), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
        const found = percentile(all, share);
        expect(all).toContain(found);
        expect(all.filter((value) => value <= found).length).toBeGreaterThanOrEqual(
          share * all.length - 1e-9,
        );
      }),
    );
  });

  test('of nothing is NaN', () => {
    expect(percentile([], 0.5)).toBeNaN();
  });
});

test('hitRate is 0 when nothing was asked', () => {
  expect(hitRate({ queriedTokens: 0, hitTokens: 0, generatedTokens: 0, finished: [] })).toBe(0);
});

describe('report', () => {
  const text = report(
    run('round robin', [100, 200, 400], 300),
    run('picker', [50, 50, 100], 900, [['HTTP 503', 2]]),
  );

  test('compares both runs line by line', () => {
    expect(text).toContain('round robin            picker\n');
    expect(text).toMatch(/^time to first token {2}p50 +200 ms +50 ms +4\.0 × faster$/m);
    expect(text).toMatch(/^prefix cache hit rate +30 % +90 %$/m);
    expect(text).toMatch(/^output tokens\/s +250 +250$/m);
    expect(text).toMatch(/^requests per server +3\/1 +3\/1$/m);
    expect(text).toMatch(/^errors +0 +2 HTTP 503$/m);
  });

  test('bars are as long as their share of the slowest', () => {
    const cells = (pattern: RegExp) => (pattern.exec(text)?.[0].match(/█/g) ?? []).length;
    expect(cells(/p99 +round robin.*/)).toBe(44);
    expect(cells(/p99 +picker.*/)).toBe(11);
    expect(cells(/hits picker.*/)).toBe(39);
  });

  test('a run without answers has dashes, not numbers', () => {
    const empty = report(run('round robin', [], 0), run('picker', [], 0));
    expect(empty).toMatch(/^time to first token {2}p50 +– +–$/m);
    expect(empty).not.toContain('NaN');
  });
});
