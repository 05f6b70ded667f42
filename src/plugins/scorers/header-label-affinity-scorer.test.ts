import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { headerLabelAffinityScorer } from './header-label-affinity-scorer.ts';

const pool = [
  endpoint({ labels: { zone: 'zone-a' } }),
  endpoint({ labels: { zone: 'zone-b' } }),
  endpoint({ labels: { zone: '' } }),
  endpoint(),
];

function scores(headers: Record<string, string>, raw: object = { headerName: 'X-Zone', labelKey: 'zone' }) {
  const out = new Float64Array(pool.length);
  headerLabelAffinityScorer
    .create(headerLabelAffinityScorer.params.parse(raw), context())
    .score(request({ headers }), pool, out);
  return [...out];
}

test.each([
  { id: 'W34, S38', headers: { 'x-zone': 'zone-a' }, want: [1, 0, 0, 0] },
  { id: 'case counts', headers: { 'x-zone': 'Zone-A' }, want: [0, 0, 0, 0] },
  { id: 'S39 no header', headers: {}, want: [0, 0, 0, 0] },
  { id: 'an empty header wants nothing', headers: { 'x-zone': '' }, want: [0, 0, 0, 0] },
])('header-label-affinity-scorer: $id', ({ headers, want }) => {
  expect(scores(headers)).toEqual(want);
});

test.each([
  { id: 'S40a no parameters', raw: {} },
  { id: 'S40b no headerName', raw: { labelKey: 'zone' } },
  { id: 'S40c no labelKey', raw: { headerName: 'x-zone' } },
  { id: 'an empty name', raw: { headerName: '', labelKey: 'zone' } },
])('header-label-affinity-scorer refuses $id', ({ raw }) => {
  expect(headerLabelAffinityScorer.params.safeParse(raw).success).toBe(false);
});
