import { describe, expect, test } from 'vitest';
import { planWorkload } from './workload.ts';

const OPTIONS = { seed: 1, requests: 200, ratePerSecond: 20, model: 'm' };

interface Body {
  readonly model: string;
  readonly stream: boolean;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

describe('planWorkload', () => {
  const plan = planWorkload(OPTIONS);
  const bodies = plan.map(({ body }) => JSON.parse(body) as Body);

  test('has the number and rate of requests that were asked for, in order of time', () => {
    expect(plan).toHaveLength(200);
    expect(plan[0]?.atMs).toBe(0);
    expect(plan.at(-1)?.atMs).toBeCloseTo(10_000);
    expect(plan.every(({ atMs }, i) => atMs >= (plan[i - 1]?.atMs ?? 0))).toBe(true);
    expect(bodies.every(({ model, stream }) => model === 'm' && stream)).toBe(true);
  });

  test('a seed gives the same requests again, another seed others', () => {
    expect(planWorkload(OPTIONS)).toEqual(plan);
    expect(planWorkload({ ...OPTIONS, seed: 2 })).not.toEqual(plan);
  });

  test('applications share long system prompts, and turns repeat their conversation', () => {
    const systems = new Set(bodies.map(({ messages }) => messages[0]?.content ?? ''));
    expect(systems.size).toBeLessThanOrEqual(32);
    expect(Math.min(...[...systems].map((text) => text.length))).toBeGreaterThan(10_000);
    const later = bodies.filter(({ messages }) => messages.length > 2);
    expect(later.length).toBeGreaterThan(80);
    const starts = new Set(bodies.map(({ messages }) => JSON.stringify(messages)));
    const repeated = later.filter(({ messages }) => starts.has(JSON.stringify(messages.slice(0, -2))));
    expect(repeated.length / later.length).toBeGreaterThan(0.7);
  });

  test('one request is a workload', () => {
    expect(planWorkload({ ...OPTIONS, requests: 1 })).toHaveLength(1);
  });
});
