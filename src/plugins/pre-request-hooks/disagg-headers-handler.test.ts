import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { disaggHeadersHandler } from './disagg-headers-handler.ts';

const inbound = { 'x-prefiller-host-port': '6.6.6.6:1', 'x-encoder-hosts-ports': '6.6.6.6:2' };

/** The two headers after the hook ran over profiles with targets of these addresses. */
function headers(profiles: Record<string, readonly string[]>, raw: object = {}, primary = 'decode') {
  const one = request({ headers: inbound });
  const results = Object.entries(profiles).map(([name, addresses]) => {
    const targets = addresses.map((address) => endpoint({ address }));
    return [name, { targets, candidates: targets, totals: new Float64Array(targets.length) }] as const;
  });
  const hook = disaggHeadersHandler.create(disaggHeadersHandler.params.parse(raw), context());
  hook.preRequest(one, { profiles: new Map(results), primary });
  return Object.keys(inbound).map((name) => one.headers.get(name));
}

const decode = ['10.0.0.1'];

test.each([
  { id: 'D27', profiles: { decode, prefill: ['10.0.0.5', '10.0.0.6'] }, want: ['10.0.0.5:8000', undefined] },
  { id: 'D27 IPv6', profiles: { decode, prefill: ['fd00::1'] }, want: ['[fd00::1]:8000', undefined] },
  { id: 'D28', profiles: { decode }, want: [undefined, undefined] },
  {
    id: 'D29',
    profiles: { decode, encode: ['10.0.0.7', '10.0.0.8'] },
    want: [undefined, '10.0.0.7:8000,10.0.0.8:8000'],
  },
  {
    id: 'names of its own',
    profiles: { decode, p: ['10.0.0.5'], prefill: ['10.0.0.6'], e: ['10.0.0.7'] },
    raw: { prefillProfile: 'p', encodeProfile: 'e' },
    want: ['10.0.0.5:8000', '10.0.0.7:8000'],
  },
  {
    id: 'the destination itself',
    profiles: { prefill: ['10.0.0.5'] },
    primary: 'prefill',
    want: [undefined, undefined],
  },
] satisfies readonly {
  id: string;
  profiles: Record<string, readonly string[]>;
  raw?: object;
  primary?: string;
  want: readonly (string | undefined)[];
}[])('disagg-headers-handler: $id', ({ profiles, raw, primary, want }) => {
  expect(headers(profiles, raw, primary)).toEqual(want);
});
