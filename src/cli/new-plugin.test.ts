import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { BOUNDED } from '../../test/support/bounded.ts';
import { TEMPLATES } from '../own-plugins/scaffold/templates.ts';
import { newPluginCommand } from './new-plugin.ts';

const root = mkdtempSync(join(tmpdir(), 'new-plugin-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(root, 'case-'));
});

function run(...argv: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const io = { out: (text: string) => void out.push(text), err: (text: string) => void err.push(text) };
  const status = newPluginCommand(argv, io);
  return { status, out: out.join(''), err: err.join('') };
}

function epp(...args: readonly string[]): string {
  return execFileSync(process.execPath, [resolve('src/main.ts'), ...args], BOUNDED);
}

test('every kind: what is written passes its own test, the checker of types, and validate --run-contract', () => {
  const types = [...TEMPLATES.keys()].map((kind) => `my-${kind}`);
  let plugins = 'plugins:\n';
  for (const kind of TEMPLATES.keys()) {
    const { status, out } = run(kind, `my-${kind}`, '--dir', dir);
    expect(status).toBe(0);
    plugins += /plugins:\n([\s\S]*?)(?:schedulingProfiles|$)/.exec(out)?.[1] ?? '';
  }
  const file = join(dir, 'epp.yaml');
  writeFileSync(file, `apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n${plugins}`);
  const printed = epp('validate', '--run-contract', '--runs=20', file);
  expect(printed).toContain('contract: kept');
  expect(printed).not.toContain('warning');
  for (const type of types) expect(printed).toContain(`${type} (${type} of ./${type}.ts)`);
  const tests = types.map((type) => join(dir, `${type}.test.ts`));
  const report = execFileSync(process.execPath, ['--test', '--test-reporter=tap', ...tests], BOUNDED);
  expect(report).toContain(`# pass ${2 * types.length}\n`);
  expect(report).toContain('# fail 0\n');
  expectTypes(types);
}, 60_000);

test.each([
  { folder: 'plain', want: 'plain/my-scorer.test.ts' },
  { folder: 'sp ace', want: "'sp ace/my-scorer.test.ts'" },
  { folder: "it's", want: String.raw`'it'\''s/my-scorer.test.ts'` },
])('the command for $folder can be pasted', ({ folder, want }) => {
  const below = join(dir, folder);
  mkdirSync(below);
  const { out } = run('scorer', 'my-scorer', '--dir', below);
  const prefix = want.startsWith("'") ? `'${dir}/` : `${dir}/`;
  expect(out).toContain(`node --test ${prefix}${want.replace(/^'/, '')}\n`);
});

/** As an editor sees the files where the package is installed. */
function expectTypes(types: readonly string[]): void {
  mkdirSync(join(dir, 'node_modules/endpoint-picker'), { recursive: true });
  symlinkSync(resolve('node_modules/@types'), join(dir, 'node_modules/@types'));
  const surface = (name: string) => ({
    types: resolve(`src/${name}.ts`),
    default: resolve(`src/${name}.ts`),
  });
  const config = {
    extends: resolve('tsconfig.json'),
    compilerOptions: {
      noEmit: true,
      paths: {
        'endpoint-picker/plugin': [surface('plugin').types],
        'endpoint-picker/testing': [surface('testing').types],
      },
      noUncheckedSideEffectImports: false,
      verbatimModuleSyntax: false, // says more than an editor where package.json has no type
    },
    files: types.flatMap((type) => [`${type}.ts`, `${type}.test.ts`]),
    include: [],
  };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(config));
  for (const packageText of ['{"type": "module"}', '{}']) {
    writeFileSync(join(dir, 'package.json'), packageText);
    execFileSync(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '-p', dir], BOUNDED);
  }
}

test('nothing is written over a file that is there', () => {
  writeFileSync(join(dir, 'my-scorer.test.ts'), 'mine');
  const { status, err } = run('scorer', 'my-scorer', '--dir', dir);
  expect(status).toBe(1);
  expect(err).toContain('my-scorer.test.ts is there, nothing was written');
  expect(readdirSync(dir)).toEqual(['my-scorer.test.ts']);
  expect(readFileSync(join(dir, 'my-scorer.test.ts'), 'utf8')).toBe('mine');
});

test.each([
  { argv: [], want: 'got kind "", want one of scorer, filter,' },
  { argv: ['parser', 'my-parser'], want: 'got kind "parser", want one of' },
  { argv: ['scorer'], want: 'got name "", want lower case with hyphens, such as my-scorer' },
  { argv: ['scorer', 'MyScorer'], want: 'got name "MyScorer"' },
  { argv: ['scorer', '../my-scorer'], want: 'got name "../my-scorer"' },
  { argv: ['scorer', 'class'], want: 'got name "class"' },
  { argv: ['scorer', 'queue-scorer'], want: 'a built-in plugin has the type queue-scorer' },
  { argv: ['scorer', 'my-scorer', '--x'], want: 'unknown option "--x"' },
])('usage: $argv', ({ argv, want }) => {
  const { status, out, err } = run(...argv);
  expect({ status, out }).toEqual({ status: 2, out: '' });
  expect(err).toContain(want);
});

test('a folder that is not there is said', () => {
  const { status, err } = run('scorer', 'my-scorer', '--dir', join(dir, 'nowhere'));
  expect(status).toBe(1);
  expect(err).toContain('cannot write');
});

test('names that are taken in the file get another', () => {
  expect(run('picker', 'next-int', '--dir', dir).status).toBe(0);
  const text = readFileSync(join(dir, 'next-int.ts'), 'utf8');
  expect(text).toContain('export const nextIntPlugin = ');
  expect(run('scorer', 'inference-request', '--dir', dir).status).toBe(0);
  expect(readFileSync(join(dir, 'inference-request.ts'), 'utf8')).toContain('class OwnInferenceRequest ');
});

test('--help lists the kinds', () => {
  const { status, out } = run('--help');
  expect(status).toBe(0);
  for (const kind of TEMPLATES.keys()) expect(out).toContain(`\n  ${kind} `);
});
