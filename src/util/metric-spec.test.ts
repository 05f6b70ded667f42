import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MetricSpecError, parseMetricSpec } from './metric-spec.ts';

test.each([
  { text: 'm', name: 'm', labels: [] },
  { text: ' m ', name: 'm', labels: [] },
  { text: 'vllm:num_requests_waiting', name: 'vllm:num_requests_waiting', labels: [] },
  { text: 'm{a=b}', name: 'm', labels: [['a', 'b']] },
  { text: 'm{a="b"}', name: 'm', labels: [['a', 'b']] },
  {
    text: 'm { a = b , c="d" }',
    name: 'm',
    labels: [
      ['a', 'b'],
      ['c', 'd'],
    ],
  },
  { text: 'm{}', name: 'm', labels: [] },
  { text: 'm{ }', name: 'm', labels: [] },
  { text: 'm{a=""}', name: 'm', labels: [['a', '']] },
  { text: 'm{a="two words"}', name: 'm', labels: [['a', 'two words']] },
])('metric specification $text', ({ text, name, labels }) => {
  expect(parseMetricSpec(text)).toEqual({
    name,
    labels: labels.map(([label, value]) => ({ name: label, value })),
  });
});

test.each(['', '   '])('metric specification %j switches the metric off', (text) => {
  expect(parseMetricSpec(text)).toBeUndefined();
});

test.each([
  { text: 'm{a=b', message: /not a valid metric specification/ },
  { text: 'ma=b}', message: /not a valid metric specification/ },
  { text: 'm{a=b}x', message: /not a valid metric specification/ },
  { text: '{a=b}', message: /not a valid metric specification/ },
  { text: '1m', message: /not a valid metric specification/ },
  { text: 'm m', message: /not a valid metric specification/ },
  { text: 'm{a}', message: /invalid label pair "a"/ },
  { text: 'm{=b}', message: /invalid label pair/ },
  { text: 'm{a=}', message: /invalid label pair/ },
  { text: 'm{a=b,}', message: /invalid label pair/ },
  { text: 'm{a="b,c"}', message: /invalid label pair/ },
  { text: 'm{a:b=c}', message: /invalid label pair/ },
])('metric specification $text is refused', ({ text, message }) => {
  expect(() => parseMetricSpec(text)).toThrow(message);
});

test('any text is read or refused with the specification error', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        parseMetricSpec(text);
      } catch (error) {
        expect(error).toBeInstanceOf(MetricSpecError);
      }
    }),
  );
});
