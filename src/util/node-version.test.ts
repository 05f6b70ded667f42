import { readFileSync } from 'node:fs';
import process from 'node:process';
import { expect, test } from 'vitest';
import { nodeFault } from './node-version.ts';

test.each([
  { version: '20.20.2', want: 'needs Node.js 24 or later, this is Node.js 20.20.2' },
  { version: '9.0.0', want: 'needs Node.js 24 or later, this is Node.js 9.0.0' },
  { version: '24.0.0', want: '' },
  { version: '100.1.0', want: '' },
  { version: process.versions.node, want: '' },
])('Node.js $version', ({ version, want }) => {
  expect(nodeFault(version)).toBe(want);
});

test('the oldest version is that of package.json', () => {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
  const [oldest = ''] = /\d+/.exec(engines.node) ?? [];
  expect(nodeFault(`${Number(oldest) - 1}.0.0`)).toContain(` ${oldest} or later`);
  expect(nodeFault(`${oldest}.0.0`)).toBe('');
});
