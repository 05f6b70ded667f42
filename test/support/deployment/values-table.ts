import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMap, isScalar, type Pair, parseDocument, type Scalar } from 'yaml';

/** One value of the chart that has no values below it. */
export interface ChartValue {
  /** Such as `router.epp.replicas`. */
  readonly path: string;
  /** As YAML in one line. */
  readonly default: string;
  /** The comment above it; '' when there is none. */
  readonly doc: string;
}

const VALUES = fileURLToPath(new URL('../../../charts/endpoint-picker/values.yaml', import.meta.url));

/** Every value of the chart in the order of its file. */
export function chartValues(): readonly ChartValue[] {
  const values: ChartValue[] = [];
  const walk = (node: unknown, path: string, before: string) => {
    if (!isMap(node) || node.items.length === 0) {
      values.push({ path, default: defaultOf(node), doc: before });
      return;
    }
    for (const [i, pair] of node.items.entries()) {
      const { key, value } = pair as Pair<Scalar<string>, unknown>; // keys of this file are words
      const first = i === 0 ? (node.commentBefore ?? '') : '';
      const comment = [first, key.commentBefore ?? ''].join(' ').replaceAll(/\s+/g, ' ').trim();
      walk(value, path === '' ? key.value : `${path}.${key.value}`, comment);
    }
  };
  walk(parseDocument(readFileSync(VALUES, 'utf8')).contents, '', '');
  return values;
}

function defaultOf(node: unknown): string {
  if (isScalar(node)) return node.value === '' ? '""' : String(node.source ?? node.value);
  return JSON.stringify((node as { toJSON(): unknown }).toJSON());
}

/** README.md of the chart. */
export function chartReadme(): string {
  const rows = chartValues().map(
    ({ path, default: value, doc }) => `| \`${path}\` | \`${value}\` | ${doc.replaceAll('|', '\\|')} |`,
  );
  return `# Chart endpoint-picker

The picker for one pool of model servers: behind a gateway, or with an Envoy of its own. How to use it, from an empty cluster on:
[docs/kubernetes](../../docs/kubernetes/README.md).

\`\`\`sh
helm install my-pool charts/endpoint-picker --namespace inference --create-namespace \\
  --set router.modelServers.matchLabels.app=model-server
\`\`\`

The InferencePool has the name of the release; the Deployment and the Service have it with \`-epp\` after it. Values that the charts of
llm-d-router have too mean the same; what differs is in [migration.md](../../docs/kubernetes/migration.md).

## Values

Made by \`npm run docs\` from the comments of values.yaml.

| value | default | meaning |
| --- | --- | --- |
${rows.join('\n')}
`;
}
