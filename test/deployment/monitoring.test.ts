import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { fullName, METRICS } from '../../src/telemetry/metrics.ts';
import { ProcessMetrics } from '../../src/telemetry/process-metrics.ts';
import { BOUNDED } from '../support/bounded.ts';
import { dashboardJson, dashboardQueries } from '../support/deployment/dashboard.ts';
import { PROMQL } from '../support/deployment/render.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
}

function alerts(): readonly Rule[] {
  const text = readFileSync('config/kubernetes/monitoring/rules/prometheus-rule.yaml', 'utf8');
  const { spec } = parse(text) as {
    readonly spec: { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
  };
  return spec.groups.flatMap((group) => group.rules); // its shape is checked with every other manifest
}

/** Names of the series that a metric of this type gives. */
function series(name: string, type: string): readonly string[] {
  return type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

const OWN = new Map(
  METRICS.flatMap((metric) =>
    series(fullName(metric), metric.type).map((one): [string, readonly string[]] => [one, metric.labels]),
  ),
);

/** Labels that Prometheus adds, and `le` of histograms. */
const ADDED = ['namespace', 'pod', 'job', 'instance', 'le'];

const NAMES = /\b(?:llm_d_epp|process|nodejs)_[a-z0-9_]+/g;

/** Metrics and labels of a query that this program does not have. */
function unknownIn(query: string, ofProcess: ReadonlySet<string>): readonly string[] {
  const names = query.match(NAMES) ?? [];
  const unknown = names.filter((name) => !OWN.has(name) && !ofProcess.has(name));
  const labels = new Set([...ADDED, 'kind', ...names.flatMap((name) => OWN.get(name) ?? [])]);
  const grouped = [...query.matchAll(/\b(?:by|on|without|ignoring) ?\(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  );
  const matched = [...query.matchAll(/[{,]\s*([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
  return [...unknown, ...[...grouped, ...matched].filter((label) => label !== '' && !labels.has(label))];
}

async function ofProcess(): Promise<ReadonlySet<string>> {
  const page = await new ProcessMetrics().render();
  const types = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Set(types.flatMap(([, name = '', type = '']) => series(name, type)));
}

test('the dashboard asks only for metrics and labels there are', async () => {
  const known = await ofProcess();
  const queries = dashboardQueries();
  expect(queries.length).toBeGreaterThan(50);
  expect(queries.flatMap((query) => unknownIn(query, known).map((what) => `${what}: ${query}`))).toEqual([]);
});

test('alerts ask only for metrics and labels there are', async () => {
  const known = await ofProcess();
  const rules = alerts();
  expect(
    rules.flatMap(({ alert, expr }) => unknownIn(expr, known).map((what) => `${alert}: ${what}`)),
  ).toEqual([]);
  expect(rules.length).toBeGreaterThan(5);
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
});

test('what is unknown is found', () => {
  const query =
    'sum by (nobody) (rate(llm_d_epp_request_total{colour="red"}[1m])) / llm_d_epp_request_size_bytes';
  expect(unknownIn(query, new Set())).toEqual(['llm_d_epp_request_size_bytes', 'nobody', 'colour']);
});

test('every alert is explained, and every metric that pages name is there', () => {
  const page = readFileSync('docs/kubernetes/monitoring.md', 'utf8');
  for (const { alert } of alerts()) expect(page).toContain(`\`${alert}\``);
  const plain = new Set([...METRICS.map(fullName), ...OWN.keys()]);
  for (const file of globSync('docs/kubernetes/*.md')) {
    const names = readFileSync(file, 'utf8').match(/\bllm_d_epp_[a-z0-9_]+\b/g) ?? [];
    expect(
      names.filter((name) => !plain.has(name)),
      file,
    ).toEqual([]);
  }
});

test('panels have places and titles of their own, and every query a letter', () => {
  const { panels } = JSON.parse(dashboardJson()) as { readonly panels: readonly Panel[] };
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const titles = panels.map(({ title }) => title);
  expect(new Set(titles).size).toBe(titles.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  for (const { type, targets = [] } of panels) {
    expect(targets.length > 0).toBe(type !== 'row');
    expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
  }
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string }[];
}

describe.skipIf(PROMQL === undefined)('PromQL', () => {
  test('every query of dashboard and alerts can be parsed by Prometheus', () => {
    const queries = [...dashboardQueries(), ...alerts().map(({ expr }) => expr), 'sum(('];
    const input = `${queries.map((query) => query.replaceAll(/\s+/g, ' ')).join('\n')}\n`;
    const answers = execFileSync(PROMQL ?? '', { ...BOUNDED, input })
      .split('\n')
      .slice(0, queries.length);
    const wrong = answers.flatMap((answer, i) => (answer === '' ? [] : [`${queries[i]}: ${answer}`]));
    expect(wrong).toEqual([expect.stringContaining('sum((: ')]);
  });
});
