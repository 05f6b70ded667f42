import { type Panel, ROWS } from './dashboard-panels.ts';

/** Labels that Prometheus gives every series of a pod it scrapes; `pod` may be several. */
const SELECTION = 'namespace="$namespace",pod=~"$pod"';

/** Grafana's grid: 24 columns. */
const WIDTH = 12;
const HEIGHT = 8;

const DATASOURCE = { type: 'prometheus', uid: '$datasource' } as const;

/** The dashboard as Grafana imports it, JSON. */
export function dashboardJson(): string {
  let id = 0;
  let y = 0;
  const panels: object[] = [];
  for (const row of ROWS) {
    id += 1;
    panels.push({
      id,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { h: 1, w: 24, x: 0, y },
      panels: [],
    });
    y += 1;
    for (const [i, panel] of row.panels.entries()) {
      id += 1;
      const x = (i % 2) * WIDTH;
      panels.push({
        id,
        gridPos: { h: HEIGHT, w: WIDTH, x, y: y + Math.floor(i / 2) * HEIGHT },
        ...render(panel),
      });
    }
    y += Math.ceil(row.panels.length / 2) * HEIGHT;
  }
  const dashboard = {
    title: 'Endpoint picker',
    uid: 'endpoint-picker',
    tags: ['llm', 'endpoint-picker'],
    editable: true,
    schemaVersion: 39,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: { list: variables() },
    panels,
  };
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

/** Queries of the dashboard with every variable replaced by a value, as Prometheus gets them. */
export function dashboardQueries(): readonly string[] {
  return ROWS.flatMap((row) => row.panels)
    .flatMap((panel) => panel.queries)
    .map(({ expr }) => expr.replaceAll('SEL', 'namespace="a",pod=~"b"').replaceAll('$__rate_interval', '1m'));
}

function render(panel: Panel): object {
  const { type = 'timeseries', title, description, unit, queries } = panel;
  return {
    type,
    title,
    ...(description === undefined ? {} : { description }),
    datasource: DATASOURCE,
    fieldConfig: { defaults: unit === undefined ? {} : { unit }, overrides: [] },
    options:
      type === 'timeseries'
        ? { legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] } }
        : {},
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + i),
      datasource: DATASOURCE,
      expr: expr.replaceAll('SEL', SELECTION),
      legendFormat: legend,
      ...(type === 'table' ? { format: 'table', instant: true } : {}),
    })),
  };
}

function variables(): readonly object[] {
  const values = (label: string, labels: string) => ({
    name: label,
    type: 'query',
    datasource: DATASOURCE,
    query: { query: `label_values(llm_d_epp_info${labels}, ${label})`, refId: label },
    refresh: 2,
    sort: 1,
  });
  return [
    { name: 'datasource', type: 'datasource', query: 'prometheus' },
    values('namespace', ''),
    {
      ...values('pod', '{namespace="$namespace"}'),
      multi: true,
      includeAll: true,
      current: { text: 'All', value: '$__all' },
    },
  ];
}
