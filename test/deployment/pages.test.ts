import { execFileSync } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { FLAGS } from '../../src/cli/flags/table.ts';
import { BOUNDED } from '../support/bounded.ts';
import { schemaProblems, setProblems } from '../support/deployment/problems.ts';
import { HELM, helmTemplate, KUBECTL, kustomize, objectsOf } from '../support/deployment/render.ts';
import { chartValues } from '../support/deployment/values-table.ts';

const PAGES = globSync('docs/kubernetes/*.md').toSorted();

/** Longer ones are read by nobody. */
const MOST_LINES = 120;

/** Values of the reference's charts that ours explains rather than has. */
const NOT_OURS = /^router\.(tokenizer|latencyPredictor|proxy\.(presets|configMap))\b/;

const scratch = mkdtempSync(join(tmpdir(), 'epp-test-pages-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function blocks(page: string, language: string): readonly string[] {
  const text = readFileSync(page, 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, block = '']) => block,
  );
}

/** Files that the shell blocks write, with their text. */
function heredocs(page: string): readonly (readonly [string, string])[] {
  return blocks(page, 'sh').flatMap((block) =>
    [...block.matchAll(/^cat > (\S+) <<'?EOF'?\n([\s\S]*?)^EOF$/gm)].map(
      ([, file = '', text = '']) => [file, text] as const,
    ),
  );
}

test.each(PAGES)('%s is short, leads to what exists, and its commands are shell', (page) => {
  const text = readFileSync(page, 'utf8');
  expect(text.split('\n').length).toBeLessThanOrEqual(MOST_LINES);
  const links = [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, link = '']) => link);
  const files = links.filter((link) => !link.startsWith('https://')).map((link) => join(dirname(page), link));
  const paths = text.match(/\b(?:config\/kubernetes|charts)\/[-a-z/]+(?:\.(?:yaml|json))?/g) ?? [];
  expect([...files, ...paths].filter((path) => !existsSync(path))).toEqual([]);
  for (const block of blocks(page, 'sh')) execFileSync('bash', ['-n'], { ...BOUNDED, input: block });
});

test.each(PAGES)('%s names values and flags that exist', (page) => {
  const text = readFileSync(page, 'utf8');
  const known = chartValues().map(({ path }) => path);
  const values = text.match(/(?<![.\w])(?:router|provider|httpRoute)\.[a-zA-Z.]*[a-zA-Z]/g) ?? [];
  const unknown = values.filter(
    (name) =>
      !NOT_OURS.test(name) &&
      !known.some((path) => path === name || path.startsWith(`${name}.`) || name.startsWith(`${path}.`)),
  );
  expect(unknown).toEqual([]);
  const flags = new Set<string>(FLAGS.map(({ name }) => name));
  const inProse = text.replaceAll(/^```[\s\S]*?^```/gm, '').match(/`--[a-z][-a-z]+/g) ?? [];
  const strange = inProse.map((flag) => flag.slice(3)).filter((name) => !flags.has(name) && name !== 'set');
  expect(strange).toEqual([]);
});

test('every page is reached from the index, and the index from the README', () => {
  const index = readFileSync('docs/kubernetes/README.md', 'utf8');
  for (const page of PAGES) {
    const name = page.slice('docs/kubernetes/'.length);
    if (name !== 'README.md') expect(index).toContain(`(${name})`);
  }
  expect(readFileSync('README.md', 'utf8')).toContain('(docs/kubernetes/README.md)');
});

describe.skipIf(KUBECTL === undefined)('folders that pages make', () => {
  const made = PAGES.flatMap((page) =>
    heredocs(page)
      .filter(([file]) => file.endsWith('kustomization.yaml'))
      .map(([file, text]) => [page, file, text] as const),
  );

  test('there are some', () => expect(made.length).toBeGreaterThan(4));

  test.each(made)('%s: %s is rendered and fits together', (_, file, text) => {
    const root = mkdtempSync(join(scratch, 'root-'));
    symlinkSync(join(process.cwd(), 'config'), join(root, 'config'));
    mkdirSync(join(root, dirname(file)), { recursive: true });
    // what the shell puts into heredocs without quotes
    writeFileSync(
      join(root, file),
      text.replaceAll('$REGION', 'europe-west4').replaceAll('$PROJECT', 'mine'),
    );
    const manifests = objectsOf(kustomize(join(root, dirname(file))));
    expect(schemaProblems(manifests)).toEqual([]);
    expect(setProblems(manifests)).toEqual([]);
  });
});

describe.skipIf(HELM === undefined)('releases that pages make', () => {
  const commands = PAGES.flatMap((page) =>
    blocks(page, 'sh')
      .join('\n')
      .replaceAll('\\\n', ' ')
      .split('\n')
      .filter((line) => /^helm install \S+ charts/.test(line))
      .map((line) => [page, line] as const),
  );

  test('there are some', () => expect(commands.length).toBeGreaterThan(3));

  test.each(commands)('%s: %s', (_, line) => {
    const values: Record<string, unknown> = {};
    for (const [, path = '', , text = ''] of line.matchAll(/--set ([\w.]+)=("?)([^\s"]*)\2/g)) {
      set(values, path.split('.'), text === 'true' ? true : text === 'false' ? false : text);
    }
    const manifests = objectsOf(helmTemplate(values, line.split(' ')[2], 'inference'));
    expect(schemaProblems(manifests)).toEqual([]);
    expect(setProblems(manifests)).toEqual([]);
  });
});

function set(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name = '', ...rest] = path;
  if (rest.length === 0) {
    target[name] = value;
    return;
  }
  const inner = (target[name] ?? {}) as Record<string, unknown>; // made here
  target[name] = inner;
  set(inner, rest, value);
}
