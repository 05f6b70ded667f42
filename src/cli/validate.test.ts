import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { TEST_CATALOGUE } from '../../test/support/catalogue.ts';
import { systemClock } from '../util/clock.ts';
import { validateCommand } from './validate.ts';

const folder = mkdtempSync(join(tmpdir(), 'validate-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;

function file(text: string): string {
  files += 1;
  const path = join(folder, `${files}.yaml`);
  writeFileSync(path, text);
  return path;
}

async function run(argv: readonly string[], isTerminal = false) {
  const out: string[] = [];
  const err: string[] = [];
  const io = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    isTerminal,
    clock: systemClock,
  };
  const status = await validateCommand(argv, io, TEST_CATALOGUE);
  return { status, out: out.join(''), err: err.join('') };
}

const VALID = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\nplugins:\n- type: pure-scorer\n';

test('a valid file: status 0 and the configuration in effect, additions marked', async () => {
  const { status, out, err } = await run([file(VALID)]);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(out).toContain('apiVersion: llm-d.ai/v1alpha1\n');
  expect(out).toContain('  # added: no profile handler is listed\n  - type: single-profile-handler\n');
  expect(out).not.toContain('# added: no profile is listed\n  - type: pure-scorer');
});

test('an empty file is the default configuration', async () => {
  expect(await run([file('')])).toMatchObject({ status: 0 });
});

test('warnings are printed and do not fail; --quiet prints nothing else', async () => {
  const path = file('plugins:\n- type: pure-scorer\n');
  expect(await run([path, '--quiet'])).toEqual({
    status: 0,
    out: `${path}:1:1: warning [api-version-missing] missing, assumed: apiVersion: llm-d.ai/v1alpha1, kind: EndpointPickerConfig\n`,
    err: '',
  });
});

test('errors: status 1, every one with its place, no configuration', async () => {
  const path = file(`${VALID}- type: pure-scoer\n- {type: shape-filter, parameters: {mod: 1}}\n`);
  const { status, out } = await run([path]);
  expect(status).toBe(1);
  expect(out.split('\n')).toEqual([
    `${path}:5:9: error [unknown-type] unknown plugin type 'pure-scoer'; did you mean 'pure-scorer'?`,
    `${path}:6:37: error [unknown-key] plugins[2].parameters: unknown key 'mod', want one of mode, url, timeout, labels, sources, window; did you mean 'mode'?`,
    '',
  ]);
});

test('files of pools are checked, each once, with their own names', async () => {
  const good = file(VALID);
  const bad = file(`${VALID}- type: pure-scoer\n`);
  const nested = file('apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\npools: [{name: inner}]\n');
  const missing = join(folder, 'missing.yaml');
  const pools = [good, bad, missing, bad, nested]
    .map((configFile, i) => `- {name: p${i}, configFile: ${configFile}}\n`)
    .join('');
  const path = file(`${VALID}pools:\n${pools}`);
  const { status, out } = await run([path]);
  expect(status).toBe(1);
  expect(out.split('\n')).toEqual([
    `${path}:8:26: error [invalid-value] pools[2].configFile: ENOENT: no such file or directory, open '${missing}'`,
    `${path}:10:26: error [invalid-value] pools[4].configFile: '${nested}' lists pools of its own`,
    `${bad}:5:9: error [unknown-type] unknown plugin type 'pure-scoer'; did you mean 'pure-scorer'?`,
    '',
  ]);
});

test('warnings about files of pools do not fail', async () => {
  const pool = file('plugins:\n- type: pure-scorer\n');
  const path = file(`${VALID}pools: [{name: a, configFile: ${pool}}]\n`);
  const { status, out } = await run([path]);
  expect(status).toBe(0);
  expect(out).toMatch(`${pool}:1:1: warning [api-version-missing]`);
  expect(out).toContain(`configFile: ${pool}`);
});

test('a plugin that cannot be constructed is an error', async () => {
  expect(await run([file(`${VALID}- {type: shape-filter, parameters: {url: fail}}\n`)])).toMatchObject({
    status: 1,
  });
});

test('experimental plugins need the flag', async () => {
  const path = file(`${VALID}- type: alpha-scorer\n`);
  expect((await run([path])).status).toBe(1);
  expect((await run([path, '--allow-experimental-plugins'])).status).toBe(0);
  expect((await run([path, '--allow-experimental-plugins=false'])).status).toBe(1);
});

test('colours only on a terminal', async () => {
  const path = file('plugins: [{type: nope}]');
  expect((await run([path])).out).not.toContain('\u001B');
  expect((await run([path], true)).out).toContain('\u001B[31m');
});

test('passwords in URLs are not shown', async () => {
  const path = file(`${VALID}- {type: shape-filter, parameters: {url: "redis://user:secret@host:6379/0"}}\n`);
  expect((await run([path])).out).toContain('url: redis://***@host:6379/0');
});

test.each([
  { name: 'no file', argv: [], want: 'want a file' },
  { name: 'two files', argv: ['a', 'b'], want: 'got the files a and b, want one' },
  { name: 'an unknown flag', argv: ['--x', 'a'], want: 'unknown option' },
  {
    name: 'a file that is not there',
    argv: ['/nowhere/at/all.yaml'],
    want: 'cannot read /nowhere/at/all.yaml',
  },
])('usage: $name is status 2', async ({ argv, want }) => {
  const { status, out, err } = await run(argv);
  expect({ status, out }).toEqual({ status: 2, out: '' });
  expect(err).toContain(want);
});

test('--help explains and is status 0', async () => {
  expect(await run(['--help'])).toMatchObject({ status: 0, err: '' });
});
