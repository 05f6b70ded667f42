import { expect, test } from 'vitest';
import { redact } from './redact.ts';

test.each([
  { name: 'camel case', value: { hfToken: 'x' }, want: { hfToken: '[redacted]' } },
  { name: 'kebab case', value: { 'api-key': 'x' }, want: { 'api-key': '[redacted]' } },
  { name: 'snake case', value: { private_key: 'x' }, want: { private_key: '[redacted]' } },
  { name: 'upper case', value: { PASSWORD: 'x' }, want: { PASSWORD: '[redacted]' } },
  { name: 'nested', value: { a: [{ secret: 'x', b: 1 }] }, want: { a: [{ secret: '[redacted]', b: 1 }] } },
  { name: 'list of secrets', value: { token: ['x', 'y'] }, want: { token: '[redacted]' } },
  { name: 'object under a secret name', value: { token: { path: '/t' } }, want: { token: { path: '/t' } } },
  { name: 'empty', value: { token: '' }, want: { token: '' } },
  {
    name: 'tokens are counts',
    value: { maxTokens: 5, tokenizer: 'x' },
    want: { maxTokens: 5, tokenizer: 'x' },
  },
  { name: 'plain key', value: { key: 'zone' }, want: { key: 'zone' } },
  {
    name: 'user information',
    value: { address: 'redis://user:pw@cache:6379/0' },
    want: { address: 'redis://[redacted]@cache:6379/0' },
  },
  { name: 'no user information', value: 'http://a/b@c', want: 'http://a/b@c' },
  { name: 'other values', value: [null, true, 3, undefined], want: [null, true, 3, undefined] },
])('$name', ({ value, want }) => {
  const before = structuredClone(value);
  expect(redact(value)).toEqual(want);
  expect(value).toEqual(before);
});
