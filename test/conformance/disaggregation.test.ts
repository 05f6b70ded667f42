import { expect, test } from 'vitest';
import { buildPipeline } from '../../src/config/build.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import type { Endpoint } from '../../src/framework/endpoint.ts';
import type { SchedulingResult } from '../../src/framework/profile-handler.ts';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';
import { Scheduler } from '../../src/scheduling/scheduler.ts';
import { context, endpoint, request } from '../support/builders.ts';
import { match, tokenize } from '../support/disaggregation.ts';

/** A P/D configuration that splits from two missing tokens on. */
const CONFIG = `
plugins:
- {type: disagg-profile-handler, parameters: {deciders: {prefill: prefix-based-pd-decider}}}
- {type: prefix-based-pd-decider, parameters: {nonCachedTokens: 2}}
- type: prefill-filter
- type: decode-filter
schedulingProfiles:
- {name: prefill, plugins: [{pluginRef: prefill-filter}]}
- {name: decode, plugins: [{pluginRef: decode-filter}]}
`;

function createScheduler(text: string): Scheduler {
  const { document } = loadConfiguration(text, { catalogue: CATALOGUE });
  const { pipeline } = buildPipeline(document ?? expect.fail('not loaded'), (name) => context(name));
  if (pipeline === undefined) throw new Error('not built');
  const services = context();
  return new Scheduler({ ...pipeline, ...services });
}

/** One cycle over pods of these names and roles, for a prompt of which every pod holds `cached` tokens. */
function schedule(
  pods: Record<string, string>,
  prompt: { tokens: number; cached: number },
): SchedulingResult {
  const one = request();
  one.candidates = Object.entries(pods).map(
    ([name, role], slot): Endpoint =>
      endpoint({ name, slot, labels: role === '' ? {} : { 'llm-d.ai/role': role } }),
  );
  tokenize(one, prompt.tokens);
  match(one, { cached: prompt.cached });
  return createScheduler(CONFIG).schedule(one);
}

/** Names of the chosen pods by stage. */
function stages({ profiles, primary, prefill }: SchedulingResult): Record<string, string | undefined> {
  const at = (profile: string | undefined) =>
    profile === undefined ? undefined : profiles.get(profile)?.targets[0]?.name;
  return { decode: at(primary), prefill: at(prefill) };
}

const BOTH = { p: 'prefill', d: 'decode' };

test.each([
  { id: 'D24', pods: BOTH, tokens: 2, cached: 0, want: { decode: 'd', prefill: 'p' } },
  { id: 'D24 cached', pods: BOTH, tokens: 2, cached: 2, want: { decode: 'd', prefill: undefined } },
  {
    id: 'D26',
    pods: { p: 'prefill', plain: '' },
    tokens: 50,
    cached: 0,
    want: { decode: 'plain', prefill: 'p' },
  },
  {
    id: 'no prefill pod',
    pods: { d: 'decode', plain: 'decode' },
    tokens: 50,
    cached: 0,
    want: { decode: expect.stringMatching(/^(d|plain)$/) as string, prefill: undefined },
  },
])('disaggregation: $id', ({ pods, tokens, cached, want }) => {
  expect(stages(schedule(pods, { tokens, cached }))).toEqual(want);
});

test('disaggregation: D25 prefill pods alone serve nothing, and the reason is that all are left out', () => {
  expect(() => schedule({ p: 'prefill' }, { tokens: 50, cached: 0 })).toThrow(
    expect.objectContaining({ httpStatus: 429, reason: 'rejected-saturated' }),
  );
});
