import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PageError, PageScanner } from './prometheus-text.ts';

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
  timestamp: number;
}

/** What the scanner finds, with the labels in `labels`. */
function scan(names: readonly string[], page: string | Buffer, labels: readonly string[] = []): Sample[] {
  const scanner = new PageScanner(names);
  const samples: Sample[] = [];
  scanner.open(typeof page === 'string' ? Buffer.from(page) : page);
  for (let i = scanner.next(); i >= 0; i = scanner.next()) {
    const found: Record<string, string> = {};
    for (const label of labels) {
      const value = scanner.label(Buffer.from(label));
      if (value === undefined) continue;
      found[label] = value;
      expect(scanner.hasLabel(Buffer.from(label), Buffer.from(value))).toBe(true);
      expect(scanner.hasLabel(Buffer.from(label), Buffer.from(`${value}x`))).toBe(false);
    }
    samples.push({
      name: names[i] ?? '',
      labels: found,
      value: scanner.value,
      timestamp: scanner.timestamp,
    });
  }
  return samples;
}

const LINE =
  /^[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*(?:\{(.*)\})?[ \t]*(\S+)(?:[ \t]+([-\d.]+))?[ \t]*(?:#.*)?\r?$/;
const LABEL = /[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)/g;

/** A full parser, written for clarity: reads every line into objects. */
function parseAll(page: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of page.split('\n')) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const match = LINE.exec(line);
    if (match === null) throw new Error(`the oracle cannot read ${line}`);
    const labels: Record<string, string> = {};
    for (const [, name = '', raw = ''] of (match[2] ?? '').matchAll(LABEL)) {
      labels[name] ??= raw.replace(/\\([\\"n])/g, (_, c: string) => (c === 'n' ? '\n' : c));
    }
    const number = (match[3] ?? '').replace(/^([+-]?)inf$/i, '$1Infinity');
    samples.push({
      name: match[1] ?? '',
      labels,
      value: Number(number),
      timestamp: Number(match[4] ?? Number.NaN),
    });
  }
  return samples;
}

describe('one line', () => {
  test.each([
    { name: 'a bare sample', page: 'm 4\n', want: [4] },
    { name: 'the first line of a page', page: 'm{a="b"} 4.0\n# x\n', want: [4] },
    { name: 'an empty page', page: '', want: [] },
    { name: 'blank lines and comments only', page: '\n\n# m 3\n  # m 4\n#', want: [] },
    { name: 'CRLF line ends', page: '# HELP m x\r\nm 1\r\nm 2 5\r\n', want: [1, 2] },
    { name: 'tabs between fields', page: '\tm\t{a="b"}\t7\t99\t\n', want: [7] },
    { name: 'blanks in the label set', page: 'm { a = "b" , c = "d" } 7\n', want: [7] },
    { name: 'a trailing comma', page: 'm{a="b",} 7\n', want: [7] },
    { name: 'an empty label set', page: 'm{} 7\n', want: [7] },
    { name: 'a brace in a value', page: 'm{a="}"} 7\n', want: [7] },
    { name: 'escapes', page: 'm{a="\\"\\\\"} 7\n', want: [7] },
    { name: 'an OpenMetrics end', page: 'm 7\n# EOF\n', want: [7] },
    { name: 'an OpenMetrics exemplar', page: 'm 7 12.5 # {t="x"} 0.5\nm 8 # {} 1\n', want: [7, 8] },
    { name: 'names that only begin alike', page: 'm2 1\nm_total 2\nm 3\n', want: [3] },
    { name: 'names that only end alike', page: 'xm 1\nx m\n', want: [] },
    { name: 'a name inside a label value', page: 'x{a="m 3"} 1\nx{a="\\nm 3"} 1\n', want: [] },
    { name: 'a quoted name elsewhere', page: '{"my.metric",a="b"} 1\nm 2\n', want: [2] },
    { name: 'numbers', page: 'm 1e3\nm -2.5\nm +7\nm .5\nm 5.\n', want: [1000, -2.5, 7, 0.5, 5] },
    {
      name: 'numbers that are no counts',
      page: 'm NaN\nm +Inf\nm -Inf\nm inf\nm nan\n',
      want: [Number.NaN, Infinity, -Infinity, Infinity, Number.NaN],
    },
    {
      name: 'digits beyond a double',
      page: 'm 0.10000000000000000555\nm 9007199254740993\nm 1.7880000005e+09\n',
      want: [0.1, 9007199254740992, 1788000000.5],
    },
    { name: 'HTML', page: '<!DOCTYPE html>\n<html>m 3\n</html>', error: /line 1 is no metrics line/ },
    { name: 'HTML after blank lines', page: '\n\n <html>\n', error: /line 3 is no metrics line/ },
    { name: 'JSON', page: '{"detail":"Not Found"}', error: /line 1 has no name|label/ },
    { name: 'JSON, empty', page: '{}\n', error: /no name/ },
    { name: 'a sentence', page: 'not found\n', error: /no number/ },
    { name: 'no line end', page: 'x 1\nm 4', error: /line 2 has no line end: the page is cut off/ },
    { name: 'no value', page: 'x 1\nm{a="b"}\n', error: /line 2 has no value/ },
    { name: 'a value of letters', page: 'm x\n', error: /no number/ },
    { name: 'a hexadecimal value', page: 'm 0x10\n', error: /no number/ },
    { name: 'a value of nothing but a sign', page: 'm -\n', error: /no number/ },
    { name: 'no end of the label set', page: 'm{a="b" 4\n', error: /malformed label set/ },
    { name: 'no end of a string', page: 'm{a="b} 4\nm 4\n', error: /string without end/ },
    { name: 'an escape at the end of the line', page: 'm{a="b\\\nm 4\n', error: /string without end/ },
    { name: 'a label without value', page: 'm{a} 4\n', error: /label without value/ },
    { name: 'a label without name', page: 'm{="x"} 4\n', error: /malformed label set/ },
    { name: 'a label value without quotes', page: 'm{a=b} 4\n', error: /without quotes/ },
    { name: 'more after the timestamp', page: 'm 4 5 6\n', error: /goes on/ },
  ])('$name', ({ page, want, error }) => {
    if (error !== undefined) {
      expect(() => scan(['m'], page)).toThrow(PageError);
      expect(() => scan(['m'], page)).toThrow(error);
    } else {
      expect(scan(['m'], page).map((sample) => sample.value)).toEqual(want);
    }
  });

  test('label values are decoded, the first of two equal names counts', () => {
    const page = 'm{a="esc \\"q\\" \\\\ \\n, } x",b="é",a="2",c="\\t"} 1 1788000000000\n';
    expect(scan(['m'], page, ['a', 'b', 'c', 'd'])).toEqual([
      {
        name: 'm',
        labels: { a: 'esc "q" \\ \n, } x', b: 'é', c: '\\t' },
        value: 1,
        timestamp: 1788000000000,
      },
    ]);
  });

  test('any number of labels is read', () => {
    const labels = Array.from({ length: 300 }, (_, i) => `l${i}="${i}"`).join(',');
    expect(scan(['m'], `m{${labels}} 1\n`, ['l299'])[0]?.labels).toEqual({ l299: '299' });
  });

  test('a scanner without names reads nothing and still refuses HTML', () => {
    expect(scan([], 'm 1\n')).toEqual([]);
    expect(() => scan([], '<html>')).toThrow(PageError);
  });

  test('a scanner that failed reads the next page', () => {
    const scanner = new PageScanner(['m']);
    expect(() => scanner.open(Buffer.from('<'))).toThrow(PageError);
    scanner.open(Buffer.from('m 2\n'));
    expect(scanner.next()).toBe(0);
    expect(scanner.value).toBe(2);
    expect(scanner.next()).toBe(-1);
    expect(scanner.next()).toBe(-1);
  });
});

const FIXTURES = [
  'vllm-0.32.0/metrics-idle.txt',
  'vllm-0.32.0/metrics-busy.txt',
  'vllm-0.32.0/metrics-busy-2.txt',
  'vllm-0.32.0/metrics-after.txt',
  'vllm-0.32.0-dp2/metrics-busy.txt',
  'vllm-0.32.0-dp2/metrics-after.txt',
];

describe.each(FIXTURES)('captured page %s', (fixture) => {
  const page = readFileSync(new URL(`../../test/fixtures/${fixture}`, import.meta.url));
  const all = parseAll(page.toString('utf8'));
  const names = [...new Set(all.map((sample) => sample.name))];

  test('all names at once give what the full parser gives', () => {
    const labels = [...new Set(all.flatMap((sample) => Object.keys(sample.labels)))];
    expect(scan(names, page, labels)).toEqual(all);
  });

  test('a few names give what the full parser gives for them', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 6 }), (wanted) => {
        const want = all.filter((sample) => wanted.includes(sample.name));
        expect(scan(wanted, page, ['engine', 'le'])).toEqual(
          want.map((sample) => ({
            ...sample,
            labels: Object.fromEntries(
              Object.entries(sample.labels).filter(([label]) => label === 'engine' || label === 'le'),
            ),
          })),
        );
      }),
      { numRuns: 30 },
    );
  });
});

const anyName = fc.constantFrom('m', 'mm', 'vllm:a', 'vllm:ab', 'vllm:a_total', 'b', 'go_x', 'mvllm:a');
const anyBlank = fc.constantFrom(' ', '\t', '  ', ' \t ');
const anyNumber = fc.oneof(
  fc.double().map(String),
  fc.integer().map((n) => `${n}.0`),
  fc.constantFrom('NaN', '+Inf', '-Inf', '1e5', '1.7952526565126731e+09', '0.923076923076923', '-0'),
);
const anyLabel = fc.tuple(
  fc.constantFrom('engine', 'le', 'a', 'model_name'),
  fc
    .string()
    .map((text) => text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n').replace(/\r/g, '')),
);
const anyLine = fc.oneof(
  fc
    .record({
      indent: fc.constantFrom('', '', ' ', '\t'),
      name: anyName,
      labels: fc.option(fc.array(anyLabel, { maxLength: 4 })),
      comma: fc.constantFrom('', ','),
      blank: anyBlank,
      value: anyNumber,
      timestamp: fc.option(fc.nat().map(String)),
      end: fc.constantFrom('\n', '\r\n', ' \n'),
    })
    .map(({ indent, name, labels, comma, blank, value, timestamp, end }) => {
      const pairs = labels?.map(([label, text]) => `${label}="${text}"`).join(`,${blank}`);
      const set = pairs === undefined ? '' : `{${pairs}${pairs === '' ? '' : comma}}`;
      return `${indent}${name}${set}${blank}${value}${timestamp === null ? '' : blank + timestamp}${end}`;
    }),
  fc.constantFrom('\n', '# HELP m Some m 3.\n', '# TYPE vllm:a gauge\n', '#\n', '# EOF\n', ' \t\n'),
);

test('generated pages give what the full parser gives', () => {
  fc.assert(
    fc.property(
      fc.array(anyLine, { maxLength: 30 }),
      fc.uniqueArray(anyName, { minLength: 1 }),
      (lines, names) => {
        const page = lines.join('');
        const want = parseAll(page).filter((sample) => (names as string[]).includes(sample.name));
        expect(scan(names, page, ['engine', 'le', 'a', 'model_name'])).toEqual(want);
      },
    ),
    { numRuns: 500 },
  );
});

const MUTABLE = readFileSync(
  new URL('../../test/fixtures/vllm-0.32.0-dp2/metrics-busy.txt', import.meta.url),
);

test.each([
  { kind: 'arbitrary bytes', pages: fc.uint8Array({ maxLength: 2_000 }).map((bytes) => Buffer.from(bytes)) },
  {
    kind: 'bytes that matter',
    pages: fc
      .array(fc.constantFrom(...'m{}="\\,# \t\r\n1.eN-<'), { maxLength: 60 })
      .map((chars) => Buffer.from(chars.join(''))),
  },
  {
    kind: 'a captured page with damage',
    pages: fc
      .array(fc.tuple(fc.nat(MUTABLE.length - 1), fc.nat(255)), { minLength: 1, maxLength: 400 })
      .map((changes) => {
        const page = Buffer.from(MUTABLE);
        for (const [at, byte] of changes) page[at] = byte;
        return page;
      }),
  },
  { kind: 'a captured page cut off', pages: fc.nat(MUTABLE.length).map((end) => MUTABLE.subarray(0, end)) },
])('$kind: ends, and fails with nothing but a page error', ({ pages }) => {
  fc.assert(
    fc.property(pages, (page) => {
      try {
        scan(['m', 'vllm:num_requests_running', 'vllm:cache_config_info'], page);
      } catch (error) {
        expect(error).toBeInstanceOf(PageError);
      }
    }),
    { numRuns: 300 },
  );
});
