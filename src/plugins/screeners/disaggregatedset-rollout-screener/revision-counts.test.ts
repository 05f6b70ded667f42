import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RevisionCounts } from './revision-counts.ts';

const ROLES = ['prefill', 'decode'];

/** Pods by revision and role, as `{v1: {p: 2, d: 8}}`. */
function counts(revisions: Record<string, { p?: number; d?: number }>): RevisionCounts {
  const subject = new RevisionCounts();
  for (const [revision, { p = 0, d = 0 }] of Object.entries(revisions)) {
    for (let i = 0; i < p; i += 1) subject.put(`${revision}-p${i}`, revision, 'prefill');
    for (let i = 0; i < d; i += 1) subject.put(`${revision}-d${i}`, revision, 'decode');
  }
  return subject;
}

test.each([
  { id: 'R1', mode: 'sum', revisions: { v1: { p: 2, d: 8 }, v2: { p: 1, d: 2 } }, v2: 3 / 13 },
  { id: 'R2', mode: 'max-role', revisions: { v1: { p: 2, d: 8 }, v2: { p: 1, d: 2 } }, v2: 2 / 10 },
  { id: 'R3', mode: 'sum', revisions: { v1: { p: 8, d: 8 }, v2: { p: 2, d: 2 } }, v2: 2 / 10 },
  { id: 'R4 sum', mode: 'sum', revisions: { v1: { p: 8, d: 2 }, v2: { p: 2, d: 1 } }, v2: 3 / 13 },
  { id: 'R4 max-role', mode: 'max-role', revisions: { v1: { p: 8, d: 2 }, v2: { p: 2, d: 1 } }, v2: 2 / 10 },
  { id: 'R5', mode: 'max-role', revisions: { v1: { p: 8, d: 1 }, v2: { p: 2, d: 4 } }, v2: 2 / 10 },
  {
    id: 'R6',
    mode: 'max-role',
    revisions: { v1: { p: 2, d: 8 }, v2: { p: 1, d: 2 }, v3: { p: 100 } },
    v2: 2 / 10,
    v3: 0,
  },
  {
    id: 'equal roles: the first',
    mode: 'max-role',
    revisions: { v1: { p: 3, d: 1 }, v2: { p: 1, d: 3 } },
    v2: 1 / 4,
  },
  { id: 'one revision', mode: 'sum', revisions: { v2: { p: 1, d: 1 } }, v2: 1 },
  { id: 'none is covered', mode: 'sum', revisions: { v1: { p: 1 }, v2: { d: 1 } }, v2: 0 },
] as const)('shares of revisions: $id', ({ mode, revisions, v2, ...rest }) => {
  const shares = counts(revisions).shares({ mode, roles: ROLES });
  expect(shares.get('v2')).toBeCloseTo(v2, 12);
  if ('v3' in rest) expect(shares.get('v3')).toBe(rest.v3);
});

test('a pod counts once, where it was put last; without revision or role nowhere', () => {
  const subject = counts({ v1: { p: 1, d: 1 } });
  const shares = () => Object.fromEntries(subject.shares({ mode: 'sum', roles: ROLES }));
  subject.put('v1-p0', 'v1', 'prefill');
  expect(shares()).toEqual({ v1: 1 });
  subject.put('v1-d0', 'v2', 'decode');
  expect(shares()).toEqual({ v1: 0, v2: 0 });
  subject.put('v1-d0', 'v2', '');
  subject.put('x', '', 'decode');
  subject.remove('nobody');
  expect(shares()).toEqual({ v1: 0 });
  subject.remove('v1-p0');
  expect(shares()).toEqual({});
});

test('whatever happens: shares add up to 1 over covered revisions, and are 0 for the others', () => {
  const step = fc.record({
    pod: fc.integer({ min: 0, max: 12 }),
    revision: fc.constantFrom('v1', 'v2', 'v3', ''),
    role: fc.constantFrom('prefill', 'decode', 'other', ''),
    isRemoved: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step), fc.constantFrom('sum' as const, 'max-role' as const), (steps, mode) => {
      const subject = new RevisionCounts();
      const pods = new Map<number, string>();
      for (const { pod, revision, role, isRemoved } of steps) {
        if (isRemoved) subject.remove(String(pod));
        else subject.put(String(pod), revision, role);
        if (isRemoved || revision === '' || role === '') pods.delete(pod);
        else pods.set(pod, `${revision} ${role}`);
      }
      const present = new Set(pods.values());
      const shares = subject.shares({ mode, roles: ROLES });
      expect([...shares.keys()]).toEqual(
        [...new Set([...present].map((place) => place.split(' ')[0] ?? ''))].sort(),
      );
      let sum = 0;
      for (const [revision, share] of shares) {
        const isCovered = ROLES.every((role) => present.has(`${revision} ${role}`));
        if (isCovered) expect(share).toBeGreaterThan(0);
        else expect(share).toBe(0);
        sum += share;
      }
      if (sum !== 0) expect(sum).toBeCloseTo(1, 9);
    }),
  );
});
