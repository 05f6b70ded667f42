import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type LongTexts, outlineJson } from './json-outline.ts';
import { unescapeJson } from './json-unescape.ts';

/** Puts the left-out texts back. */
function restored(value: unknown, longTexts: LongTexts): unknown {
  if (typeof value === 'string') {
    const raw = longTexts.find(value);
    return raw === undefined ? value : meaning(raw);
  }
  if (Array.isArray(value)) return value.map((element) => restored(element, longTexts));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, restored(member, longTexts)]),
  );
}

function meaning(raw: Buffer): string {
  const target = Buffer.alloc(raw.length);
  return target.toString('utf8', 0, unescapeJson(raw, target, 0));
}

const long = 'Once upon a "time" \\ there\nwas é 😀 '.repeat(100);

test('a long prompt is left out, begins as it did, and is found again', () => {
  const outline = outlineJson(
    Buffer.from(JSON.stringify({ model: 'm', prompt: `plain ${long}`, stream: true })),
  );
  if (outline === undefined) throw new Error('nothing was left out');
  const decoded = JSON.parse(outline.text) as { prompt: string };
  expect(outline.text.length).toBeLessThan(300);
  expect(decoded.prompt.startsWith('plain Once upon a ')).toBe(true);
  expect(restored(decoded, outline.longTexts)).toEqual({ model: 'm', prompt: `plain ${long}`, stream: true });
});

test.each([
  { name: 'short body', body: { prompt: 'x' } },
  { name: 'long text of a member that holds no prompt', body: { description: long } },
  { name: 'long name', body: { [long]: 'prompt' } },
  { name: 'long element of a list', body: { prompt: [long] } },
])('nothing is left out: $name', ({ body }) => {
  expect(outlineJson(Buffer.from(JSON.stringify(body)))).toBeUndefined();
});

test('a client cannot write what stands for a text', () => {
  const first = outlineJson(Buffer.from(JSON.stringify({ prompt: long })));
  expect(first?.longTexts.find('\u0000ffffffffffffffff0000')).toBeUndefined();
  expect(first?.longTexts.find('')).toBeUndefined();
});

test('an unterminated string leaves everything to the decoder', () => {
  expect(outlineJson(Buffer.from(`{"prompt":"${'x'.repeat(5000)}`))).toBeUndefined();
});

test('what is decoded, with its texts put back, is what a plain decoder gives', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).map((part) => part.repeat(300)),
    fc.constant('\\"'.repeat(2000)),
  );
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'small' },
      text,
      fc.boolean(),
      fc.integer(),
      fc.array(tie('any'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom('content', 'prompt', 'text', 'input', 'model', 'a"b'), tie('any'), {
        maxKeys: 4,
      }),
    ),
  })).any;
  fc.assert(
    fc.property(value, fc.constantFrom(0, 2), (original, indent) => {
      const json = JSON.stringify(original, null, indent);
      const outline = outlineJson(Buffer.from(json));
      if (outline === undefined) return;
      expect(restored(JSON.parse(outline.text), outline.longTexts)).toEqual(
        JSON.parse(Buffer.from(json).toString()),
      );
    }),
    { numRuns: 300 },
  );
});

test('any bytes are outlined or not, and never throw', () => {
  const bytes = fc.array(
    fc.constantFrom('{', '"', '\\', ':', 'content', 'x'.repeat(3000), ' ', '}', ',', '\u00e9'),
  );
  fc.assert(
    fc.property(bytes, (parts) => {
      const outline = outlineJson(Buffer.from(parts.join('')));
      expect(outline === undefined || outline.longTexts.count > 0).toBe(true);
    }),
  );
});

test('unescaping is what JSON.parse and UTF-8 make of a string', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '\\n',
      '\\u00e9',
      '\\ud83d\\ude00',
      '\\ud83d',
      '\\udc00x',
      '\\/',
      '\\b\\f\\r\\t',
      '\\u0000',
    ),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const raw = pieces
        .map((part) => (part.startsWith('\\') ? part : JSON.stringify(part).slice(1, -1)))
        .join('');
      let parsed: string;
      try {
        parsed = JSON.parse(`"${raw}"`) as string;
      } catch {
        return;
      }
      expect(meaning(Buffer.from(raw))).toBe(Buffer.from(parsed).toString());
    }),
  );
});

test.each(['\\x', '\\u12', '\\', '\\u12g4'])('a bad escape is taken literally: %s', (raw) => {
  expect(meaning(Buffer.from(raw))).toBe(raw);
});
