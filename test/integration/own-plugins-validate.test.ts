import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { BOUNDED } from '../support/bounded.ts';
import { folder, HEAD } from '../support/own-modules.ts';

function validate(file: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['src/main.ts', 'validate', file, '--quiet', ...args],
    BOUNDED,
  );
  return { status, out: stdout, err: stderr };
}

test('everything that is wrong with modules is reported at once, with place in the YAML and in the module', () => {
  const simple = (type: string) =>
    `export default { type: '${type}', kinds: ['scorer'], stability: 'beta', summary: '', create: () => ({}), params: z.strictObject({}) };`;
  const z = `import { z } from 'endpoint-picker/plugin';\n`;
  const files: Readonly<Record<string, string>> = {
    'syntax.ts': 'export const a = 1;\nconst b = ;\n',
    'enum.ts': '\n\nenum Color { Red }\n',
    'throws.ts': "import { z } from 'endpoint-picker/plugin';\n\nthrow new RangeError('at import');\n",
    'export.ts': "import { defineScorr } from 'endpoint-picker/plugin';\ndefineScorr();\n",
    'deep.ts': "\nimport './nothing-here.ts';\n",
    'inner.ts': "import { x } from 'endpoint-picker/src/main.ts';\nx();\n",
    'odd.ts': 'throw Object.create(null);\n',
    'odd-stack.ts': "throw Object.assign(new Error('odd stack'), { stack: 5 });\n",
    'endless.ts': 'await new Promise(() => {});\n',
    'none.ts': 'export const answer = 42;\n',
    'shape.ts': `${z}export const bad = { type: 'shape', kinds: ['scorrer'], create: () => ({}) };\n`,
    'schema.ts': `export const bad = { type: 'schema', kinds: ['scorer'], stability: 'beta', summary: '', create: () => ({}), params: {} };\n`,
    'builtin.ts': `${z}${simple('queue-scorer')}\n`,
    'twice.ts': `${z}${simple('one')}\n`,
    'again.ts': `${z}${simple('one')}\n`,
    'type.ts': `${z}${simple('typed')}\n`,
    'package-folder/x.ts': '',
    'node_modules/in-package/package.json': '{"name":"in-package","type":"module","exports":"./index.js"}',
    'node_modules/in-package/index.js': `${z}${simple('packaged')}\n`,
  };
  const entries = [
    'syntax: ./syntax.ts',
    'enum: ./enum.ts',
    'throws: ./throws.ts',
    'export: ./export.ts',
    'deep: ./deep.ts',
    'inner: ./inner.ts',
    'none: ./none.ts',
    'shape: ./shape.ts',
    'schema: ./schema.ts',
    'queue-scorer: ./builtin.ts',
    'one: ./twice.ts',
    'one: ./again.ts',
    'tped: ./type.ts',
    'missing: ./missing.ts',
    'nopkg: no-such-package',
    'packaged: in-package',
    'odd: ./odd.ts',
    'stack: ./odd-stack.ts',
    'endless: ./endless.ts',
    'url: "file://host/x.ts"',
  ].map((text) => text.split(': '));
  const yaml = entries
    .map(([type, module], i) => `- {type: ${type}, name: p${i}, module: ${module}}\n`)
    .join('');
  const file = folder({ ...files, 'epp.yaml': `${HEAD}plugins:\n${yaml}` });
  const dir = dirname(file);
  const { status, out, err } = validate(file);
  expect({ status, err }).toEqual({ status: 1, err: '' });
  const wanted: readonly (readonly [line: number, text: string])[] = [
    [4, `cannot load module './syntax.ts': ${dir}/syntax.ts:2:11: SyntaxError: Expression expected`],
    [5, `cannot load module './enum.ts': ${dir}/enum.ts:3:1: SyntaxError: TypeScript enum is not supported`],
    [6, `cannot load module './throws.ts': ${dir}/throws.ts:3:7: RangeError: at import`],
    [
      7,
      `cannot load module './export.ts': ${dir}/export.ts:1:10: SyntaxError: The requested module 'endpoint-picker/plugin' does not provide an export named 'defineScorr'`,
    ],
    [
      8,
      `cannot load module './deep.ts': ${dir}/deep.ts:2:9: cannot import './nothing-here.ts': Cannot find module`,
    ],
    [
      9,
      `cannot load module './inner.ts': ${dir}/inner.ts:1:20: cannot import 'endpoint-picker/src/main.ts': 'endpoint-picker/src/main.ts' is not for plugins, want 'endpoint-picker/plugin'`,
    ],
    [
      10,
      `cannot load module './none.ts': ${dir}/none.ts:1:1: no plugin: it exports answer, want a definition`,
    ],
    [
      11,
      `cannot load module './shape.ts': ${dir}/shape.ts:2:14: export 'bad' is no plugin: kinds: got "scorrer", want one of filter, scorer,`,
    ],
    [
      12,
      `cannot load module './schema.ts': ${dir}/schema.ts:1:14: export 'bad' is no plugin: params: got an object, want a schema`,
    ],
    [13, `module './builtin.ts' defines plugin type 'queue-scorer', which is built in; give it another type`],
    [
      15,
      `module './again.ts' defines plugin type 'one', which module './twice.ts' defines too; give it another type`,
    ],
    [16, `module './type.ts' defines no plugin type 'tped', it defines typed; did you mean 'typed'?`],
    [17, `cannot load module './missing.ts': no such file: ${dir}/missing.ts`],
    [
      18,
      `cannot load module 'no-such-package': no package 'no-such-package' is installed in ${dir} or above it`,
    ],
    [20, `cannot load module './odd.ts': threw an object that is no error`],
    [21, `cannot load module './odd-stack.ts': odd stack`],
    [22, `cannot load module './endless.ts': its import does not end`],
    [23, `cannot load module 'file://host/x.ts': File URL host must be`],
  ];
  const lines = out.trimEnd().split('\n');
  expect(lines).toHaveLength(wanted.length);
  for (const [i, [line, text]] of wanted.entries()) {
    expect(lines[i]).toMatch(new RegExp(`^${file}:${line}:\\d+: error \\[plugin-module\\] `));
    expect(lines[i]).toContain(text);
  }
});

test('parameters of own plugins are checked, and what their functions throw is a problem with its place', () => {
  const file = folder({
    'mine.ts': `import { definePlugin, z } from 'endpoint-picker/plugin';
const params = z.strictObject({ size: z.int().min(1).default(2), mode: z.string().optional().refine((mode) => {
  if (mode === 'check') throw new Error('check failed');
  return true;
}) });
export const mine = definePlugin({
  type: 'mine', kinds: ['scorer', 'filter'], stability: 'alpha', summary: '', params,
  dependencies: ({ mode }) => {
    if (mode === 'dependencies') throw new Error('no dependencies');
    return {};
  },
  create: ({ mode }) => {
    if (mode === 'create') throw new Error('cannot create');
    return mode === 'promise' ? Promise.resolve({}) : { category: 'balance', score() {} };
  },
});
`,
    'epp.yaml': `${HEAD}plugins:
- {type: mine, name: a, module: ./mine.ts, parameters: {size: 0, sise: 1}}
- {type: mine, name: b, module: ./mine.ts, parameters: {mode: check}}
- {type: mine, name: c, module: ./mine.ts, parameters: {mode: dependencies}}
`,
    'created.yaml': `${HEAD}plugins:
- {type: mine, name: d, module: ./mine.ts, parameters: {mode: create}}
- {type: mine, name: e, module: ./mine.ts, parameters: {mode: promise}}
- {type: mine, name: f, module: ./mine.ts}
`,
  });
  const dir = dirname(file);
  expect(validate(file).out.trimEnd().split('\n')).toEqual([
    `${file}:4:63: error [invalid-value] plugins[0].parameters.size: got 0, want at least 1`,
    `${file}:4:66: error [unknown-key] plugins[0].parameters: unknown key 'sise', want one of size, mode; did you mean 'size'?`,
    `${file}:5:3: error [invalid-parameters] plugins[1].parameters: the check of them failed: check failed`,
    `${file}:6:3: error [invalid-parameters] plugin 'c': no dependencies (${dir}/mine.ts:9:40)`,
  ]);
  const created = join(dir, 'created.yaml');
  const errors = validate(created)
    .out.trimEnd()
    .split('\n')
    .filter((line) => line.includes(' error '));
  expect(errors).toEqual([
    `${created}:4:3: error [invalid-parameters] plugin 'd' (type mine) cannot start: cannot create (${dir}/mine.ts:13:34)`,
    `${created}:5:3: error [invalid-parameters] plugin 'e' (type mine) cannot start: create returned a promise, want the plugin`,
    `${created}:6:3: error [invalid-parameters] plugin 'f' (type mine) cannot start: it is listed as filter but has no method filter`,
  ]);
});

test('validate --run-contract shows how a plugin breaks its contract, and with what', () => {
  const file = folder({
    'broken.ts': `import { defineScorer, uncachedTokensKey, z, type Endpoint } from 'endpoint-picker/plugin';
export const broken = defineScorer({
  type: 'broken', stability: 'beta', summary: '', params: z.strictObject({}),
  create: () => ({
    category: 'balance',
    score(_request: unknown, candidates: Endpoint[], out: Float64Array) {
      candidates[0]?.attributes.get(uncachedTokensKey('p'));
      candidates.sort((a, b) => a.metrics.waitingQueueSize - b.metrics.waitingQueueSize);
      for (let i = 0; i <= candidates.length; i += 1) out[i] = i === 2 ? 2 : Math.random();
    },
  }),
});
`,
    'epp.yaml': `${HEAD}plugins:\n- {type: broken, module: ./broken.ts}\n`,
  });
  const { status, out } = validate(file, '--run-contract');
  expect(status).toBe(1);
  const lines = out.split('\n').map((line) => line.trim());
  expect(lines).toContain('ok    scorer: its category says what it pulls towards');
  const of = (property: string) => lines.slice(lines.indexOf(`FAIL  scorer: ${property}`) + 1);
  expect(of('scores lie in [0, 1]')[0]).toBe('out[2] is 2, with');
  expect(of('scores lie in [0, 1]')[2]).toBe('3 candidates');
  expect(of('nothing is written past the candidates')[2]).toBe('0 candidates');
  expect(of('the same request gets the same scores again')[2]).toBe('1 candidate');
  expect(of('the candidates stay as they are')[2]).toBe('2 candidates');
  const [undeclared, , size] = of('it touches only data that its dependencies declare');
  expect([undeclared, size]).toEqual(['it read UncachedRequestTokensDataKey/p, with', '1 candidate']);
  expect(lines).toContain('contract: broken');
});

test('a module that ends the process does not pass for valid', () => {
  const file = folder({
    'exit.ts': 'process.exit(0);\n',
    'epp.yaml': `${HEAD}plugins:\n- {type: exit, module: ./exit.ts}\n`,
  });
  const { status, err } = validate(file);
  expect(status).toBe(1);
  expect(err).toContain('"msg":"a plugin ended the process","module":"./exit.ts"');
});
