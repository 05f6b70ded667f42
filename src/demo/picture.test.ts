import { expect, test } from 'vitest';
import { picture } from './picture.ts';
import type { RunResult } from './report.ts';

function run(name: string, ttftMs: readonly number[], hitTokens: number): RunResult {
  const count = ttftMs.length;
  return {
    name,
    load: { ttftMs, totalMs: ttftMs, sent: count, completed: count, errors: new Map(), durationMs: 1 },
    counters: { queriedTokens: 100, hitTokens, generatedTokens: 1, finished: [count] },
  };
}

test('bars are as long as their values, and every value is written', () => {
  const svg = picture(run('round robin', [100, 200, 400], 40), run('picker', [10, 20, 100], 90));
  expect(svg.startsWith('<svg ')).toBe(true);
  const widths = [...svg.matchAll(/<rect x="190" y="\d+" width="(\d+)" height="14"/g)].map((match) =>
    Number(match[1]),
  );
  expect(widths).toEqual([220, 22, 440, 110, 440, 110, 176, 396]);
  for (const text of ['200 ms', '20 ms', '400 ms', '40 %', '90 %', 'round robin', 'picker']) {
    expect(svg).toContain(`>${text}</text>`);
  }
});
