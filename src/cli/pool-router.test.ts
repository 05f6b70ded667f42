import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { Decision, ExchangeContext } from '../extproc/exchange.ts';
import { RejectionError } from '../framework/errors.ts';
import { Headers } from '../framework/headers.ts';
import type { PoolHint } from '../framework/pool-hint.ts';
import { InferenceRequest } from '../framework/request.ts';
import { InferenceResponse } from '../framework/response.ts';
import { PoolRouter, type RoutedPool } from './pool-router.ts';

const CONTEXT: ExchangeContext = {
  bodyView: 'whole',
  subset: undefined,
  signal: new AbortController().signal,
};
const EMPTY = Buffer.alloc(0);

/** A pool that sends everything to itself, and writes down what it was asked. */
function poolOf(place: string, seen: string[] = [], isBroken = false): RoutedPool {
  const [namespace = '', name = ''] = place.split('/');
  const decision: Decision = { destination: place, scores: undefined, body: undefined, skipsResponse: false };
  const note = (what: string) => void seen.push(`${place} ${what}`);
  const stages: RoutedPool['stages'] = {
    request: {
      accept: () => note('accept'),
      decide: () => {
        note('decide');
        return decision;
      },
    },
    response: {
      headers: () => note('headers'),
      chunk: (_request, _response, chunk) => {
        note('chunk');
        return chunk;
      },
      finalMetadata: () => [{ namespace: 'envoy.lb', key: place, value: 1 }],
      end: () => note('end'),
    },
  };
  return { name, namespace, label: place, stages: isBroken ? undefined : stages };
}

function routerOf(pools: readonly RoutedPool[], header = '') {
  const rejected: string[] = [];
  const router = new PoolRouter(pools, {
    defaultNamespace: 'default',
    header,
    errorShapeOf: (path) => (path.endsWith('/messages') ? 'anthropic' : 'openai'),
    clock: new FakeClock(),
    observer: { rejected: (_request, code) => void rejected.push(code), processed: () => {} },
  });
  return { router, rejected };
}

function requestFor(...hints: readonly PoolHint[]): InferenceRequest {
  const headers = new Headers();
  headers.receive(':path', '/v1/messages');
  const request = new InferenceRequest(headers, 0);
  request.poolHints = hints;
  return request;
}

/** Where a request goes: a pool, or the status of the refusal. */
function destination(router: PoolRouter, ...hints: readonly PoolHint[]): string | number {
  const request = requestFor(...hints);
  router.accept(request);
  try {
    const decided = router.decide(request, EMPTY, CONTEXT);
    if (decided instanceof Promise) throw new Error('nothing here waits');
    return decided.destination;
  } catch (error) {
    return RejectionError.from(error).httpStatus;
  }
}

const metadata = (value: string): PoolHint => ({ from: 'metadata', name: 'llm-d.ai/inference-pool', value });
const attribute = (value: string): PoolHint => ({ from: 'attribute', name: 'xds.cluster_name', value });
const header = (value: string): PoolHint => ({ from: 'header', name: 'x-pool', value });

const LONG = 'a'.repeat(60);

describe('the pool of a request', () => {
  const pools = ['default/a', 'default/b', 'n/b', 'n/c', 'm/c', `n/${LONG}`, 'n/x-ip-y'].map((place) =>
    poolOf(place),
  );
  const { router } = routerOf(pools);

  test.each<{ name: string; hints: readonly PoolHint[]; want: string | number }>([
    { name: 'nothing said', hints: [], want: 404 },
    { name: 'metadata', hints: [metadata('a')], want: 'default/a' },
    { name: 'metadata with namespace', hints: [metadata('n/b')], want: 'n/b' },
    { name: 'of two the one in the default namespace', hints: [metadata('b')], want: 'default/b' },
    { name: 'of two in other namespaces none', hints: [metadata('c')], want: 404 },
    {
      name: 'metadata that names none is not passed over',
      hints: [metadata('x'), attribute('a')],
      want: 404,
    },
    { name: 'metadata before attributes', hints: [metadata('a'), attribute('b')], want: 'default/a' },
    { name: 'an attribute', hints: [attribute('a')], want: 'default/a' },
    {
      name: 'the first attribute that is a pool',
      hints: [attribute('x'), attribute('m/c'), attribute('a')],
      want: 'm/c',
    },
    { name: 'attributes before the header', hints: [attribute('a'), header('n/b')], want: 'default/a' },
    { name: 'a header where no attribute is a pool', hints: [attribute('x'), header('n/b')], want: 'n/b' },
    { name: 'a header that names none', hints: [header('x')], want: 404 },
    {
      name: "Istio's cluster",
      hints: [attribute('outbound|54321||b-ip-a1b2c3d4.n.svc.cluster.local')],
      want: 'n/b',
    },
    {
      name: "Istio's cluster with a subset",
      hints: [attribute('outbound|80|v1|a-ip-a1b2c3d4.default.svc.cluster.local')],
      want: 'default/a',
    },
    {
      name: "Istio's cluster of a long name",
      hints: [attribute(`outbound|80||${LONG.slice(0, 51)}-ip-a1b2c3d4.n.svc.cluster.local`)],
      want: `n/${LONG}`,
    },
    {
      name: "Istio's cluster of a name that looks like one",
      hints: [attribute('outbound|80||x-ip-y-ip-0123abcd.n.svc.cluster.local')],
      want: 'n/x-ip-y',
    },
    {
      name: "Istio's cluster in another namespace",
      hints: [attribute('outbound|80||a-ip-a1b2c3d4.n.svc.cluster.local')],
      want: 404,
    },
    {
      name: 'a cluster is no name for metadata',
      hints: [metadata('outbound|80||a-ip-a1.default.svc')],
      want: 404,
    },
  ])('$name', ({ hints, want }) => {
    expect(destination(router, ...hints)).toBe(want);
  });
});

test('a refusal says what was got and what is wanted, in the shape of the API, and is counted', () => {
  const { router, rejected } = routerOf([poolOf('n/a'), poolOf('n/b')], 'x-pool');
  const request = requestFor(attribute('x'.repeat(1_000)), header('y'));
  router.accept(request);
  expect(request.errorShape).toBe('anthropic');
  expect(() => router.decide(request, EMPTY, CONTEXT)).toThrow(
    `no pool for this request: got attribute xds.cluster_name "${'x'.repeat(120)}", header x-pool "y", want a pool ` +
      "named by the gateway's metadata llm-d.ai/inference-pool, or by one of the gateway's attributes, or by header x-pool",
  );
  expect(rejected).toEqual(['NotFound']);
});

test('a broken pool refuses its own requests with 503, and the others go on', () => {
  const { router, rejected } = routerOf([poolOf('n/a', [], true), poolOf('n/b')]);
  expect(destination(router, metadata('a'))).toBe(503);
  expect(rejected).toEqual(['ServiceUnavailable']);
  expect(destination(router, metadata('b'))).toBe('n/b');
});

test('every part of an exchange goes to the pool that took the request, and a refused one to none', () => {
  const seen: string[] = [];
  const { router } = routerOf([poolOf('n/a', seen), poolOf('n/b', seen)]);
  for (const hint of [metadata('b'), metadata('x')]) {
    const request = requestFor(hint);
    const response = new InferenceResponse();
    router.accept(request);
    if (hint.value === 'b') void router.decide(request, EMPTY, CONTEXT);
    router.headers(request, response);
    const chunk = Buffer.from('x');
    expect(router.chunk(request, response, chunk, true)).toBe(chunk);
    const told = router.finalMetadata(request, response).map(({ key }) => key);
    expect(told).toEqual(hint.value === 'b' ? ['n/b'] : []);
    router.end(request, response);
  }
  expect(seen).toEqual(['n/b accept', 'n/b decide', 'n/b headers', 'n/b chunk', 'n/b end']);
});

test('a request that goes somewhere goes where it was sent, whatever else is said', () => {
  const place = fc.constantFrom('n/a', 'n/b', 'm/a', 'm/c');
  const word = fc.constantFrom(
    'a',
    'b',
    'c',
    'n/a',
    'm/a',
    'n/z',
    'x',
    '__proto__',
    'outbound|80||a-ip-0.m.svc',
  );
  const hint = fc.record({
    from: fc.constantFrom('metadata', 'attribute', 'header'),
    name: fc.string(),
    value: word,
  });
  const order = { metadata: 0, attribute: 1, header: 2 } as const;
  fc.assert(
    fc.property(fc.uniqueArray(place), fc.array(hint, { maxLength: 5 }), (places, said) => {
      const { router } = routerOf(places.map((one) => poolOf(one)));
      const hints = said.toSorted((a, b) => order[a.from] - order[b.from]);
      const got = destination(router, ...hints);
      if (got === 404) return;
      expect(places).toContain(got);
      const names = String(got).split('/').at(-1) ?? '';
      const named = hints.filter(
        ({ value }) => value === got || value === names || value.startsWith('outbound'),
      );
      expect(named).not.toEqual([]);
      // what the gateway says in metadata cannot be overruled
      const [first] = hints;
      if (first?.from === 'metadata') expect([got, names]).toContain(first.value);
    }),
  );
});
