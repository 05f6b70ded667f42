// How much the producers add to one request: tokens, prefix match and record, in-flight count; 100 endpoints.
import { bench, do_not_optimize, run } from 'mitata';
import type { ProfileResult } from '../../src/framework/profile-handler.ts';
import type { InferenceRequest } from '../../src/framework/request.ts';
import { InferenceResponse } from '../../src/framework/response.ts';
import { approxPrefixCacheProducer } from '../../src/plugins/producers/approx-prefix-cache-producer.ts';
import { inflightLoadProducer } from '../../src/plugins/producers/inflight-load-producer.ts';
import { tokenProducer } from '../../src/plugins/producers/token-producer.ts';
import { endpoint, request } from '../../test/support/builders.ts';
import { busyPool, CONTEXT } from './fixtures.ts';

const pool = busyPool(100);
const context = { ...CONTEXT, endpoints: () => pool };
const tokens = tokenProducer.create(tokenProducer.params.parse({}), context);
const prefix = approxPrefixCacheProducer.create(approxPrefixCacheProducer.params.parse({}), {
  ...context,
  name: 'approx-prefix-cache-producer',
});
const load = inflightLoadProducer.create(inflightLoadProducer.params.parse({}), context);

function target(i: number): ReadonlyMap<string, ProfileResult> {
  const one = pool[i % pool.length] ?? endpoint();
  return new Map([['default', { targets: [one], candidates: pool, totals: new Float64Array(1) }]]);
}

const response = Object.assign(new InferenceResponse(), { status: 200, firstByteAtMs: 1, cause: 'natural' });
const results = Array.from({ length: 100 }, (_, i) => ({ profiles: target(i), primary: 'default' }));

/** A decoded body: strings as `JSON.parse` makes them. */
function body(bytes: number, messages: number, salt: number): InferenceRequest['body']['json'] {
  const content = `${salt} the quick brown fox `.repeat(Math.ceil(bytes / messages / 22));
  return JSON.parse(
    JSON.stringify({ messages: Array.from({ length: messages }, () => ({ role: 'user', content })) }),
  ) as InferenceRequest['body']['json']; // an object, two lines above
}

let turn = 0;
for (const [name, bytes, messages] of [
  ['1 kB', 1000, 1],
  ['40 kB in 20 messages', 40_000, 20],
  ['400 kB in 200 messages', 400_000, 200],
] as const) {
  const bodies = Array.from({ length: 50 }, (_, salt) => body(bytes, messages, salt));
  bench(`${name}: from body to match, record and end`, () => {
    turn = (turn + 1) % bodies.length;
    const built = request({ body: { api: 'chat', json: bodies[turn] } });
    tokens.produce(built);
    prefix.produce(built);
    load.produce(built, pool);
    const result = results[turn % 7] ?? { profiles: target(0), primary: 'default' };
    prefix.preRequest(built, result);
    load.preRequest(built, result);
    prefix.responseStarted(built, response);
    load.responseStarted(built);
    prefix.responseComplete(built, response);
    load.responseComplete(built);
    return do_not_optimize(built);
  });
}

await run({ throw: true });
