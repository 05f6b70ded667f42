import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';

/** Who may import whom: folder of `src/` → folders it may import besides itself. Packages are not listed here. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  util: [],
  kvcache: ['util'],
  framework: ['util'],
  telemetry: ['framework', 'util'],
  config: ['framework', 'util'],
  'own-plugins': ['framework', 'util'],
  plugins: ['framework', 'kvcache', 'util'],
  extproc: ['framework', 'telemetry', 'util'],
  request: ['framework', 'telemetry', 'util'],
  flow: ['framework', 'telemetry', 'util'],
  scheduling: ['framework', 'telemetry', 'util'],
  response: ['framework', 'telemetry', 'util'],
  data: ['framework', 'telemetry', 'util'],
  kube: ['framework', 'telemetry', 'util'],
  sim: ['util'],
  gateway: ['extproc', 'util'],
  demo: ['sim', 'gateway', 'util'],
  cli: [
    'util',
    'kvcache',
    'framework',
    'telemetry',
    'config',
    'own-plugins',
    'plugins',
    'extproc',
    'request',
    'flow',
    'scheduling',
    'response',
    'data',
    'kube',
    'sim',
    'gateway',
    'demo',
  ],
};

const sources = globSync('src/**/*.ts').filter((file) => !file.endsWith('.test.ts'));

function read(file: string): string {
  return readFileSync(file, 'utf8');
}

/** Files of the tree that `file` imports, relative to the repository. */
function imports(file: string): string[] {
  const found: string[] = [];
  for (const match of read(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)) {
    found.push(normalize(join(dirname(file), match[1] ?? '')));
  }
  return found;
}

function folder(file: string): string {
  return file.split('/').length > 2 ? (file.split('/')[1] ?? '') : 'main';
}

test('there are sources, and every folder of src has its rule', () => {
  expect(sources.length).toBeGreaterThan(50);
  const folders = new Set(sources.map(folder));
  folders.delete('main');
  expect([...folders].filter((name) => !(name in ALLOWED))).toEqual([]);
});

test('a folder imports only what its rule allows', () => {
  const broken: string[] = [];
  for (const file of sources) {
    const own = folder(file);
    if (own === 'main') continue;
    for (const imported of imports(file)) {
      const other = folder(imported);
      if (other !== own && !(ALLOWED[own] ?? []).includes(other)) broken.push(`${file} imports ${imported}`);
    }
  }
  expect(broken).toEqual([]);
});

test('the gateway takes only codec and protocol types from extproc', () => {
  const taken = sources
    .filter((file) => folder(file) === 'gateway')
    .flatMap(imports)
    .filter((file) => folder(file) === 'extproc');
  expect(taken.filter((file) => !/\/(codec|protocol|generated)/.test(file))).toEqual([]);
});

test('a plugin imports no other plugin', () => {
  const broken: string[] = [];
  for (const file of sources) {
    if (folder(file) !== 'plugins' || file === 'src/plugins/catalogue.ts') continue;
    const [, , kind, stem = ''] = file.split('/');
    if (kind === 'attributes') continue;
    for (const imported of imports(file)) {
      if (folder(imported) !== 'plugins') continue;
      const [, , otherKind, otherStem = ''] = imported.split('/');
      if (otherKind === 'attributes') continue;
      const sharesFolder = family(stem) === family(otherStem) || isParts(imported);
      if (!sharesFolder) broken.push(`${file} imports ${imported}`);
    }
  }
  expect(broken).toEqual([]);
});

/** `session-affinity-scorer.ts` and `session-affinity/bindings.ts` are one family. */
function family(stem: string): string {
  return stem.replace(/\.ts$/, '').split('-').slice(0, 2).join('-');
}

/** A file in a folder below an extension point: parts that plugins of that kind share. */
function isParts(file: string): boolean {
  return file.split('/').length > 4;
}

test('every plugin file has its test and its page', () => {
  const missing: string[] = [];
  for (const file of sources) {
    if (folder(file) !== 'plugins' || file.split('/').length !== 4 || file.includes('/attributes/')) continue;
    if (!/define[A-Za-z]*\(/.test(read(file))) continue;
    const stem = file.slice(0, -'.ts'.length);
    for (const other of [`${stem}.test.ts`, `${stem}.md`]) if (!existsSync(other)) missing.push(other);
  }
  expect(missing).toEqual([]);
});

test('time, chance and the process are reached through util, main and the programs of their own', () => {
  const banned: readonly (readonly [RegExp, readonly string[]])[] = [
    [/\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\bMath\.random\(/, ['src/util/']],
    [/\bsetTimeout\(|\bsetInterval\(/, ['src/util/']],
    [/\bprocess\.(env|argv|exit)\b/, ['src/main.ts']],
  ];
  const broken: string[] = [];
  for (const file of sources) {
    const code = read(file).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    for (const [pattern, allowed] of banned) {
      if (!allowed.some((prefix) => file.startsWith(prefix)) && pattern.test(code))
        broken.push(`${file}: ${pattern}`);
    }
  }
  expect(broken).toEqual([]);
});

test('no import cycle between files', () => {
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      return;
    }
    state.set(file, 'open');
    for (const next of valueImports(file)) if (existsSync(next)) visit(next, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of sources) visit(file, []);
  expect(cycles).toEqual([]);
});

/** Imports that exist at run time: `import type` lines and type-only braces do not count. */
function valueImports(file: string): string[] {
  const found: string[] = [];
  for (const match of read(file).matchAll(/^(?:import|export)\s+(?!type\b)([^;]*?)from\s*'(\.[^']+)'/gm)) {
    const names = (match[1] ?? '').replace(/[{}\s]/g, ' ').trim();
    const isTypeOnly = names.split(',').every((name) => /^\s*(type\s|$)/.test(name));
    if (!isTypeOnly) found.push(normalize(join(dirname(file), match[2] ?? '')));
  }
  return found;
}

test('every folder of src says in at most 15 lines what it is', () => {
  const wrong: string[] = [];
  for (const name of new Set(sources.map(folder))) {
    if (name === 'main') continue;
    const file = `src/${name}/README.md`;
    if (!existsSync(file)) wrong.push(`${file} is missing`);
    else if (read(file).trimEnd().split('\n').length > 15) wrong.push(`${file} is longer than 15 lines`);
  }
  expect(wrong).toEqual([]);
});

test('the repository names no path of the machine it was written on and no registry', () => {
  const files = globSync('**/*.{ts,md,yaml,yml,json,proto}', {
    exclude: (path) => /^(node_modules|dist|\.venv|coverage)/.test(String(path)),
  }).filter((file) => file !== 'test/architecture.test.ts');
  const broken = files.filter((file) => /"resolved":\s*"http|\/work\/|\/root\//.test(read(file)));
  expect(broken).toEqual([]);
});

/** A package of the lock file, as far as it matters here. */
interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

test('the lock file holds the packages of every platform, without addresses', () => {
  const lock = JSON.parse(read('package-lock.json')) as { packages: Readonly<Record<string, LockedPackage>> };
  const names = new Set(Object.keys(lock.packages));
  const missing = Object.entries(lock.packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !names.has(`node_modules/${name}`) && !names.has(`${place}/node_modules/${name}`),
    ),
  );
  expect(missing).toEqual([]);
  expect(read('package-lock.json')).not.toContain('"resolved"');
});
