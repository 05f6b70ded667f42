import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { context, endpoint, request } from '../../test/support/builders.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import type { Admitter, Screener } from '../framework/hooks.ts';
import { RequestHooks } from './hooks.ts';

/** Hooks with these screeners and admitters, named s0, s1, … and a0, a1, …; with their services. */
function hooks(screeners: readonly Screener[], admitters: readonly Admitter[] = []) {
  const services = context();
  const chain = new RequestHooks(
    {
      headerProcessors: [],
      screeners: screeners.map((plugin, i) => ({ name: `s${i}`, type: 's', plugin })),
      producers: [],
      admitters: admitters.map((plugin, i) => ({ name: `a${i}`, type: 'a', plugin })),
      preRequestHooks: [],
    },
    services,
  );
  return { chain, services };
}

/** Keeps the endpoints with these names. */
function keep(...names: readonly string[]): Screener {
  return { screen: (_request, candidates) => candidates.filter(({ name }) => names.includes(name)) };
}

const failing: Screener & Admitter = {
  screen: () => {
    throw new Error('boom');
  },
  admit: () => {
    throw new Error('boom');
  },
};

const pool = ['a', 'b', 'c', 'd'].map((name) => endpoint({ name }));

function names(endpoints: readonly Endpoint[]): string {
  return endpoints.map(({ name }) => name).join('');
}

describe('screeners', () => {
  test.each([
    { name: 'none', screeners: [], want: 'abcd' },
    { name: 'one that keeps all', screeners: [keep('a', 'b', 'c', 'd')], want: 'abcd' },
    {
      name: 'what all keep stays, in order',
      screeners: [keep('d', 'b', 'a'), keep('a', 'c', 'd')],
      want: 'ad',
    },
    { name: 'nobody left', screeners: [keep('a'), keep('b')], want: '' },
    { name: 'one that fails keeps all', screeners: [failing, keep('b')], want: 'b' },
  ])('$name', ({ screeners, want }) => {
    expect(names(hooks(screeners).chain.screen(request(), pool))).toBe(want);
  });

  test('each gets all candidates, and a list of which nobody is missing is the input itself', () => {
    const seen: string[] = [];
    const noting: Screener = {
      screen: (_request, candidates) => {
        seen.push(names(candidates));
        return [...candidates];
      },
    };
    expect(hooks([keep('a'), noting]).chain.screen(request(), pool)).toHaveLength(1);
    expect(seen).toEqual(['abcd']);
    expect(hooks([noting]).chain.screen(request(), pool)).toBe(pool);
  });

  test('any screeners: what stays is the intersection', () => {
    const subset = fc.subarray(['a', 'b', 'c', 'd']);
    fc.assert(
      fc.property(fc.array(subset, { maxLength: 4 }), (kept) => {
        const want = pool.filter(({ name }) => kept.every((some) => some.includes(name)));
        const screeners = kept.map((some) => keep(...some));
        expect(hooks(screeners).chain.screen(request(), pool)).toEqual(want);
      }),
    );
  });
});

describe('admitters', () => {
  const refusal = new RejectionError('resource-exhausted', 'no', { reason: 'rejected-saturated' });
  const letsIn: Admitter = { admit: () => undefined };

  test.each([
    { name: 'nobody refuses', admitters: [letsIn, letsIn] },
    { name: 'one that fails lets in', admitters: [failing, letsIn] },
    { name: 'there is none', admitters: [] },
  ])('$name: it is let in', ({ admitters }) => {
    expect(() => hooks([], admitters).chain.admit(request(), pool)).not.toThrow();
  });

  test('the first refusal counts, with its status; nobody is asked after it', () => {
    let asked = 0;
    const counting: Admitter = {
      admit: () => {
        asked += 1;
        return new RejectionError('forbidden', 'never');
      },
    };
    const { chain } = hooks([], [letsIn, { admit: () => refusal }, counting]);
    expect(() => chain.admit(request(), pool)).toThrow(refusal);
    expect(asked).toBe(0);
  });
});

test('calls are timed under the names of the reference', () => {
  const { chain, services } = hooks([keep('a')], [{ admit: () => undefined }]);
  chain.screen(request(), pool);
  chain.admit(request(), pool);
  const calls = (point: string, plugin: string, type: string) =>
    services.instruments.observations.get(
      `plugin_duration_seconds{extension_point="${point}",plugin_name="${plugin}",plugin_type="${type}"}`,
    )?.length;
  expect([calls('Screener', 's0', 's'), calls('Admission', 'a0', 'a')]).toEqual([1, 1]);
});
