import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RequestHead } from './request-head.ts';

type Fields = readonly (readonly [string, string])[];

const PSEUDO: Fields = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/a.B/C'],
];

function head(fields: Fields, isTrailers = false, given = new RequestHead()): RequestHead {
  given.reset(isTrailers);
  for (const [name, value] of fields) given.header(name, value);
  return given;
}

test('what the transport looks at', () => {
  const got = head([
    ...PSEUDO,
    [':authority', 'host:9002'],
    ['content-type', 'application/grpc+proto'],
    ['te', 'trailers'],
    ['grpc-encoding', 'gzip'],
    ['grpc-timeout', '5S'],
    ['content-length', '123'],
    ['x-other', ''],
  ]);
  expect(got).toMatchObject({
    method: 'POST',
    path: '/a.B/C',
    contentType: 'application/grpc+proto',
    encoding: 'gzip',
    timeout: '5S',
    declaredBytes: 123,
    isMalformed: false,
  });
});

test('nothing of a block remains for the next', () => {
  const used = head([
    ...PSEUDO,
    [':authority', 'a'],
    ['content-type', 'application/grpc'],
    ['grpc-encoding', 'gzip'],
    ['grpc-timeout', '5S'],
    ['content-length', '1'],
    ['Upper', ''],
  ]);
  expect(used.isMalformed).toBe(true);
  const fresh = head([...PSEUDO, [':authority', 'a'], ['content-length', '2']]);
  expect(head([...PSEUDO, [':authority', 'a'], ['content-length', '2']], false, used)).toEqual(fresh);
  expect(used.isMalformed).toBe(false);
  expect(head([], true, used).isMalformed).toBe(false);
});

describe('malformed (RFC 9113, section 8.1.1)', () => {
  const without = (name: string) => PSEUDO.filter((field) => field[0] !== name);

  test.each<{ name: string; fields: Fields }>([
    { name: 'nothing', fields: [] },
    { name: 'no :method', fields: without(':method') },
    { name: 'no :scheme', fields: without(':scheme') },
    { name: 'no :path', fields: without(':path') },
    { name: 'an empty :path', fields: [...without(':path'), [':path', '']] },
    { name: ':method twice', fields: [...PSEUDO, [':method', 'POST']] },
    { name: ':scheme twice', fields: [...PSEUDO, [':scheme', 'http']] },
    { name: ':path twice', fields: [...PSEUDO, [':path', '/a.B/C']] },
    { name: ':authority twice', fields: [...PSEUDO, [':authority', ''], [':authority', '']] },
    { name: 'a pseudo-header after another field', fields: [['a', ''], ...PSEUDO] },
    { name: 'a pseudo-header of responses', fields: [...PSEUDO, [':status', '200']] },
    { name: 'a pseudo-header that is unknown', fields: [...PSEUDO, [':version', '1']] },
    { name: 'a colon alone', fields: [...PSEUDO, [':', '']] },
    {
      name: 'a blank at the end of a pseudo-header',
      fields: [...without(':path'), [':path', '/a '] as const],
    },
    { name: 'a name in upper case', fields: [...PSEUDO, ['x-Name', 'a']] },
    { name: 'an empty name', fields: [...PSEUDO, ['', 'a']] },
    { name: 'a blank in a name', fields: [...PSEUDO, ['x y', 'a']] },
    { name: 'a colon in a name', fields: [...PSEUDO, ['x:y', 'a']] },
    { name: 'NUL in a name', fields: [...PSEUDO, ['x\0', 'a']] },
    { name: 'DEL in a name', fields: [...PSEUDO, ['x\x7f', 'a']] },
    { name: 'a byte above ASCII in a name', fields: [...PSEUDO, ['x\xe9', 'a']] },
    { name: 'NUL in a value', fields: [...PSEUDO, ['x', 'a\0b']] },
    { name: 'CR in a value', fields: [...PSEUDO, ['x', 'a\rb']] },
    { name: 'LF in a value', fields: [...PSEUDO, ['x', 'a\nb']] },
    { name: 'a blank before a value', fields: [...PSEUDO, ['x', ' a']] },
    { name: 'a tab behind a value', fields: [...PSEUDO, ['x', 'a\t']] },
    { name: 'a blank for a value', fields: [...PSEUDO, ['x', ' ']] },
    { name: 'connection', fields: [...PSEUDO, ['connection', 'close']] },
    { name: 'keep-alive', fields: [...PSEUDO, ['keep-alive', '1']] },
    { name: 'proxy-connection', fields: [...PSEUDO, ['proxy-connection', 'close']] },
    { name: 'transfer-encoding', fields: [...PSEUDO, ['transfer-encoding', 'chunked']] },
    { name: 'upgrade', fields: [...PSEUDO, ['upgrade', 'h2c']] },
    { name: 'te of another value', fields: [...PSEUDO, ['te', 'trailers, deflate']] },
    { name: 'te of no value', fields: [...PSEUDO, ['te', '']] },
    { name: 'content-length that is no number', fields: [...PSEUDO, ['content-length', 'x']] },
    { name: 'content-length below 0', fields: [...PSEUDO, ['content-length', '-1']] },
    { name: 'content-length in hexadecimal', fields: [...PSEUDO, ['content-length', '0x1']] },
    { name: 'content-length of 16 digits', fields: [...PSEUDO, ['content-length', '1234567890123456']] },
    {
      name: 'content-length twice',
      fields: [...PSEUDO, ['content-length', '1'], ['content-length', '1']],
    },
  ])('$name', ({ fields }) => {
    expect(head(fields).isMalformed).toBe(true);
  });

  test.each<{ name: string; fields: Fields }>([
    { name: 'a pseudo-header', fields: [[':method', 'POST']] },
    { name: 'an empty name', fields: [['', '']] },
    { name: 'a name in upper case', fields: [['X', '']] },
    { name: 'connection', fields: [['connection', 'close']] },
  ])('in trailers: $name', ({ fields }) => {
    expect(head(fields, true).isMalformed).toBe(true);
  });
});

test.each<{ name: string; fields: Fields; isTrailers?: boolean }>([
  { name: 'pseudo-headers alone', fields: PSEUDO },
  { name: 'pseudo-headers in another order', fields: PSEUDO.toReversed() },
  { name: 'an empty :authority', fields: [...PSEUDO, [':authority', '']] },
  { name: 'an empty value', fields: [...PSEUDO, ['x', '']] },
  { name: 'blanks within a value', fields: [...PSEUDO, ['x', 'a \t b']] },
  { name: 'bytes above ASCII in a value', fields: [...PSEUDO, ['x', '\xff\x80']] },
  { name: 'any sign that a name may have', fields: [...PSEUDO, ["!#$%&'*+-.^_`|~09az", '']] },
  { name: 'another field twice', fields: [...PSEUDO, ['cookie', 'a'], ['cookie', 'b']] },
  { name: 'content-length of 0', fields: [...PSEUDO, ['content-length', '0']] },
  { name: 'no trailers', fields: [], isTrailers: true },
  { name: 'trailers', fields: [['grpc-status', '0']], isTrailers: true },
])('well-formed: $name', ({ fields, isTrailers = false }) => {
  expect(head(fields, isTrailers).isMalformed).toBe(false);
});

test('any fields at all: an answer, and names of objects mean nothing', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary-ascii', maxLength: 12 }),
    fc.constantFrom(':method', ':path', '__proto__', 'constructor', 'te', 'content-length'),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 8 }), fc.boolean(), (fields, isTrailers) => {
      const got = head(fields, isTrailers);
      expect(typeof got.isMalformed).toBe('boolean');
      expect(Number.isInteger(got.declaredBytes)).toBe(true);
    }),
  );
  expect(head([...PSEUDO, ['__proto__', 'a'], ['constructor', 'b']]).isMalformed).toBe(false);
});
