import { type Results, runTitle } from './results.ts';
import { barOf, LOAD_ROWS } from './rows.ts';

const WIDTH = 860;
const LEFT = 410;
const SPACE = 380;
const BAR_HEIGHT = 14;
const GROUP_GAP = 12;
const TOP = 52;
const COLOURS = ['#2f7ed8', '#8bbc21', '#f28f43', '#9aa4b2'] as const;
const ECHO = '#57606a';
const LIMIT = '#cf222e';

/**
 * CPU per request of the picker over the echo server's as an SVG picture: a bar per load and run, a line at 1, which is
 * the echo server, and a mark at what the load may cost on the first run's transport.
 */
export function chart(runs: readonly Results[]): string {
  const rows = LOAD_ROWS.flatMap((row) => {
    const ratios = runs.map((run) => ratioOf(run, row.name));
    if (ratios.every((ratio) => ratio === undefined)) return [];
    return [{ title: row.title, ratios, bar: barOf(row, runs[0]?.transport ?? '') }];
  });
  const largest = Math.max(1, ...rows.flatMap(({ ratios, bar }) => [...ratios.map((r) => r ?? 0), bar ?? 0]));
  const xOf = (ratio: number) => LEFT + Math.round((ratio / (largest * 1.05)) * SPACE);
  const parts = legend(runs);
  let y = TOP;
  for (const { title, ratios, bar } of rows) {
    const height = ratios.length * BAR_HEIGHT;
    parts.push(
      `<text x="${LEFT - 10}" y="${y + height / 2 + 4}" text-anchor="end">${escaped(title)}</text>`,
      ...ratios.flatMap((ratio, i) => bars(ratio, i, { y: y + i * BAR_HEIGHT, xOf })),
    );
    if (bar !== undefined) {
      const x = xOf(bar);
      parts.push(
        `<line x1="${x}" y1="${y - 3}" x2="${x}" y2="${y + height + 1}" stroke="${LIMIT}" stroke-width="2"/>`,
      );
    }
    y += height + GROUP_GAP;
  }
  const x = xOf(1);
  parts.push(
    `<line x1="${x}" y1="${TOP - 10}" x2="${x}" y2="${y - GROUP_GAP + 6}" stroke="${ECHO}" stroke-dasharray="4 3"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`,
    ' font-family="system-ui, sans-serif" font-size="12" fill="#24292f">\n',
    '<title>CPU per request, picker over echo</title>\n',
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>\n`,
    `${parts.join('\n')}\n</svg>\n`,
  ].join('');
}

function ratioOf(run: Results, name: string): number | undefined {
  const saturated = run.load.find((outcome) => outcome.name === name)?.saturated;
  return saturated === undefined
    ? undefined
    : saturated.picker.cpuMsPerRequest / saturated.echo.cpuMsPerRequest;
}

function legend(runs: readonly Results[]): string[] {
  const parts: string[] = [];
  let x = 12;
  for (const [i, run] of runs.entries()) {
    const text = `picker, ${runTitle(run)}`;
    parts.push(
      `<rect x="${x}" y="12" width="12" height="12" fill="${colour(i)}"/>`,
      `<text x="${x + 18}" y="22">${escaped(text)}</text>`,
    );
    x += 40 + text.length * 7;
  }
  parts.push(
    `<line x1="${x}" y1="18" x2="${x + 14}" y2="18" stroke="${ECHO}" stroke-dasharray="4 3"/>`,
    `<text x="${x + 20}" y="22">echo server = 1</text>`,
    `<line x1="${x + 126}" y1="11" x2="${x + 126}" y2="25" stroke="${LIMIT}" stroke-width="2"/>`,
    `<text x="${x + 134}" y="22">at most</text>`,
  );
  return parts;
}

function bars(
  ratio: number | undefined,
  run: number,
  place: { readonly y: number; readonly xOf: (ratio: number) => number },
): readonly string[] {
  if (ratio === undefined) return [];
  const { y, xOf } = place;
  const width = Math.max(1, xOf(ratio) - LEFT);
  return [
    `<rect x="${LEFT}" y="${y}" width="${width}" height="${BAR_HEIGHT - 2}" fill="${colour(run)}"/>`,
    `<text x="${LEFT + width + 6}" y="${y + 10}" stroke="#ffffff" stroke-width="3" paint-order="stroke">${ratio.toFixed(2)}</text>`,
  ];
}

function colour(run: number): string {
  return COLOURS[run % COLOURS.length] ?? ECHO;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
