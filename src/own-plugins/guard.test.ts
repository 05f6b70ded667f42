import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { endpoint, request } from '../../test/support/builders.ts';
import { guarded as guardedPlugin } from '../../test/support/guarded.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import type { Filter } from '../framework/filter.ts';
import type {
  Admitter,
  DataProducer,
  Decider,
  PreRequestHook,
  ResponseBodyHook,
  Screener,
} from '../framework/hooks.ts';
import type { Parser } from '../framework/parser.ts';
import type { Picker } from '../framework/picker.ts';
import type { PluginKind } from '../framework/plugin.ts';
import type { ProfileHandler } from '../framework/profile-handler.ts';
import { InferenceResponse, Usage } from '../framework/response.ts';
import type { SaturationDetector } from '../framework/saturation.ts';
import type { Scorer } from '../framework/scorer.ts';

const [a, b, c] = [endpoint({ name: 'a' }), endpoint({ name: 'b' }), endpoint({ name: 'c' })];
const POOL = [a, b, c];
const NEVER = { signal: new AbortController().signal };

/** A guarded plugin that can be made slow. */
function guarded<T extends object>(kinds: readonly PluginKind[], instance: object) {
  const made = guardedPlugin<T>(kinds, instance);
  /** Makes its next calls be skipped. */
  const makeSlow = (call: () => void) => {
    slow = () => made.services.clock.advance(1001);
    call();
    slow = () => {};
  };
  return { ...made, makeSlow };
}

let slow = () => {};

function scoresOf(scorer: Scorer, candidates: readonly Endpoint[]): number[] {
  const out = new Float64Array(candidates.length);
  scorer.score(request(), candidates, out);
  return [...out];
}

describe('filters', () => {
  const filtering = (filter: unknown) => guarded<Filter>(['filter'], { filter });

  test.each([
    { name: 'some', result: [b], want: [b], errors: 0 },
    { name: 'another order', result: [c, a], want: [a, c], errors: 0 },
    { name: 'twice the same', result: [b, b], want: [b], errors: 0 },
    { name: 'foreign endpoints', result: [endpoint({ name: 'x' }), b], want: [b], errors: 1 },
    { name: 'nobody', result: [], want: [], errors: 0 },
    { name: 'things that are no endpoints', result: [undefined, 7, a], want: [a], errors: 1 },
  ])('$name', ({ result, want, errors }) => {
    const { plugin, errors: counted } = filtering(() => result);
    expect(plugin.filter(request(), POOL)).toEqual(want);
    expect(counted('Filter')).toBe(errors);
  });

  test('everybody is the input itself', () => {
    expect(filtering((_: unknown, given: Endpoint[]) => given).plugin.filter(request(), POOL)).toBe(POOL);
  });

  test('sorting what it got changes nothing', () => {
    const given = [...POOL];
    filtering((_: unknown, all: Endpoint[]) => all.reverse().slice(1)).plugin.filter(request(), given);
    expect(given).toEqual(POOL);
  });

  test.each([
    { name: 'no list', filter: () => undefined, message: 'it returned nothing' },
    { name: 'a promise', filter: async () => Promise.reject(new Error('late')), message: 'drop async' },
    {
      name: 'a throw',
      filter: () => {
        throw new Error('boom');
      },
      message: 'boom',
    },
  ])('$name is thrown to the stage, which counts it', ({ filter, message }) => {
    expect(() => filtering(filter).plugin.filter(request(), POOL)).toThrow(message);
  });

  test('for any result: candidates only, each once, in order', () => {
    const pool = Array.from({ length: 12 }, (_, i) => endpoint({ name: `p${i}` }));
    const foreign = endpoint({ name: 'f' });
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pool, foreign)), (result) => {
        const kept = filtering(() => result).plugin.filter(request(), pool);
        expect(kept).toEqual(pool.filter((one) => result.includes(one)));
      }),
    );
  });
});

describe('scorers', () => {
  const scoring = (score: unknown) => guarded<Scorer>(['scorer'], { category: 'balance', score });

  test('scores arrive; those that are no finite number count 0 and are counted', () => {
    const { plugin, errors } = scoring((_: unknown, _all: unknown, out: Float64Array) =>
      out.set([0.25, Number.NaN, Number.POSITIVE_INFINITY]),
    );
    expect(scoresOf(plugin, POOL)).toEqual([0.25, 0, 0]);
    expect(errors('Scorer')).toBe(1);
    expect(plugin.category).toBe('balance');
  });

  test('a buffer that it keeps is not the one of others', () => {
    let kept: Float64Array = new Float64Array();
    const { plugin } = scoring((_: unknown, _all: unknown, out: Float64Array) => {
      kept = out;
      out.fill(0.5);
    });
    const out = new Float64Array(3);
    plugin.score(request(), POOL, out);
    kept.fill(1);
    expect([...out]).toEqual([0.5, 0.5, 0.5]);
  });

  test('more candidates than before', () => {
    const { plugin } = scoring((_: unknown, all: unknown[], out: Float64Array) => out.fill(1, 0, all.length));
    const many = Array.from({ length: 200 }, () => a);
    expect(scoresOf(plugin, POOL)).toEqual([1, 1, 1]);
    expect(scoresOf(plugin, many)).toEqual(many.map(() => 1));
  });

  test('skipped while it is slow: everybody scores 0', () => {
    const { plugin, makeSlow, services } = scoring((_: unknown, _all: unknown, out: Float64Array) => {
      slow();
      out.fill(1);
    });
    makeSlow(() => scoresOf(plugin, POOL));
    expect(scoresOf(plugin, POOL)).toEqual([0, 0, 0]);
    services.clock.advance(30_000);
    expect(scoresOf(plugin, POOL)).toEqual([1, 1, 1]);
  });
});

describe('pickers', () => {
  const totals = Float64Array.of(1, 3, 2, 1e9);

  test('foreign endpoints are ignored, order is kept', () => {
    const { plugin, errors } = guarded<Picker>(['picker'], { pick: () => [c, endpoint(), a, c] });
    expect(plugin.pick(POOL, totals)).toEqual([c, a]);
    expect(errors('Picker')).toBe(1);
  });

  test('nobody is an error unless there is nobody', () => {
    const { plugin } = guarded<Picker>(['picker'], { pick: () => [] });
    expect(() => plugin.pick(POOL, totals)).toThrow('picked none');
    expect(plugin.pick([], totals)).toEqual([]);
  });

  test('it cannot change totals; skipped, the best is picked', () => {
    const { plugin, makeSlow } = guarded<Picker>(['picker'], {
      pick(all: readonly Endpoint[], given: Float64Array) {
        given.fill(7);
        slow();
        return all.slice(0, 1);
      },
    });
    expect(plugin.pick(POOL, totals)).toEqual([a]);
    expect([...totals]).toEqual([1, 3, 2, 1e9]);
    makeSlow(() => plugin.pick(POOL, totals));
    expect(plugin.pick(POOL, totals)).toEqual([b]);
  });
});

test('screeners and admitters let everybody in while they are skipped', () => {
  const refusal = new RejectionError('resource-exhausted', 'full');
  const { plugin, makeSlow } = guarded<Screener & Admitter>(['screener', 'admitter'], {
    screen: () => [a],
    admit() {
      slow();
      return refusal;
    },
  });
  expect(plugin.screen(request(), POOL)).toEqual([a]);
  expect(plugin.admit(request(), POOL)).toBe(refusal);
  makeSlow(() => plugin.admit(request(), POOL));
  expect(plugin.screen(request(), POOL)).toBe(POOL);
  expect(plugin.admit(request(), POOL)).toBeUndefined();
  expect(() => guarded<Admitter>(['admitter'], { admit: () => false }).plugin.admit(request(), POOL)).toThrow(
    'no RejectionError',
  );
});

test('what it was told of before a request was sent it is told of at its end, slow or not', () => {
  const told: string[] = [];
  const { plugin, makeSlow } = guarded<PreRequestHook & ResponseBodyHook>(['pre-request', 'response-body'], {
    preRequest() {
      told.push('sent');
      slow();
    },
    responseComplete: () => void told.push('ended'),
  });
  const result = { profiles: new Map(), primary: '' };
  const [early, late] = [request(), request()];
  makeSlow(() => plugin.preRequest(early, result));
  plugin.preRequest(late, result);
  plugin.responseComplete(late, new InferenceResponse());
  plugin.responseComplete(early, new InferenceResponse());
  expect(told).toEqual(['sent', 'ended']);
});

test('failures that no stage would contain are counted, and the picker goes on', () => {
  const fail = () => {
    throw new Error('boom');
  };
  const detector = guarded<SaturationDetector>(['saturation-detector'], { saturation: fail });
  expect(detector.plugin.saturation(POOL, 0)).toBe(0);
  expect(detector.errors('SaturationDetector')).toBe(1);
  const decider = guarded<Decider>(['decider'], { decide: fail });
  expect(decider.plugin.decide(request(), a)).toBe(false);
  expect(decider.errors('Decider')).toBe(1);
  const parser = guarded<Parser>(['parser'], { parse: fail, readUsage: fail });
  parser.plugin.readUsage({}, false, new Usage());
  expect(() => parser.plugin.parse(Buffer.from('{}'), 'v1')).toThrow('boom');
  expect(parser.errors('Parser')).toBe(2);
  for (let i = 0; i < 3; i += 1) detector.plugin.saturation(POOL, 0);
  expect(detector.services.log.lines).toHaveLength(1);
  expect(detector.services.log.lines[0]?.fields).toMatchObject({
    plugin: 'mine',
    pluginType: 'my-type',
    extensionPoint: 'SaturationDetector',
  });
});

test('a profile handler must name profiles and make a result; it is never skipped', () => {
  const wrong = guarded<ProfileHandler>(['profile-handler'], { pick: () => 'p', process: () => ({}) });
  expect(() => wrong.plugin.pick(request(), ['p'], new Map())).toThrow('no list of profile names');
  expect(() => wrong.plugin.process(request(), new Map())).toThrow('no result');
  const { plugin, makeSlow } = guarded<ProfileHandler>(['profile-handler'], {
    pick(_: unknown, names: readonly string[]) {
      slow();
      return names;
    },
  });
  makeSlow(() => plugin.pick(request(), ['p'], new Map()));
  expect(plugin.pick(request(), ['p'], new Map())).toEqual(['p']);
});

test('a producer may wait; its time waiting is not slow', async () => {
  const { plugin, services } = guarded<DataProducer>(['producer'], {
    timeoutMs: 50,
    produce: () => new Promise((resolve) => setImmediate(resolve)),
  });
  expect(plugin.timeoutMs).toBe(50);
  const running = plugin.produce(request(), POOL, NEVER);
  services.clock.advance(5000);
  await running;
  expect(plugin.produce(request(), POOL, NEVER)).toBeInstanceOf(Promise);
});

test('private fields, getters, frozen instances and members of its own work as on the plugin itself', () => {
  class Mine {
    #count = 2;
    readonly category = 'balance';
    get count() {
      return this.#count;
    }
    add() {
      this.#count += 1;
    }
    score(_request: unknown, _candidates: unknown, out: Float64Array) {
      out[0] = this.#count / 10;
    }
  }
  const { plugin } = guarded<Mine & Scorer>(['scorer'], Object.freeze(new Mine()));
  plugin.add();
  expect(plugin.count).toBe(3);
  expect(scoresOf(plugin, [a])).toEqual([0.3]);
  expect(plugin).toBeInstanceOf(Mine);
  expect('count' in plugin).toBe(true);
});
