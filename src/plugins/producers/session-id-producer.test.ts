import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, request } from '../../../test/support/builders.ts';
import { Headers } from '../../framework/headers.ts';
import { InferenceRequest } from '../../framework/request.ts';
import { sessionIdKey } from '../attributes/identity.ts';
import { sessionIdProducer } from './session-id-producer.ts';

function sessionOf(raw: object, built: InferenceRequest, name = 'session-id-producer'): string | undefined {
  sessionIdProducer.create(sessionIdProducer.params.parse(raw), context(name)).produce(built);
  return built.attributes.get(sessionIdKey(name));
}

const header = { headerName: 'X-Session-Id' };
const cookie = { cookieName: 'sid' };

test.each([
  { name: 'header', raw: header, headers: { 'x-session-id': ' a1 ' }, want: 'a1' },
  { name: 'empty header', raw: header, headers: { 'x-session-id': '  ' }, want: undefined },
  { name: 'no header', raw: header, headers: {}, want: undefined },
  { name: 'cookie', raw: cookie, headers: { cookie: 'a=b; sid=x=y ; c' }, want: 'x=y' },
  { name: 'cookie of another case', raw: cookie, headers: { cookie: 'SID=x' }, want: undefined },
  { name: 'cookie whose name ends alike', raw: cookie, headers: { cookie: 'xsid=1; sid=2' }, want: '2' },
  { name: 'cookie without value', raw: cookie, headers: { cookie: 'sid' }, want: undefined },
  { name: 'empty cookie', raw: cookie, headers: { cookie: 'sid=' }, want: undefined },
])('session-id-producer: $name', ({ raw, headers, want }) => {
  expect(sessionOf(raw, request({ headers: headers as Record<string, string> }))).toBe(want);
});

test('session-id-producer: a cookie in the second of two headers', () => {
  const headers = new Headers();
  headers.receive('cookie', 'a=b');
  headers.receive('cookie', 'sid=2');
  expect(sessionOf(cookie, new InferenceRequest(headers, 0))).toBe('2');
});

test('session-id-producer: instances write under their own names', () => {
  const built = request({ headers: { 'x-session-id': 'a' } });
  expect(sessionOf(header, built, 'mine')).toBe('a');
  expect(built.attributes.get(sessionIdKey(''))).toBeUndefined();
  expect(sessionIdProducer.dependencies?.(sessionIdProducer.params.parse(header), 'mine')).toEqual({
    produces: [sessionIdKey('mine')],
  });
});

test.each([{}, { headerName: 'a', cookieName: 'b' }, { headerName: '' }])(
  'session-id-producer: %j is refused',
  (raw) => {
    const parsed = sessionIdProducer.params.safeParse(raw);
    expect(String(parsed.error)).toMatch(/exactly one of headerName or cookieName/);
  },
);

test('session-id-producer: any cookie header gives a trimmed value or nothing', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const got = sessionOf(cookie, request({ headers: { cookie: text } }));
      if (got !== undefined) expect(got).toBe(got.trim());
      expect(got).not.toBe('');
    }),
  );
});
