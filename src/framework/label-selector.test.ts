import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigurationError } from './errors.ts';
import {
  formatLabelSelector,
  type LabelSelector,
  matchesLabels,
  matchLabelsSelector,
  parseLabelSelector,
} from './label-selector.ts';

/** Selected by `selector` among pods that are told apart by label `a` alone; '-' is the one without it. */
function selectedOf(selector: string, values: readonly (string | undefined)[]): string {
  const parsed = parseLabelSelector(selector);
  return values
    .filter((value) => matchesLabels(parsed, new Map(value === undefined ? [] : [['a', value]])))
    .map((value) => value ?? '-')
    .join(' ');
}

test.each([
  { selector: '', canonical: '', want: '- x y 5 10' },
  { selector: '  ', canonical: '', want: '- x y 5 10' },
  { selector: 'a=x', canonical: 'a=x', want: 'x' },
  { selector: 'a == x', canonical: 'a=x', want: 'x' },
  { selector: 'a!=x', canonical: 'a!=x', want: '- y 5 10' },
  { selector: 'a in (y,x)', canonical: 'a in (x,y)', want: 'x y' },
  { selector: 'a in(x)', canonical: 'a=x', want: 'x' },
  { selector: 'a notin ( x , y )', canonical: 'a notin (x,y)', want: '- 5 10' },
  { selector: 'a', canonical: 'a', want: 'x y 5 10' },
  { selector: '!a', canonical: '!a', want: '-' },
  { selector: '! a', canonical: '!a', want: '-' },
  { selector: 'a>5', canonical: 'a>5', want: '10' },
  { selector: 'a < 10', canonical: 'a<10', want: '5' },
  { selector: 'a>007', canonical: 'a>7', want: '10' },
  { selector: 'a>4,a<6', canonical: 'a<6,a>4', want: '5' },
  { selector: 'a=x,a=x', canonical: 'a=x', want: 'x' },
  { selector: 'a=x,a=y', canonical: 'a=x,a=y', want: '' },
  { selector: 'a,a!=x,a!=y', canonical: 'a,a!=x,a!=y', want: '5 10' },
])('"$selector" selects by label a', ({ selector, canonical, want }) => {
  expect(formatLabelSelector(parseLabelSelector(selector))).toBe(canonical);
  expect(selectedOf(selector, [undefined, 'x', 'y', '5', '10'])).toBe(want);
});

test.each([
  { selector: 'z=1,b=2', canonical: 'b=2,z=1' },
  {
    selector: 'env in (prod,dev),tier notin (web),!legacy,gpu',
    canonical: 'env in (dev,prod),gpu,!legacy,tier!=web',
  },
  { selector: 'llm-d.ai/role=decode', canonical: 'llm-d.ai/role=decode' },
  { selector: 'a=', canonical: 'a=' },
  { selector: 'a=,b', canonical: 'a=,b' },
  { selector: 'a in ()', canonical: 'a=' },
  { selector: 'a in (,x)', canonical: 'a in (,x)' },
  { selector: 'in in (in,notin)', canonical: 'in in (in,notin)' },
  { selector: 'notin=in', canonical: 'notin=in' },
])('"$selector" is "$canonical"', ({ selector, canonical }) => {
  expect(formatLabelSelector(parseLabelSelector(selector))).toBe(canonical);
});

test.each([
  { selector: 'a b', problem: "got 'b' at column 3, want an operator, ',' or the end" },
  { selector: 'a=b c', problem: "got 'c' at column 5, want ',' or the end" },
  { selector: 'a,', problem: 'got the end at column 3, want a label key' },
  { selector: ',a', problem: "got ',' at column 1, want a label key" },
  { selector: 'a,,b', problem: "got ',' at column 3, want a label key" },
  { selector: '!', problem: 'got the end at column 2, want a label key' },
  { selector: '!a=b', problem: "got '=' at column 3, want ',' or the end" },
  { selector: '=a', problem: "got '=' at column 1, want a label key" },
  { selector: 'a===b', problem: "got '=' at column 4, want a label value" },
  { selector: 'a in x', problem: "got 'x' at column 6, want '('" },
  { selector: 'a in (x', problem: "got the end at column 8, want ',' or ')'" },
  { selector: 'a in (x y)', problem: "got 'y' at column 9, want ',' or ')'" },
  { selector: 'a in ((x))', problem: "got '(' at column 7, want a label value" },
  { selector: 'a>x', problem: "got 'x' at column 3, want an integer" },
  { selector: 'a>-5', problem: "got '-5' at column 3, want an integer" },
  { selector: 'a>', problem: 'got the end at column 3, want an integer' },
  { selector: '-a=b', problem: "got '-a' at column 1, want a label key: optional DNS prefix" },
  { selector: '/a', problem: "got '/a' at column 1, want a label key" },
  { selector: 'UP.io/a', problem: "got 'UP.io/a' at column 1" },
  { selector: `${'k'.repeat(64)}=b`, problem: 'at column 1, want a label key' },
  { selector: 'a=b-', problem: "got 'b-' at column 3, want a label value" },
  { selector: `a=${'v'.repeat(64)}`, problem: 'at column 3, want a label value' },
  { selector: 'a=b/c', problem: "got 'b/c' at column 3, want a label value" },
])('"$selector" is refused', ({ selector, problem }) => {
  expect(() => parseLabelSelector(selector)).toThrow(ConfigurationError);
  expect(() => parseLabelSelector(selector)).toThrow(`label selector "${selector}": `);
  expect(() => parseLabelSelector(selector)).toThrow(problem);
});

test('matchLabels is the conjunction of its entries', () => {
  const selector = matchLabelsSelector(
    new Map([
      ['b', ''],
      ['a', 'x'],
    ]),
  );
  expect(formatLabelSelector(selector)).toBe('a=x,b=');
  expect(matchesLabels(selector, new Map([['a', 'x']]))).toBe(false);
  expect(
    matchesLabels(
      selector,
      new Map([
        ['a', 'x'],
        ['b', ''],
        ['c', 'y'],
      ]),
    ),
  ).toBe(true);
});

const key = fc.constantFrom('a', 'app.kubernetes.io/name', 'in', 'x_y.z');
const value = fc.constantFrom('', 'v', 'in', 'V-1_2.3', '7', '12');
const spaces = fc.constantFrom('', ' ', '\t ');
const requirement = fc.oneof(
  fc.tuple(key, spaces, fc.constantFrom('=', '==', '!='), spaces, value).map((parts) => parts.join('')),
  fc
    .tuple(key, fc.constantFrom('in', 'notin'), spaces, fc.array(value, { minLength: 1, maxLength: 4 }))
    .map(([name, operator, space, values]) => `${name} ${operator}${space}(${values.join(`${space},`)})`),
  fc.tuple(fc.constantFrom('', '!', '! '), key).map((parts) => parts.join('')),
  fc.tuple(key, fc.constantFrom('>', '<'), fc.nat()).map((parts) => parts.join('')),
);
const selectorText = fc.array(requirement, { maxLength: 5 }).map((all) => all.join(','));
const labels = fc.dictionary(key, value).map((object) => new Map(Object.entries(object)));

test('the canonical text reads back as the same selector', () => {
  fc.assert(
    fc.property(selectorText, (text) => {
      const selector = parseLabelSelector(text);
      expect(parseLabelSelector(formatLabelSelector(selector))).toEqual(selector);
    }),
  );
});

test('a selector matches where each of its parts does', () => {
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 5 }), labels, (parts, of) => {
      const each: LabelSelector[] = parts.map(parseLabelSelector);
      expect(matchesLabels(parseLabelSelector(parts.join()), of)).toBe(
        each.every((one) => matchesLabels(one, of)),
      );
    }),
  );
});

test('any text is read or refused with its own error', () => {
  const pieces = fc.constantFrom(
    'a',
    'b',
    'in',
    'notin',
    '(',
    ')',
    ',',
    '=',
    '==',
    '!=',
    '!',
    '<',
    '>',
    ' ',
    '-',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(pieces, { maxLength: 12 }).map((all) => all.join('')),
  );
  fc.assert(
    fc.property(text, (any) => {
      try {
        parseLabelSelector(any);
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigurationError);
      }
    }),
  );
});
