import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scanMembers, scanTail } from './json-scan.ts';

function values(text: string, name = 'model'): string[] | undefined {
  const bytes = Buffer.from(text);
  return scanMembers(bytes, name)?.values.map(({ start, end }) => bytes.toString('utf8', start, end));
}

test.each([
  { name: 'string', text: '{"model":"a"}', want: ['"a"'] },
  { name: 'white space and byte order mark', text: '\ufeff \r\n\t{ "model" :\n "a" }', want: ['"a"'] },
  { name: 'number at the end', text: '{"x":1,"model":-1.5e3}', want: ['-1.5e3'] },
  { name: 'null before another', text: '{"model":null,"x":1}', want: ['null'] },
  { name: 'object', text: '{"model":{"a":[1,"}"]}}', want: ['{"a":[1,"}"]}'] },
  { name: 'duplicates', text: '{"model":"a","b":2,"model":"c"}', want: ['"a"', '"c"'] },
  { name: 'nested of the same name', text: '{"a":{"model":"b"},"c":[{"model":"d"}]}', want: [] },
  { name: 'the name as a value', text: '{"a":"model","b":"\\"model\\":\\"x\\""}', want: [] },
  { name: 'brackets in strings', text: '{"a":"}{][\\"","model":"b"}', want: ['"b"'] },
  { name: 'escaped name', text: '{"mod\\u0065l":"a"}', want: ['"a"'] },
  { name: 'name with other escapes', text: '{"mode\\n":"a","mode\\\\":"b"}', want: [] },
  { name: 'escaped backslash before the quote', text: '{"a":"\\\\","model":"b"}', want: ['"b"'] },
  { name: 'multi-byte text', text: '{"ü":"日本","model":"ü😀"}', want: ['"ü😀"'] },
  { name: 'empty object', text: '{ }', want: [] },
  { name: 'cut in the value', text: '{"model":"a', want: [] },
  { name: 'cut in a number', text: '{"model":12', want: [] },
  { name: 'cut after the value', text: '{"model":"a","x":', want: ['"a"'] },
  { name: 'array', text: '[{"model":"a"}]', want: undefined },
  { name: 'text', text: 'no healthy upstream', want: undefined },
  { name: 'nothing', text: '', want: undefined },
])('scanMembers: $name', ({ text, want }) => {
  expect(values(text)).toEqual(want);
});

test('scanMembers: strings longer than what is walked by hand, with escapes at every distance', () => {
  for (let length = 0; length < 300; length += 1) {
    for (const end of ['', '\\\\', '\\"', '\\\\\\"']) {
      expect(values(`{"a":"${'x'.repeat(length)}${end}","model":"m"}`)).toEqual(['"m"']);
    }
  }
});

test('scanMembers: tells where the object opens and ends', () => {
  expect(scanMembers(Buffer.from('  {"a":1} tail'), 'x')).toEqual({
    open: 2,
    end: 9,
    isEmpty: false,
    values: [],
  });
  expect(scanMembers(Buffer.from('{}'), 'x')).toEqual({ open: 0, end: 2, isEmpty: true, values: [] });
  expect(scanMembers(Buffer.from('{"a":1'), 'x')?.end).toBe(-1);
});

/** Any JSON text of an object whose members often carry the wanted names, in any spacing. */
const documents = fc
  .tuple(
    fc.array(
      fc.tuple(
        fc.oneof(fc.constantFrom('model', 'usage', 'm'), fc.string({ unit: 'binary' })),
        fc.jsonValue(),
      ),
      { maxLength: 8 },
    ),
    fc.constantFrom('', ' ', '\n\t'),
    fc.boolean(),
  )
  .map(([members, space, escapes]) => {
    const text = (value: unknown) => {
      const json = JSON.stringify(value);
      return escapes ? json.replace(/[el\u0080-\uffff]/g, (char) => asEscape(char, json)) : json;
    };
    const parts = members.map(
      ([key, value]) => `${space}${text(key)}${space}:${space}${text(value)}${space}`,
    );
    return { text: `${space}{${parts.join(',')}}${space}`, members };
  });

/** `char` as an escape where that is allowed everywhere: not in literals such as `false` or exponents. */
function asEscape(char: string, json: string): string {
  if (char.charCodeAt(0) < 128 && !/^"[^"\\]*"$/.test(json)) return char;
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

test('scanMembers finds what JSON.parse finds, every duplicate in order', () => {
  fc.assert(
    fc.property(documents, ({ text, members }) => {
      const parsed: unknown = JSON.parse(text);
      const found = values(text) ?? [];
      const last = found.at(-1);
      expect(found.length).toBe(members.filter(([key]) => key === 'model').length);
      if (last !== undefined) expect(decoded(last)).toEqual(member(parsed, 'model'));
      expect(scanMembers(Buffer.from(text), 'model')?.end).toBe(Buffer.byteLength(text.trimEnd()));
    }),
  );
});

test('scanMembers on a cut document: only whole values, and no end', () => {
  fc.assert(
    fc.property(documents, fc.nat(), ({ text }, at) => {
      const bytes = Buffer.from(text);
      const whole = values(text) ?? [];
      const cut = bytes.subarray(0, at % bytes.length);
      const scan = scanMembers(cut, 'model');
      if (scan === undefined) return;
      const found = scan.values.map(({ start, end }) => cut.toString('utf8', start, end));
      expect(found).toEqual(whole.slice(0, found.length));
      if (cut.length < Buffer.byteLength(text.trimEnd())) expect(scan.end).toBe(-1);
    }),
  );
});

test('scanTail: the last member of that name, however much of the beginning is missing', () => {
  fc.assert(
    fc.property(documents, fc.jsonValue(), fc.nat(), ({ text }, usage, at) => {
      const head = text.trimEnd().slice(0, -1);
      const comma = head.trim() === '{' ? '' : ',';
      const end = `"usage": ${JSON.stringify(usage)}, "after": [{"usage": 1}, "\\"usage\\":2"] } `;
      const bytes = Buffer.from(head + comma + end);
      const from = at % (bytes.length - Buffer.byteLength(end));
      const tail = bytes.subarray(from);
      const range = scanTail(tail, 'usage');
      expect(range).toBeDefined();
      expect(JSON.parse(tail.toString('utf8', range?.start, range?.end))).toEqual(
        JSON.parse(JSON.stringify(usage)),
      );
    }),
  );
});

test.each([
  { name: 'nested only', text: '{"a":{"usage":1}}' },
  { name: 'in an array', text: '[{"usage":1}]' },
  { name: 'in a string', text: '{"a":"\\"usage\\":1}"}' },
  { name: 'as a value', text: '{"a":"usage"}' },
  { name: 'cut at the end', text: '{"usage":1,"a":' },
  { name: 'followed by more', text: '{"usage":1}{' },
  { name: 'absent', text: '{}' },
  { name: 'nothing', text: '' },
])('scanTail: none when $name', ({ text }) => {
  expect(scanTail(Buffer.from(text), 'usage')).toBeUndefined();
});

test('scanTail gives up after a few candidates instead of going quadratic', () => {
  const bytes = Buffer.from(`{"a":{${'"usage":1,'.repeat(100_000)}"b":1},"c":1}`);
  expect(scanTail(bytes, 'usage')).toBeUndefined();
});

test('any bytes are scanned without a throw', () => {
  const pieces = fc.array(
    fc.oneof(
      fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', '"model"', '"usage":', '1', ' '),
      fc.string(),
    ),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        pieces.map((parts) => Buffer.from(parts.join(''))),
        anyBytes,
      ),
      (bytes) => {
        for (const { start, end } of scanMembers(bytes, 'model')?.values ?? []) {
          expect(start).toBeLessThan(end);
          expect(end).toBeLessThanOrEqual(bytes.length);
        }
        const tail = scanTail(bytes, 'usage');
        if (tail !== undefined) expect(tail.end).toBeLessThanOrEqual(bytes.length);
      },
    ),
  );
});

const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));

function decoded(text: string): unknown {
  return JSON.parse(text);
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.getOwnPropertyDescriptor(value, name)?.value
    : undefined;
}
