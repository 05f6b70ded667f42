import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { FLAGS } from '../src/cli/flags/table.ts';
import { duration, quantity } from '../src/framework/schema.ts';
import { CATALOGUE } from '../src/plugins/catalogue.ts';
import { generatedDocs, pluginPages } from './support/generate-docs.ts';
import { parameterTable } from './support/parameter-table.ts';
import { adviceOf } from './support/plugin-index.ts';

test('generated pages are current: npm run docs writes them', () => {
  for (const [file, content] of generatedDocs()) {
    expect(existsSync(file), `${file} is missing`).toBe(true);
    expect(readFileSync(file, 'utf8'), `${file} is out of date`).toBe(content);
  }
});

test('every plugin has its page, and its page says when to use it', () => {
  const pages = pluginPages();
  const without = CATALOGUE.filter(({ type, needs }) => needs === undefined && !pages.has(type));
  expect(without.map((definition) => definition.type)).toEqual([]);
  for (const [type, file] of pages) {
    expect(readFileSync(file, 'utf8'), file).toMatch(new RegExp(`^# .*${type}`));
    const { use, not } = adviceOf(file);
    expect([use, not]).not.toContain('');
  }
});

test('every parameter says what it means', () => {
  const silent = CATALOGUE.flatMap((definition) =>
    parameterTable(definition.params)
      .split('\n')
      .filter((row) => row.endsWith('| |'))
      .map((row) => `${definition.type}: ${row}`),
  );
  expect(silent).toEqual([]);
});

test('every flag is in the page of flags', () => {
  const page = readFileSync('docs/flags.md', 'utf8');
  for (const flag of FLAGS) expect(page).toContain(`\`--${flag.name}\``);
});

test('a table shows nested parameters, defaults in the units people write, and ranges', () => {
  const table = parameterTable(
    z.strictObject({
      ratio: z.number().gt(0).max(1).default(0.5).describe('A share.'),
      wait: duration().default(1500).describe('How long.'),
      size: quantity().optional().describe('How much.'),
      mode: z.enum(['a', 'b']).default('a').describe('Which | how.'),
      items: z
        .array(z.strictObject({ name: z.string().describe('Name.') }))
        .min(1)
        .describe('Things.'),
      inner: z
        .strictObject({ on: z.boolean().default(true).describe('Switch.') })
        .optional()
        .describe('Inside.'),
    }),
  );
  expect(table.split('\n').slice(2)).toEqual([
    '| `ratio` | float | `0.5` | > 0, ≤ 1 | A share. |',
    '| `wait` | duration | `1500ms` | | How long. |',
    '| `size` | quantity | | | How much. |',
    '| `mode` | choice | `a` | `a`, `b` | Which \\| how. |',
    '| `items` | list of object | required | at least 1 | Things. |',
    '| `items[].name` | string | required | | Name. |',
    '| `inner` | object | | | Inside. |',
    '| `inner.on` | bool | `true` | | Switch. |',
  ]);
  expect(parameterTable(z.strictObject({}))).toBe('None.');
});
