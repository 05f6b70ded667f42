import { hitRate, percentile, type RunResult } from './report.ts';

const WIDTH = 760;
const LEFT = 190;
const BAR_SPACE = 440;
const BAR_HEIGHT = 16;
const GROUP_GAP = 14;
const COLOURS = ['#9aa4b2', '#2f7ed8'] as const;

interface Group {
  readonly title: string;
  /** One value per run. */
  readonly values: readonly number[];
  /** Length of a full bar. */
  readonly scale: number;
  readonly unit: string;
}

/** The comparison as an SVG picture: bars for time to first token and hit rate, one colour per run. */
export function picture(before: RunResult, after: RunResult): string {
  const runs = [before, after];
  const slowest = Math.max(...runs.map((run) => percentile(run.load.ttftMs, 0.99)));
  const groups: Group[] = [0.5, 0.9, 0.99].map((share) => ({
    title: `time to first token, p${share * 100}`,
    values: runs.map((run) => Math.round(percentile(run.load.ttftMs, share))),
    scale: slowest,
    unit: 'ms',
  }));
  groups.push({
    title: 'prefix cache hit rate',
    values: runs.map((run) => Math.round(hitRate(run.counters) * 100)),
    scale: 100,
    unit: '%',
  });
  const parts: string[] = [];
  runs.forEach((run, i) => {
    const x = LEFT + i * 130;
    parts.push(`<rect x="${x}" y="12" width="12" height="12" fill="${COLOURS[i] ?? ''}"/>`);
    parts.push(`<text x="${x + 18}" y="22">${run.name}</text>`);
  });
  let y = 42;
  for (const group of groups) {
    parts.push(
      `<text x="${LEFT - 12}" y="${y + BAR_HEIGHT + 4}" text-anchor="end">${group.title}</text>`,
      ...bars(group, y),
    );
    y += group.values.length * BAR_HEIGHT + GROUP_GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`,
    ' font-family="system-ui, sans-serif" font-size="13" fill="#24292f">',
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>\n`,
    `${parts.join('\n')}\n</svg>\n`,
  ].join('');
}

function bars(group: Group, top: number): string[] {
  return group.values.flatMap((value, i) => {
    const width = Math.max(1, Math.round((value / group.scale) * BAR_SPACE));
    const y = top + i * BAR_HEIGHT;
    return [
      `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR_HEIGHT - 2}" fill="${COLOURS[i] ?? ''}"/>`,
      `<text x="${LEFT + width + 6}" y="${y + 12}">${value} ${group.unit}</text>`,
    ];
  });
}
