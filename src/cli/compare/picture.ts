import { type Comparison, percentileOf } from './report.ts';

const PANEL_WIDTH = 400;
const PANEL_HEIGHT = 150;
const COLUMNS = 2;
const TOP = 44;
const LEFT = 100;
const SPACE = 220;
const BAR_HEIGHT = 18;
const BAR_GAP = 8;
const COLOURS = ['#9aa4b2', '#8bbc21', '#2f7ed8', '#f28f43'] as const;

/** p99 of the time to first token as an SVG picture: a panel per workload with its own scale, a bar per policy. */
export function picture(comparisons: readonly Comparison[]): string {
  const most = Math.max(1, ...comparisons.map(({ results }) => results.length));
  const panelHeight = Math.max(PANEL_HEIGHT, 60 + most * (BAR_HEIGHT + BAR_GAP));
  const width = PANEL_WIDTH * COLUMNS;
  const height = TOP + Math.ceil(comparisons.length / COLUMNS) * panelHeight;
  const panels = comparisons.flatMap((comparison, i) =>
    panel(comparison, { x: (i % COLUMNS) * PANEL_WIDTH, y: TOP + Math.floor(i / COLUMNS) * panelHeight }),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`,
    ' font-family="system-ui, sans-serif" font-size="13" fill="#24292f">\n',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>\n`,
    '<text x="16" y="26" font-size="15">Time to first token, p99: shorter is better</text>\n',
    `${panels.join('\n')}\n</svg>\n`,
  ].join('');
}

function panel({ workload, results }: Comparison, at: { readonly x: number; readonly y: number }): string[] {
  const values = results.map(({ ttftMs }) => Math.round(percentileOf(ttftMs, 0.99)));
  const longest = Math.max(1, ...values);
  const parts = [
    `<text x="${at.x + 16}" y="${at.y + 22}" font-weight="600">${escaped(workload.name)}</text>`,
  ];
  results.forEach(({ policy }, i) => {
    const value = values[i] ?? 0;
    const width = Math.max(1, Math.round((value / longest) * SPACE));
    const x = at.x + LEFT;
    const y = at.y + 36 + i * (BAR_HEIGHT + BAR_GAP);
    parts.push(
      `<text x="${x - 8}" y="${y + 14}" text-anchor="end">${escaped(policy)}</text>`,
      `<rect x="${x}" y="${y}" width="${width}" height="${BAR_HEIGHT}" fill="${COLOURS[i % COLOURS.length] ?? ''}"/>`,
      `<text x="${x + width + 6}" y="${y + 14}">${value} ms</text>`,
    );
  });
  return parts;
}

function escaped(text: string): string {
  return text.replace(/[<>&"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
