import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, request } from '../../../test/support/builders.ts';
import { loadConfiguration } from '../../config/load.ts';
import { InferenceResponse } from '../../framework/response.ts';
import { CATALOGUE } from '../catalogue.ts';
import { requestAttributeReporter } from './request-attribute-reporter.ts';

/** What is told of a response with 7 prompt tokens, 10 others and 4 cached ones unless `usage` says otherwise. */
function told(expression: string, condition?: string, usage: object = {}) {
  const attributes = [{ key: { name: 'cost' }, expression, ...(condition !== undefined && { condition }) }];
  const params = requestAttributeReporter.params.parse({ attributes });
  const response = new InferenceResponse();
  const known = { promptTokens: 7, completionTokens: 10, totalTokens: 17, cachedTokens: 4 };
  Object.assign(response.usage, { ...known, ...usage });
  const reporter = requestAttributeReporter.create(params, context());
  reporter.responseComplete();
  return reporter.finalMetadata(request(), response)?.value;
}

test.each([
  { expression: 'usage.completion_tokens', want: 10 },
  { expression: 'usage.prompt_tokens + usage.completion_tokens * 3', want: 37 },
  { expression: '2 * usage.prompt_tokens - 1', want: 13 },
  { expression: 'usage.total_tokens * 0.5', want: 8 },
  { expression: '100 / usage.completion_tokens', want: 10 },
  { expression: 'usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens', want: 3 },
  { expression: 'usage.prompt_tokens > 5.0 ? 2 : 1', want: 2 },
  { expression: '-1 * usage.prompt_tokens', want: -7 },
  { expression: '5', want: 5 },
  { expression: 'usage.prompt_tokens * 0', want: undefined },
  { expression: '0.9', want: undefined },
  { expression: 'usage.prompt_tokens / 0', want: undefined },
])('$expression → $want', ({ expression, want }) => {
  expect(told(expression)).toBe(want);
});

test.each([
  { condition: '', want: 10 },
  { condition: 'has(usage.completion_tokens)', want: 10 },
  { condition: 'usage.prompt_tokens > 100', want: undefined },
  { condition: 'has(usage.nothing)', want: undefined },
  { condition: 'usage.prompt_tokens', want: undefined },
])('on condition "$condition" → $want', ({ condition, want }) => {
  expect(told('usage.completion_tokens', condition)).toBe(want);
});

test('counts that were not reported are 0; details are absent then; without any count nothing is told', () => {
  const NONE = Number.NaN;
  expect(told('usage.prompt_tokens + usage.completion_tokens', undefined, { completionTokens: NONE })).toBe(
    7,
  );
  expect(told('has(usage.prompt_tokens_details) ? 1 : 2', undefined, { cachedTokens: NONE })).toBe(2);
  expect(told('5', undefined, { promptTokens: NONE, completionTokens: NONE })).toBeUndefined();
});

test('what gives no number at the end is a fault of the plugin', () => {
  expect(() => told('usage.nothing')).toThrow('No such key: nothing');
  expect(() => told('usage.prompt_tokens_details')).toThrow('gave a object, wanted a number');
});

test('the key and its namespace', () => {
  const keyOf = (key: object) => {
    const params = requestAttributeReporter.params.parse({ attributes: [{ key, expression: '1' }] });
    const response = new InferenceResponse();
    response.usage.promptTokens = 1;
    return requestAttributeReporter.create(params, context()).finalMetadata(request(), response);
  };
  expect(keyOf({ name: 'a' })).toEqual({ namespace: 'envoy.lb', key: 'a', value: 1 });
  expect(keyOf({ name: 'a', namespace: '' })).toEqual({ namespace: 'envoy.lb', key: 'a', value: 1 });
  expect(keyOf({ name: 'a', namespace: 'billing' })).toEqual({ namespace: 'billing', key: 'a', value: 1 });
});

const GOOD = '{key: {name: a}, expression: usage.prompt_tokens}';

test.each([
  { name: 'no parameters', parameters: '', want: /attributes/ },
  { name: 'no attribute', parameters: 'attributes: []', want: /attributes/ },
  { name: 'two attributes', parameters: `attributes: [${GOOD}, ${GOOD}]`, want: /attributes/ },
  { name: 'no key', parameters: 'attributes: [{expression: "1"}]', want: /key/ },
  { name: 'an empty name', parameters: 'attributes: [{key: {name: ""}, expression: "1"}]', want: /name/ },
  { name: 'no expression', parameters: 'attributes: [{key: {name: a}}]', want: /expression/ },
  {
    name: 'an expression that is cut off',
    parameters: 'attributes: [{key: {name: a}, expression: "1 +"}]',
    want: /attributes\[0\]\.expression.*no valid CEL expression: Unexpected token: EOF/,
  },
  {
    name: 'an unknown variable',
    parameters: 'attributes: [{key: {name: a}, expression: "tokens"}]',
    want: /no valid CEL expression: Unknown variable: tokens/,
  },
  {
    name: 'a text',
    parameters: `attributes: [{key: {name: a}, expression: "'a'"}]`,
    want: /no valid CEL expression: it gives string, want int/,
  },
  {
    name: 'a condition that is a number',
    parameters: 'attributes: [{key: {name: a}, expression: "1", condition: "1"}]',
    want: /condition.*no valid CEL expression: it gives int, want bool/,
  },
  {
    name: 'an unknown member',
    parameters: 'attributes: [{key: {name: a}, expression: "1", x: 1}]',
    want: /x/,
  },
])('the start fails for $name, and says why', ({ parameters, want }) => {
  const text = `plugins:\n- type: request-attribute-reporter\n${parameters === '' ? '' : `  parameters: {${parameters}}\n`}`;
  const { document, problems } = loadConfiguration(text, { catalogue: CATALOGUE });
  expect(document).toBeUndefined();
  const errors = problems.filter(({ severity }) => severity === 'error').map(({ message }) => message);
  expect(errors).toEqual([expect.stringMatching(want)]);
});

test('any text is an expression or none; any counts are evaluated', () => {
  const count = fc.oneof(fc.nat(), fc.constant(Number.NaN));
  const text = fc.oneof(
    fc.string(),
    fc
      .array(
        fc.constantFrom(
          'usage',
          '.prompt_tokens',
          '.completion_tokens',
          '+',
          '*',
          '/',
          '(',
          ')',
          ' 2 ',
          '1.5',
        ),
      )
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, count, count, (expression, promptTokens, completionTokens) => {
      const attributes = [{ key: { name: 'a' }, expression }];
      if (!requestAttributeReporter.params.safeParse({ attributes }).success) return;
      try {
        const value = told(expression, undefined, { promptTokens, completionTokens });
        expect(value === undefined || Number.isInteger(value)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
  );
});
