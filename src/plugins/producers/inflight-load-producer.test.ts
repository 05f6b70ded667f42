import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { ProfileResult, SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { inFlightLoadKey, uncachedTokensKey } from '../attributes/in-flight-load.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { inflightLoadProducer } from './inflight-load-producer.ts';

function setup(raw: object = {}, endpoints: readonly Endpoint[] = []) {
  const ctx = context('inflight-load-producer', endpoints);
  return { ctx, plugin: inflightLoadProducer.create(inflightLoadProducer.params.parse(raw), ctx) };
}

interface Match {
  /** Cached blocks by slot. */
  readonly cached: readonly number[];
  readonly total: number;
  readonly blockSize: number;
}

function sized(tokens: number, match?: Match, maxOutputTokens = Number.NaN): InferenceRequest {
  const built = request({ body: { maxOutputTokens } });
  if (tokens > 0) built.attributes.set(TOKENIZED_PROMPT, { prompts: [], count: tokens, cacheSalt: '' });
  if (match !== undefined) {
    built.attributes.set(prefixMatchKey(''), {
      matchBlocks: Int32Array.from(match.cached, () => 0),
      cachedBlocks: Int32Array.from(match.cached),
      totalBlocks: match.total,
      blockSizeTokens: match.blockSize,
    });
  }
  return built;
}

function result(targets: Record<string, Endpoint>): SchedulingResult {
  const profiles = Object.entries(targets).map(([name, target]): [string, ProfileResult] => [
    name,
    { targets: [target, endpoint()], candidates: [target], totals: new Float64Array(1) },
  ]);
  return { profiles: new Map(profiles), primary: profiles[0]?.[0] ?? '' };
}

function load(one: Endpoint): readonly [requests: number, tokens: number] | undefined {
  const live = one.attributes.get(inFlightLoadKey(''));
  return live === undefined ? undefined : [live.requests, live.tokens];
}

const OUTPUT = { addEstimatedOutputTokens: true };

describe('inflight-load-producer: tokens a request would add', () => {
  test.each([
    { name: 'I1', tokens: 100, match: { cached: [2], total: 4, blockSize: 16 }, want: 68 },
    {
      name: 'I2',
      tokens: 100,
      match: { cached: [2], total: 4, blockSize: 16 },
      raw: { ...OUTPUT, maxEstimatedOutputTokens: 30 },
      clientMax: 40,
      want: 98,
    },
    { name: 'I3: no match info', tokens: 100, want: 100 },
    {
      name: 'I4: more matched than there is',
      tokens: 64,
      match: { cached: [8], total: 4, blockSize: 16 },
      want: 0,
    },
    { name: 'one block of two', tokens: 8, match: { cached: [1], total: 2, blockSize: 4 }, want: 4 },
    {
      name: 'and its output',
      tokens: 8,
      match: { cached: [1], total: 2, blockSize: 4 },
      raw: OUTPUT,
      want: 16,
    },
    { name: 'a short last block', tokens: 5, match: { cached: [1], total: 2, blockSize: 4 }, want: 4 },
    {
      name: 'tokens past the blocks',
      tokens: 300,
      match: { cached: [2], total: 4, blockSize: 64 },
      want: 172,
    },
    {
      name: 'never more than the input',
      tokens: 20,
      match: { cached: [0], total: 1, blockSize: 64 },
      want: 20,
    },
    { name: 'unusable block size', tokens: 9, match: { cached: [1], total: 1, blockSize: 0 }, want: 9 },
    { name: "the client's limit alone", tokens: 10, raw: OUTPUT, clientMax: 4, want: 14 },
    { name: 'a limit of 0', tokens: 10, raw: { ...OUTPUT, maxEstimatedOutputTokens: 0 }, want: 10 },
    { name: 'no tokens, no output', tokens: 0, raw: OUTPUT, want: 0 },
  ])('$name: $want', ({ tokens, match, raw = {}, clientMax, want }) => {
    const one = endpoint({ slot: 0 });
    const { plugin } = setup(raw, [one]);
    const built = sized(tokens, match, clientMax);
    plugin.produce(built, [one]);
    expect(built.attributes.get(uncachedTokensKey(''))?.[0]).toBe(want);
    plugin.preRequest(built, result({ default: one }));
    expect(load(one)).toEqual([1, want]);
  });

  test('every candidate has its own number, by slot', () => {
    const candidates = [endpoint({ slot: 5 }), endpoint({ slot: 2 })];
    const { plugin } = setup({}, candidates);
    const built = sized(64, { cached: [0, 0, 3, 0, 0, 1], total: 4, blockSize: 16 });
    plugin.produce(built, candidates);
    const tokens = built.attributes.get(uncachedTokensKey(''));
    expect([tokens?.[5], tokens?.[2], tokens?.length]).toEqual([48, 16, 6]);
  });
});

describe('inflight-load-producer: from scheduling to the end', () => {
  const decode = () => endpoint({ slot: 1, name: 'd' });
  const prefill = () => endpoint({ slot: 2, name: 'p' });

  test('I5: one profile', () => {
    const one = decode();
    const { plugin } = setup({}, [one]);
    const built = sized(100, { cached: [0, 2], total: 4, blockSize: 16 });
    expect(load(one)).toEqual([0, 0]);
    plugin.preRequest(built, result({ decode: one }));
    expect(load(one)).toEqual([1, 68]);
    plugin.responseStarted(built);
    expect(load(one)).toEqual([1, 0]);
    plugin.responseComplete(built);
    expect(load(one)).toEqual([0, 0]);
  });

  test('the stage that computes the prompt is the one that the handler says, whatever its profile is called', () => {
    const [d, p] = [decode(), prefill()];
    const { plugin } = setup({}, [d, p]);
    const built = sized(10);
    plugin.preRequest(built, { ...result({ decode: d, first: p }), prefill: 'first' });
    plugin.responseStarted(built);
    expect([load(p), load(d)]).toEqual([
      [0, 0],
      [1, 0],
    ]);
  });

  test('I6: prefill ends with the first byte', () => {
    const [d, p] = [decode(), prefill()];
    const { plugin } = setup({}, [d, p]);
    const built = sized(10);
    plugin.preRequest(built, result({ decode: d, prefill: p }));
    expect([load(p), load(d)]).toEqual([
      [1, 10],
      [1, 10],
    ]);
    plugin.responseStarted(built);
    expect([load(p), load(d)]).toEqual([
      [0, 0],
      [1, 0],
    ]);
    plugin.responseComplete(built);
    expect([load(p), load(d)]).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test('I7: with output counted, decode tokens stay until the end', () => {
    const [d, p] = [decode(), prefill()];
    const { plugin } = setup(OUTPUT, [d, p]);
    const built = sized(8, { cached: [0, 0, 2], total: 2, blockSize: 4 });
    plugin.preRequest(built, result({ decode: d, prefill: p }));
    expect([load(p), load(d)]).toEqual([
      [1, 12],
      [1, 20],
    ]);
    plugin.responseStarted(built);
    expect([load(p), load(d)]).toEqual([
      [0, 0],
      [1, 20],
    ]);
    plugin.responseComplete(built);
    expect([load(p), load(d)]).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test('I8: events that repeat or never came change nothing', () => {
    const one = decode();
    const { plugin } = setup({}, [one]);
    const built = sized(10);
    plugin.responseStarted(built);
    plugin.responseComplete(built);
    plugin.preRequest(built, result({ decode: one }));
    for (let n = 0; n < 2; n += 1) {
      plugin.responseStarted(built);
      plugin.responseComplete(built);
    }
    expect(load(one)).toEqual([0, 0]);
  });

  test('I9: what an earlier life of an endpoint still releases is not taken from its present one', () => {
    const before = decode();
    const { plugin } = setup({}, [before]);
    const [a, b] = [sized(10), sized(20)];
    plugin.preRequest(a, result({ decode: before }));
    plugin.endpointRemoved(before);
    expect(load(before)).toBeUndefined();
    const after = decode();
    plugin.endpointAdded(after);
    plugin.preRequest(b, result({ decode: after }));
    expect(load(after)).toEqual([1, 20]);
    plugin.responseComplete(a);
    expect(load(after)).toEqual([1, 20]);
    plugin.responseComplete(b);
    expect(load(after)).toEqual([0, 0]);
  });

  test('I9: the same object may come back', () => {
    const one = decode();
    const { plugin } = setup({}, [one]);
    const early = sized(10);
    plugin.preRequest(early, result({ decode: one }));
    plugin.endpointRemoved(one);
    plugin.endpointAdded(one);
    plugin.responseComplete(early);
    expect(load(one)).toEqual([0, 0]);
  });

  test('I10: silence is load, however long; the end is the end', () => {
    const one = decode();
    const { plugin, ctx } = setup({}, [one]);
    const built = sized(10);
    plugin.preRequest(built, result({ decode: one }));
    ctx.clock.advance(6 * 60_000);
    expect(load(one)).toEqual([1, 10]);
    plugin.responseComplete(built);
    expect(load(one)).toEqual([0, 0]);
    expect(ctx.clock.pendingTimers).toBe(0);
  });

  test('a request that is scheduled again counts once', () => {
    const [d, p] = [decode(), prefill()];
    const { plugin } = setup({}, [d, p]);
    const built = sized(10);
    plugin.preRequest(built, result({ decode: d }));
    plugin.preRequest(built, result({ decode: p }));
    expect([load(d), load(p)]).toEqual([
      [0, 0],
      [1, 10],
    ]);
  });

  test('equal request ids of two streams do not mix', () => {
    const one = decode();
    const { plugin } = setup({}, [one]);
    const [a, b] = [sized(10), sized(20)];
    a.requestId = 'same';
    b.requestId = 'same';
    for (const built of [a, b]) plugin.preRequest(built, result({ decode: one }));
    plugin.responseComplete(a);
    expect(load(one)).toEqual([1, 20]);
  });

  test('a request that waited while its endpoint left brings nothing back', () => {
    const one = decode();
    const { plugin } = setup({}, [one]);
    plugin.endpointRemoved(one);
    const built = sized(10);
    plugin.preRequest(built, result({ decode: one }));
    expect(load(one)).toBeUndefined();
    plugin.responseComplete(built);
  });

  test('an endpoint nobody announced is counted from its first request', () => {
    const one = decode();
    const { plugin } = setup();
    plugin.preRequest(sized(10), result({ decode: one }));
    expect(load(one)).toEqual([1, 10]);
  });
});

test('inflight-load-producer: any order of events ends at zero and never passes below it', () => {
  const event = fc.record({
    who: fc.nat(7),
    what: fc.constantFrom('send', 'start', 'end', 'leave', 'return'),
  });
  fc.assert(
    fc.property(fc.boolean(), fc.array(event, { maxLength: 80 }), (addEstimatedOutputTokens, events) => {
      const pool = [0, 1, 2].map((slot) => endpoint({ slot }));
      const { plugin } = setup({ addEstimatedOutputTokens }, pool);
      const requests = Array.from({ length: 8 }, (_, i) => sized(10 * i));
      const at = (i: number) => pool[i % 3] ?? endpoint();
      for (const { who, what } of events) {
        const built = requests[who] ?? request();
        if (what === 'send') plugin.preRequest(built, result({ decode: at(who), prefill: at(who + 1) }));
        else if (what === 'start') plugin.responseStarted(built);
        else if (what === 'end') plugin.responseComplete(built);
        else if (what === 'leave') plugin.endpointRemoved(at(who));
        else plugin.endpointAdded(at(who));
        for (const one of pool) for (const value of load(one) ?? []) expect(value).toBeGreaterThanOrEqual(0);
      }
      for (const built of requests) plugin.responseComplete(built);
      for (const one of pool) expect(load(one) ?? [0, 0]).toEqual([0, 0]);
      expect(plugin.dumpState()).toMatchObject({ openRequests: 0 });
    }),
  );
});

describe('inflight-load-producer: metrics', () => {
  const name = (metric: string, one: Endpoint, flow: string, priority = 0) =>
    `${metric}{endpoint_name="${one.name}",fairness_id="${flow}",namespace="default",priority="${priority}",producer_name="inflight-load-producer"}`;

  test('per endpoint, flow and priority', () => {
    const one = endpoint({ slot: 1, name: 'a' });
    const { plugin, ctx } = setup({}, [one]);
    const { gauges } = ctx.instruments;
    const read = (flow: string, priority?: number) => [
      gauges.get(name('inflight_requests', one, flow, priority))?.(),
      gauges.get(name('inflight_tokens', one, flow, priority))?.(),
    ];
    expect(read('default-flow')).toEqual([0, 0]);
    const built = sized(10);
    built.fairnessId = 'x';
    built.priority = -2;
    plugin.preRequest(built, result({ default: one }));
    plugin.preRequest(sized(5), result({ default: one }));
    expect(read('default-flow')).toEqual([1, 5]);
    expect(read('x', -2)).toEqual([1, 10]);
    plugin.responseComplete(built);
    expect(read('x', -2)).toEqual([0, 0]);
    plugin.endpointRemoved(one);
    expect(gauges.size).toBe(0);
  });

  test('flows that clients invent do not add series without end', () => {
    const one = endpoint({ slot: 1, name: 'a' });
    const { plugin, ctx } = setup({}, [one]);
    const { gauges } = ctx.instruments;
    const open = Array.from({ length: 200 }, (_, i) => {
      const built = sized(1);
      built.fairnessId = `f${i}`;
      plugin.preRequest(built, result({ default: one }));
      return built;
    });
    expect(gauges.size).toBeLessThanOrEqual(2 * 17);
    let requests = 0;
    for (const [series, read] of gauges) if (series.startsWith('inflight_requests')) requests += read();
    expect(requests).toBe(200);
    for (const built of open) plugin.responseComplete(built);
    for (let i = 0; i < 100; i += 1) {
      const built = sized(1);
      built.fairnessId = `g${i}`;
      plugin.preRequest(built, result({ default: one }));
      expect(gauges.get(name('inflight_requests', one, `g${i}`))?.()).toBe(1);
      plugin.responseComplete(built);
    }
    expect(gauges.size).toBeLessThanOrEqual(2 * 17);
  });
});

test('inflight-load-producer: state for people, the busiest 100 endpoints', () => {
  const pool = Array.from({ length: 130 }, (_, slot) => endpoint({ slot, name: `e${slot}` }));
  const { plugin } = setup({}, pool);
  plugin.preRequest(sized(7), result({ default: pool[120] ?? endpoint() }));
  const state = plugin.dumpState() as { endpoints: unknown[] };
  expect(state).toMatchObject({ totalEndpoints: 130, truncated: true, openRequests: 1 });
  expect(state.endpoints).toHaveLength(100);
  expect(state.endpoints[0]).toEqual({ endpoint: 'default/e120', requests: 1, tokens: 7 });
});

test.each([{ outputRatio: -1 }, { maxEstimatedOutputTokens: -1 }, { ratio: 1 }])(
  'inflight-load-producer: %j is refused',
  (raw) => {
    expect(inflightLoadProducer.params.safeParse(raw).success).toBe(false);
  },
);
