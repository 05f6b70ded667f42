import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, request } from '../../../test/support/builders.ts';
import { ranProfiles } from '../../../test/support/disaggregation.ts';
import { headerProfileHandler } from './header-profile-handler.ts';

const THREE = ['encode', 'prefill', 'decode'];

function create(raw: object = {}) {
  return headerProfileHandler.create(headerProfileHandler.params.parse(raw), context());
}

/** The profile of a request, or the status it is refused with. */
function pick(headers: Record<string, string>, raw: object = {}, names: readonly string[] = THREE) {
  try {
    return create(raw).pick(request({ headers }), names, new Map()).join();
  } catch (error) {
    expect(error).toMatchObject({ name: 'RejectionError', reason: undefined });
    return `${String(Reflect.get(Object(error), 'httpStatus'))} ${error instanceof Error ? error.message : ''}`;
  }
}

test.each([
  { id: 'D39 by name', headers: { 'EPP-Profile': 'encode' }, want: 'encode' },
  { id: 'D39 missing', headers: {}, want: 'decode' },
  { id: 'D39 white space', headers: { 'epp-profile': ' encode ' }, want: 'encode' },
  {
    id: 'D39 another case',
    headers: { 'epp-profile': 'Encode' },
    want: "400 header epp-profile names no scheduling profile: 'Encode'",
  },
  {
    id: 'D39 unknown',
    headers: { 'epp-profile': 'nope' },
    want: "400 header epp-profile names no scheduling profile: 'nope'",
  },
  { id: 'blank', headers: { 'epp-profile': ' ' }, want: 'decode' },
  {
    id: 'missing, and no default',
    headers: {},
    raw: { defaultProfile: ' other ' },
    want: "400 header epp-profile is missing and there is no default scheduling profile 'other'",
  },
  { id: 'D40', headers: { 'epp-profile': 'nope' }, names: ['only'], want: 'only' },
  {
    id: 'D41',
    headers: { 'x-custom-profile': 'prefill', 'epp-profile': 'encode' },
    raw: { headerName: '  X-Custom-Profile  ' },
    want: 'prefill',
  },
] satisfies readonly {
  id: string;
  headers: Record<string, string>;
  raw?: object;
  names?: readonly string[];
  want: string;
}[])('header-profile-handler: $id', ({ headers, raw, names, want }) => {
  expect(pick(headers, raw, names)).toBe(want);
});

test('header-profile-handler: whatever the header, one profile that there is runs or the request is refused', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      const found = pick({ 'epp-profile': value });
      expect(THREE.includes(found) || found.startsWith('400 ')).toBe(true);
    }),
  );
});

test('header-profile-handler: what ran is primary and nothing follows it', () => {
  const results = ranProfiles({ prefill: 'p' });
  expect(create().pick(request(), THREE, results)).toEqual([]);
  expect(create().process(request(), results)).toMatchObject({ primary: 'prefill', profiles: results });
});

test.each([
  { name: 'nothing', ran: {}, want: 'runs one profile, got 0' },
  { name: 'two profiles', ran: { a: 'x', b: 'y' }, want: 'runs one profile, got 2' },
  { name: 'a failed profile', ran: { a: null }, want: "failed to run scheduler profile 'a'" },
])('header-profile-handler: $name is an error', ({ ran, want }) => {
  expect(() => create().process(request(), ranProfiles(ran))).toThrow(want);
});

test('header-profile-handler: carries the rule of conditional requests', () => {
  expect(create().conditionalDecode).toEqual({ producer: undefined, minMatchRatio: 0 });
  const conditionalDecode = { prefixMatchInfoProducerName: 'events', minMatchRatio: 0.5 };
  expect(create({ conditionalDecode }).conditionalDecode).toEqual({ producer: 'events', minMatchRatio: 0.5 });
  expect(headerProfileHandler.params.safeParse({ conditionalDecode: { minMatchRatio: 2 } }).success).toBe(
    false,
  );
});
