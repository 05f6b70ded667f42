import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { type KubeApi, KubeError } from './api.ts';
import { ExpiringCache } from './expiring-cache.ts';
import type { KubeObject, Resource } from './objects.ts';
import { AccessReview } from './review.ts';

const SCRAPER = {
  username: 'system:serviceaccount:mon:prometheus',
  uid: 'u1',
  groups: ['g'],
  extra: { a: ['b'] },
};

/** An API server that knows tokens and who may read what. */
class ReviewServer {
  readonly users = new Map<string, object>([['good', SCRAPER]]);
  readonly allowed = new Set([`${SCRAPER.username} get /metrics`]);
  /** Specs of the reviews that came in, by resource. */
  readonly tokenReviews: unknown[] = [];
  readonly accessReviews: unknown[] = [];
  /** What the next calls do instead. */
  trouble: ((resource: Resource) => Promise<KubeObject>) | undefined = undefined;

  get api(): KubeApi {
    const unused = () => Promise.reject(new Error('not a review'));
    return {
      create: (resource, _namespace, object) => this.#create(resource, object),
      list: unused,
      watch: unused,
      get: unused,
      replace: unused,
      serves: unused,
      find: unused,
    };
  }

  async #create(resource: Resource, object: KubeObject): Promise<KubeObject> {
    if (resource.plural === 'tokenreviews') {
      this.tokenReviews.push(object.spec);
      if (this.trouble !== undefined) return this.trouble(resource);
      const user = this.users.get((object.spec as { token: string }).token);
      const status =
        user === undefined
          ? { authenticated: false, error: 'invalid bearer token' }
          : { authenticated: true, user };
      return { ...object, status };
    }
    this.accessReviews.push(object.spec);
    if (this.trouble !== undefined) return this.trouble(resource);
    const { user, nonResourceAttributes } = object.spec as {
      user: string;
      nonResourceAttributes: { verb: string; path: string };
    };
    const { verb, path } = nonResourceAttributes;
    return { ...object, status: { allowed: this.allowed.has(`${user} ${verb} ${path}`) } };
  }
}

function world() {
  const clock = new FakeClock();
  const server = new ReviewServer();
  const log = new RecordingLog();
  const review = new AccessReview({ api: server.api, clock, log });
  const ask = async (authorization: string | undefined, path = '/metrics', method = 'GET') =>
    (await review.authorize({ method, path, authorization })).status;
  return { clock, server, log, ask };
}

test.each([
  { name: 'no header', authorization: undefined, want: 401 },
  { name: 'an empty header', authorization: '', want: 401 },
  { name: 'another scheme', authorization: 'Basic Z29vZA==', want: 401 },
  { name: 'a scheme without token', authorization: 'Bearer ', want: 401 },
  { name: 'two tokens', authorization: 'Bearer good good', want: 401 },
  { name: 'a token of nobody', authorization: 'Bearer bad', want: 401 },
  { name: 'a token longer than any', authorization: `Bearer ${'x'.repeat(20_000)}`, want: 401 },
  { name: 'a token that may', authorization: 'Bearer good', want: 200 },
  { name: 'the scheme in small letters', authorization: 'bearer good', want: 200 },
  { name: 'a path it may not', authorization: 'Bearer good', path: '/debug/config', want: 403 },
  { name: 'a verb it may not', authorization: 'Bearer good', method: 'POST', want: 403 },
])('$name: $want', async ({ authorization, path, method, want }) => {
  const { ask } = world();
  expect(await ask(authorization, path, method)).toBe(want);
});

test.each([
  { name: 'anonymous', user: { username: 'system:anonymous', groups: ['system:unauthenticated'] } },
  { name: 'a nameless user', user: { username: '' } },
  { name: 'a user that is none', user: { username: 7 } },
])('$name is nobody: 401', async ({ user }) => {
  const { server, ask } = world();
  server.users.set('odd', user);
  expect(await ask('Bearer odd')).toBe(401);
  expect(server.accessReviews).toEqual([]);
});

test('the reviews say what the reference says', async () => {
  const { server, ask } = world();
  await ask('Bearer good', '/debug/pprof/heap', 'HEAD');
  expect(server.tokenReviews).toEqual([{ token: 'good' }]);
  expect(server.accessReviews).toEqual([
    {
      user: SCRAPER.username,
      uid: 'u1',
      groups: ['g'],
      extra: { a: ['b'] },
      nonResourceAttributes: { path: '/debug/pprof/heap', verb: 'head' },
    },
  ]);
});

describe('answers hold for their time', () => {
  test('a token for a minute', async () => {
    const { clock, server, ask } = world();
    await ask('Bearer good');
    server.users.delete('good');
    clock.advance(59_000);
    expect(await ask('Bearer good')).toBe(200);
    clock.advance(2000);
    expect(await ask('Bearer good')).toBe(401);
    expect(server.tokenReviews).toHaveLength(2);
  });

  test('a token of nobody for ten seconds', async () => {
    const { clock, server, ask } = world();
    await ask('Bearer fresh');
    server.users.set('fresh', SCRAPER);
    clock.advance(9000);
    expect(await ask('Bearer fresh')).toBe(401);
    clock.advance(2000);
    expect(await ask('Bearer fresh')).toBe(200);
  });

  test('a permission for five minutes, under another token of the same user too', async () => {
    const { clock, server, ask } = world();
    await ask('Bearer good');
    server.allowed.clear();
    server.users.set('rotated', SCRAPER);
    clock.advance(299_000);
    expect(await ask('Bearer rotated')).toBe(200);
    expect(server.accessReviews).toHaveLength(1);
    clock.advance(2000);
    expect(await ask('Bearer rotated')).toBe(403);
  });

  test('a refusal for half a minute', async () => {
    const { clock, server, ask } = world();
    await ask('Bearer good', '/debug/config');
    server.allowed.add(`${SCRAPER.username} get /debug/config`);
    clock.advance(29_000);
    expect(await ask('Bearer good', '/debug/config')).toBe(403);
    clock.advance(2000);
    expect(await ask('Bearer good', '/debug/config')).toBe(200);
  });
});

test('users that differ in a group only are not mixed up', async () => {
  const { server, ask } = world();
  server.users.set('other', { ...SCRAPER, groups: ['h'] });
  await ask('Bearer good');
  await ask('Bearer other');
  expect(server.accessReviews).toHaveLength(2);
});

test('equal questions at the same time are asked once', async () => {
  const { server, ask } = world();
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask('Bearer good')));
  expect(new Set(answers)).toEqual(new Set([200]));
  expect(server.tokenReviews).toHaveLength(1);
  expect(server.accessReviews).toHaveLength(1);
});

test('more open questions than the API server should get are answered with 500, and later ones are asked again', async () => {
  const { clock, server, log, ask } = world();
  server.trouble = () => new Promise(() => {});
  const answers = Array.from({ length: 40 }, (_, i) => ask(`Bearer t${i}`));
  await clock.advanceAsync(8000);
  expect(new Set(await Promise.all(answers))).toEqual(new Set([500]));
  expect(server.tokenReviews).toHaveLength(32);
  expect(log.lines).toHaveLength(1);
  server.trouble = undefined;
  expect(await ask('Bearer good')).toBe(200);
});

test('without permission for reviews: 500, and one line that names what is missing, per change', async () => {
  const { server, log, ask } = world();
  server.trouble = () => Promise.reject(new KubeError(403, 'Forbidden', 'create tokenreviews: got 403'));
  for (let i = 0; i < 5; i += 1) expect(await ask('Bearer good')).toBe(500);
  expect(server.tokenReviews).toHaveLength(5);
  expect(log.lines).toMatchObject([
    {
      level: 'error',
      message: 'Kubernetes permission is missing',
      fields: { permission: 'create tokenreviews.authentication.k8s.io' },
    },
  ]);
  server.trouble = undefined;
  expect(await ask('Bearer good')).toBe(200);
  expect(log.lines.at(-1)).toMatchObject({ level: 'info' });
});

test.each<{ name: string; answer: () => Promise<KubeObject> }>([
  { name: 'an API server that is gone', answer: () => Promise.reject(new KubeError(0, '', 'refused')) },
  { name: 'an answer without status', answer: () => Promise.resolve({ metadata: {} }) },
  { name: 'a status that is text', answer: () => Promise.resolve({ metadata: {}, status: 'yes' }) },
])('$name: 500, not cached, logged once', async ({ answer }) => {
  const { server, log, ask } = world();
  server.trouble = answer;
  expect([await ask('Bearer good'), await ask('Bearer good')]).toEqual([500, 500]);
  expect(log.lines.map((line) => line.level)).toEqual(['warn']);
});

test('an access review that fails is 500 too, and the token is not asked for again', async () => {
  const { server, log, ask } = world();
  server.trouble = (resource) =>
    resource.plural === 'tokenreviews'
      ? Promise.resolve({ metadata: {}, status: { authenticated: true, user: SCRAPER } })
      : Promise.reject(new KubeError(500, '', 'internal'));
  expect([await ask('Bearer good'), await ask('Bearer good')]).toEqual([500, 500]);
  expect(server.tokenReviews).toHaveLength(1);
  expect(log.lines).toMatchObject([
    { message: 'Kubernetes cannot be asked about access, the metrics port answers 500' },
  ]);
});

test('no token is in the log, whatever goes wrong', async () => {
  const { server, log, ask } = world();
  server.trouble = () => Promise.reject(new Error('broken'));
  await ask('Bearer s3cret');
  expect(log.lines).toHaveLength(1);
  expect(JSON.stringify(log.lines)).not.toContain('s3cret');
});

test('a cache never holds more than its capacity, and what it holds is what was written last', () => {
  const write = fc.record({
    key: fc.constantFrom(...'abcdefgh'),
    lifetimeMs: fc.nat(100),
    waitMs: fc.nat(40),
  });
  fc.assert(
    fc.property(fc.array(write), fc.integer({ min: 1, max: 5 }), (writes, capacity) => {
      const clock = new FakeClock();
      const cache = new ExpiringCache<number>(clock, capacity);
      const model = new Map<string, { value: number; untilMs: number }>();
      for (const [value, { key, lifetimeMs, waitMs }] of writes.entries()) {
        cache.set(key, value, lifetimeMs);
        model.delete(key);
        model.set(key, { value, untilMs: clock.nowMs() + lifetimeMs });
        clock.advance(waitMs);
        let held = 0;
        for (const [known, { value: wanted, untilMs }] of model) {
          const found = cache.get(known);
          if (found !== undefined) held += 1;
          if (clock.nowMs() >= untilMs) expect(found).toBeUndefined();
          else if (found !== undefined) expect(found).toBe(wanted);
        }
        expect(held).toBeLessThanOrEqual(capacity);
      }
      const [last] = [...model].slice(-1);
      if (last !== undefined && clock.nowMs() < last[1].untilMs)
        expect(cache.get(last[0])).toBe(last[1].value);
    }),
  );
});
