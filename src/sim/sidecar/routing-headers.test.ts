import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ApiError } from '../api-error.ts';
import { hostOf, readRoute } from './routing-headers.ts';

const NOTHING = { prefill: undefined, encoders: [], rank: undefined };

test.each([
  { name: 'no header', headers: {}, want: {} },
  {
    name: 'empty headers',
    headers: { 'x-prefiller-host-port': ' , ', 'x-encoder-hosts-ports': '' },
    want: {},
  },
  {
    name: 'the first prefill server of a list',
    headers: { 'x-prefiller-host-port': ' 10.0.0.1:8000 ,10.0.0.2:8000' },
    want: { prefill: '10.0.0.1:8000' },
  },
  {
    name: 'the first of several headers',
    headers: { 'x-prefiller-host-port': ['10.0.0.1:8000', '10.0.0.2:8000'] },
    want: { prefill: '10.0.0.1:8000' },
  },
  {
    name: 'all encoders',
    headers: { 'x-encoder-hosts-ports': '10.0.0.1:1, [::1]:2,' },
    want: { encoders: ['10.0.0.1:1', '[::1]:2'] },
  },
  {
    name: 'a rank',
    headers: { 'x-data-parallel-host-port': '10.0.0.1:8003' },
    want: { rank: '10.0.0.1:8003' },
  },
  { name: 'a source alone', headers: { 'x-kv-cache-source-host-port': '10.0.0.1:8000' }, want: {} },
])('a route from $name', ({ headers, want }) => {
  expect(readRoute(headers, [])).toEqual({ ...NOTHING, ...want });
});

test.each([
  [['10.0.0.1'], '10.0.0.1:8000', true],
  [['10.0.0.1:8000'], '10.0.0.1:8000', true],
  [['10.0.0.1:8000'], '10.0.0.1:8001', false],
  [['10.0.0.1'], '10.0.0.10:8000', false],
  [['fd00::1'], '[fd00::1]:8000', true],
  [['10.0.0.1'], 'metadata.internal:80', false],
])('hosts %j allow %s: %s', (allowed, address, isAllowed) => {
  const prefill = () => readRoute({ 'x-prefiller-host-port': address }, allowed).prefill;
  if (isAllowed) expect(prefill()).toBe(address);
  else expect(prefill).toThrow(expect.objectContaining({ status: 403 }));
  const { encoders } = readRoute({ 'x-encoder-hosts-ports': address }, allowed);
  expect(encoders).toEqual(isAllowed ? [address] : []);
});

test.each([
  ['10.0.0.1:80', '10.0.0.1'],
  ['[::1]:80', '::1'],
  ['host', 'host'],
])('the host of %s is %s', (address, host) => {
  expect(hostOf(address)).toBe(host);
});

test('any headers give a route whose hosts are allowed, or 403', () => {
  const value = fc.oneof(
    fc.string(),
    fc.array(fc.string()),
    fc.constantFrom('a:1', 'b:2', 'a:1,b:2', 'b:2,a:1'),
  );
  const names = ['x-prefiller-host-port', 'x-encoder-hosts-ports'] as const;
  fc.assert(
    fc.property(fc.constantFrom(...names), value, (name, text) => {
      try {
        const { prefill, encoders } = readRoute({ [name]: text }, ['a']);
        const named = [prefill, ...encoders].filter((host) => host !== undefined);
        for (const address of named) expect(hostOf(address)).toBe('a');
      } catch (error) {
        expect(error).toBeInstanceOf(ApiError);
        expect(error).toMatchObject({ status: 403 });
      }
    }),
  );
});
