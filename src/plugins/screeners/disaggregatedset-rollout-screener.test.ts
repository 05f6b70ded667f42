import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { Headers } from '../../framework/headers.ts';
import { InferenceResponse } from '../../framework/response.ts';
import { disaggregatedsetRolloutScreener as definition } from './disaggregatedset-rollout-screener.ts';

const REVISION = 'disaggregatedset.x-k8s.io/revision';
const ROLE = 'disaggregatedset.x-k8s.io/role';
const STRICT = { name: 'rev', headerName: 'X-Disagg-Revision', labelKey: REVISION, mode: 'strict' };
const PREFER = { name: 'zone', headerName: 'x-zone', labelKey: 'zone', mode: 'prefer' };
const GATING = { mode: 'sum', requireRoles: { values: ['prefill', 'decode'] } };

function screener(revisionGating: object = GATING, headerSelectors: readonly object[] = [STRICT, PREFER]) {
  const plugin = context();
  const parameters = { scope: { labelSelector: 'app=set' }, headerSelectors, revisionGating };
  const subject = definition.create(definition.params.parse(parameters), plugin);
  const screen = (candidates: readonly Endpoint[], revision?: string) =>
    subject.screen(
      request(revision === undefined ? {} : { headers: { 'x-disagg-revision': revision } }),
      candidates,
    );
  return { subject, plugin, screen };
}

function pod(name: string, revision: string, role: string, { app = 'set', status = 'True' } = {}) {
  const labels = new Map([
    ['app', app],
    [REVISION, revision],
    [ROLE, role],
  ]);
  return {
    namespace: 'default',
    name,
    labels,
    object: { status: { conditions: [{ type: 'Ready', status }] } },
  };
}

function server(revision: string, role = 'decode', more: Record<string, string> = {}): Endpoint {
  return endpoint({ labels: { app: 'set', [REVISION]: revision, [ROLE]: role, ...more } });
}

/** Ready pods as `v1 p2 d8`. */
function settle(subject: ReturnType<typeof screener>['subject'], ...revisions: readonly string[]): void {
  for (const text of revisions) {
    const [revision = '', ...roles] = text.split(' ');
    for (const word of roles) {
      for (let i = 0; i < Number(word.slice(1)); i += 1) {
        const role = word.startsWith('p') ? 'prefill' : 'decode';
        subject.objectChanged(pod(`${revision}-${word}-${i}`, revision, role));
      }
    }
  }
  subject.objectsSettled?.(true);
}

const share = (plugin: ReturnType<typeof context>, revision: string) =>
  plugin.instruments.gauges.get(
    `disaggregatedset_revision_gating_share{mode="sum",plugin_name="p",plugin_type="p",revision="${revision}"}`,
  )?.();
const noMatches = (plugin: ReturnType<typeof context>) =>
  plugin.instruments.counters.get(
    'disaggregatedset_strict_header_no_match_total{plugin_name="p",plugin_type="p",selector="rev"}',
  )?.value;

describe('gating', () => {
  test('requests are spread over covered revisions in proportion to their shares', () => {
    const { subject, screen, plugin } = screener();
    settle(subject, 'v1 p2 d8', 'v2 p1 d2', 'v3 p100');
    const candidates = [server('v1'), server('v2'), server('v1'), server('v3'), server('')];
    const seen = new Map<string, number>();
    for (let i = 0; i < 13_000; i += 1) {
      const kept = screen(candidates);
      const revisions = new Set(kept.map((one) => one.labels.get(REVISION) ?? ''));
      expect(revisions.size).toBe(1);
      for (const revision of revisions) seen.set(revision, (seen.get(revision) ?? 0) + 1);
      expect(kept).toHaveLength(revisions.has('v1') ? 2 : 1);
    }
    expect([...seen.keys()].sort()).toEqual(['v1', 'v2']);
    expect(seen.get('v2')).toBeGreaterThan(2_800);
    expect(seen.get('v2')).toBeLessThan(3_200);
    expect(share(plugin, 'v2')).toBeCloseTo(3 / 13, 12);
    expect(share(plugin, 'v3')).toBe(0);
  });

  test('a revision that no candidate has is not drawn', () => {
    const { subject, screen } = screener();
    settle(subject, 'v1 p9 d9', 'v2 p1 d1');
    const only = [server('v2')];
    for (let i = 0; i < 20; i += 1) expect(screen(only)).toBe(only);
  });

  test('R7, R8: a strict header chooses, among covered revisions only', () => {
    const { subject, screen, plugin } = screener();
    settle(subject, 'v1 p1 d1', 'v2 p1 d1', 'v3 p5');
    const candidates = [server('v1'), server('v2'), server('v3')];
    expect(screen(candidates, 'v2')).toEqual([candidates[1]]);
    expect(noMatches(plugin)).toBe(0);
    expect(screen(candidates, 'v3')).toEqual([]);
    expect(screen(candidates, 'unknown')).toEqual([]);
    expect(noMatches(plugin)).toBe(2);
    expect(screen(candidates, '')).toHaveLength(1);
  });

  test('pods that are not ready, not of the set, or gone do not count', () => {
    const { subject, screen, plugin } = screener();
    settle(subject, 'v1 p1 d1', 'v2 p1 d1');
    subject.objectChanged(pod('other', 'v9', 'prefill', { app: 'other' }));
    subject.objectChanged(pod('v2-d1-0', 'v2', 'decode', { status: 'False' }));
    const candidates = [server('v1'), server('v2')];
    for (let i = 0; i < 20; i += 1) expect(screen(candidates)).toEqual([candidates[0]]);
    expect(share(plugin, 'v2')).toBe(0);
    subject.objectRemoved('default', 'v2-p1-0');
    expect(share(plugin, 'v2')).toBeUndefined();
    expect(share(plugin, 'v9')).toBeUndefined();
    subject.objectRemoved('default', 'v1-d1-0');
    expect(screen(candidates)).toEqual([]);
    expect(noMatches(plugin)).toBe(0);
  });

  test('R8: until pods are known it is not ready, and goes by the endpoints of the pool', () => {
    const { subject, screen } = screener();
    expect(subject.isReady()).toBe(false);
    const candidates = [server('v1', 'decode'), server('v2', 'decode')];
    expect(screen(candidates)).toEqual([]);
    for (const one of [...candidates, server('v2', 'prefill')]) subject.endpointAdded?.(one);
    expect(screen(candidates)).toEqual([candidates[1]]);
    settle(subject, 'v1 p1 d1');
    expect(subject.isReady()).toBe(true);
    expect(screen(candidates)).toEqual([candidates[0]]);
  });

  test('without Kubernetes the endpoints of the pool are what there is, each pod once', () => {
    const { subject, screen, plugin } = screener();
    subject.objectsSettled?.(false);
    expect(subject.isReady()).toBe(true);
    expect(plugin.log.lines).toMatchObject([{ level: 'info', fields: { by: 'endpoints of the pool' } }]);
    const rank = (rankIndex: number) =>
      endpoint({ name: 'd1', rankIndex, labels: { app: 'set', [REVISION]: 'v1', [ROLE]: 'decode' } });
    const ranks = [rank(0), rank(1)];
    for (const one of [...ranks, server('v1', 'prefill'), server('v2', 'prefill'), server('v2')]) {
      subject.endpointAdded?.(one);
    }
    expect(share(plugin, 'v1')).toBe(0.5);
    const [first, second] = ranks;
    if (first !== undefined) subject.endpointRemoved(first);
    expect(share(plugin, 'v1')).toBe(0.5);
    if (second !== undefined) {
      second.labels = new Map([...second.labels, [REVISION, 'v2']]);
      subject.endpointChanged?.(second);
      expect(share(plugin, 'v1')).toBe(0);
      subject.endpointRemoved(second);
    }
    expect(share(plugin, 'v2')).toBe(1);
    expect(screen(ranks)).toEqual([second]);
    expect(subject.dumpState()).toEqual({
      countedBy: 'endpoints',
      hasSettled: true,
      shares: { v1: 0, v2: 1 },
      revisions: 2,
    });
  });
});

describe('gating switched off', () => {
  test('R7: strict headers alone decide; nothing is watched, and it is ready at once', () => {
    const { subject, screen, plugin } = screener({ mode: 'disabled' });
    expect(subject).toMatchObject({ observedKind: undefined });
    expect(subject.isReady()).toBe(true);
    const candidates = [server('v1'), server('v2')];
    expect(screen(candidates)).toBe(candidates);
    expect(screen(candidates, 'v2')).toEqual([candidates[1]]);
    expect(screen(candidates, 'unknown')).toEqual([]);
    expect(noMatches(plugin)).toBe(1);
    subject.endpointAdded?.(server('v1'));
    expect(plugin.instruments.gauges.size).toBe(0);
  });

  test('a selector that prefers filters nothing', () => {
    const { subject } = screener({ mode: 'disabled' });
    const candidates = [server('v1', 'decode', { zone: 'a' }), server('v1', 'decode', { zone: 'b' })];
    expect(subject.screen(request({ headers: { 'x-zone': 'a' } }), candidates)).toBe(candidates);
  });
});

test('the answer says the labels of the endpoint that gave it, for both kinds of selectors', () => {
  const { subject } = screener();
  const answered = (labels: Record<string, string>) => {
    const one = request();
    one.endpoint = endpoint({ labels });
    const response = new InferenceResponse();
    response.headers = new Headers();
    subject.responseHeaders(one, response);
    return [response.headers.get('x-disagg-revision'), response.headers.get('x-zone')];
  };
  expect(answered({ [REVISION]: 'v2', zone: 'a' })).toEqual(['v2', 'a']);
  expect(answered({ zone: '' })).toEqual([undefined, undefined]);
});

test('whatever the candidates: what stays is some of them, in order, of one covered revision', () => {
  const { subject, screen } = screener();
  settle(subject, 'v1 p1 d2', 'v2 p1 d1', 'v3 d4');
  fc.assert(
    fc.property(fc.array(fc.constantFrom('v1', 'v2', 'v3', '')), (revisions) => {
      const candidates = revisions.map((revision) => server(revision));
      const kept = screen(candidates);
      expect(candidates.filter((one) => kept.includes(one))).toEqual([...kept]);
      const seen = new Set(kept.map((one) => one.labels.get(REVISION)));
      expect(seen.size).toBe(revisions.includes('v1') || revisions.includes('v2') ? 1 : 0);
      expect(seen.has('v3')).toBe(false);
    }),
  );
});

test.each([
  { name: 'no scope', given: { revisionGating: GATING }, message: /scope/ },
  { name: 'no gating', given: { scope: { labelSelector: 'a=b' } }, message: /revisionGating/ },
  {
    name: 'a scope that is no selector',
    given: { scope: { labelSelector: 'a=(' }, revisionGating: GATING },
    message: /labelSelector/,
  },
  {
    name: 'no roles',
    given: { revisionGating: { mode: 'sum' } },
    message: /must be set, except in mode disabled/,
  },
  {
    name: 'a role twice',
    given: { revisionGating: { mode: 'sum', requireRoles: { values: ['a', 'a'] } } },
    message: /listed twice/,
  },
  {
    name: 'an empty list of roles',
    given: { revisionGating: { mode: 'sum', requireRoles: { values: [] } } },
    message: /must name a role/,
  },
  {
    name: 'an empty role',
    given: { revisionGating: { mode: 'sum', requireRoles: { values: ['a', ''] } } },
    message: /a role is empty/,
  },
  {
    name: 'two selectors of one name',
    given: { headerSelectors: [STRICT, { ...PREFER, name: 'rev' }] },
    message: /same name/,
  },
  {
    name: 'two selectors of one header',
    given: { headerSelectors: [STRICT, { ...PREFER, headerName: 'x-disagg-revision' }] },
    message: /same headerName/,
  },
  { name: 'another mode', given: { headerSelectors: [{ ...STRICT, mode: 'maybe' }] }, message: /mode/ },
  { name: 'an unknown member', given: { revisionGating: { ...GATING, role: 'x' } }, message: /role/ },
])('$name is refused', ({ given, message }) => {
  const rest = 'scope' in given || message.source === 'scope' ? {} : { scope: { labelSelector: 'a=b' } };
  const gating =
    'revisionGating' in given || message.source === 'revisionGating' ? {} : { revisionGating: GATING };
  expect(() => definition.params.parse({ ...rest, ...gating, ...given })).toThrow(message);
});

test.each([
  { requireRoles: undefined },
  { requireRoles: {} },
  { requireRoles: { values: [] } },
  { requireRoles: { values: ['a', 'a', ''] } },
])('in mode disabled nothing is asked of roles: $requireRoles', ({ requireRoles }) => {
  const given = { scope: { labelSelector: 'a=b' }, revisionGating: { mode: 'disabled', requireRoles } };
  expect(definition.params.safeParse(given).success).toBe(true);
});
