import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseFault } from './fault.ts';

test.each([
  ['{"mode":"hang"}', { fault: { mode: 'hang' }, scope: 'inference', count: Infinity }],
  ['{"mode":"refuse","scope":"all","count":2}', { fault: { mode: 'refuse' }, scope: 'all', count: 2 }],
  ['{"mode":"die"}', { fault: { mode: 'die', afterTokens: 1 }, scope: 'inference', count: Infinity }],
  [
    '{"mode":"die","afterTokens":9}',
    { fault: { mode: 'die', afterTokens: 9 }, scope: 'inference', count: Infinity },
  ],
  ['{"mode":"status"}', { fault: { mode: 'status', status: 503 }, scope: 'inference', count: Infinity }],
  [
    '{"mode":"status","status":429}',
    { fault: { mode: 'status', status: 429 }, scope: 'inference', count: Infinity },
  ],
  [
    '{"mode":"status","status":42}',
    { fault: { mode: 'status', status: 503 }, scope: 'inference', count: Infinity },
  ],
  ['{"mode":"explode"}', undefined],
  ['[]', undefined],
  ['null', undefined],
  ['nope', undefined],
])('parseFault(%s)', (text, setting) => {
  expect(parseFault(text)).toEqual(setting);
});

test('parseFault never throws', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parseFault(text)));
});
