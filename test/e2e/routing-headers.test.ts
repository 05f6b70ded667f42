import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { hasEnvoy } from '../support/envoy.ts';
import { allValues, chatBody, type HttpAnswer, type HttpRequest, send } from '../support/http-client.ts';
import { expectNothingHeld, type Stack, startStack } from '../support/stack.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

const PREFILLER = 'x-prefiller-host-port';
const ENCODERS = 'x-encoder-hosts-ports';
const RANK = 'x-data-parallel-host-port';
/** Of somebody who wants the side car to fetch from elsewhere. */
const SPOOFED = { [PREFILLER]: '6.6.6.6:1', [ENCODERS]: '6.6.6.6:2', [RANK]: '6.6.6.6:3' };
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

type Role = 'decode' | 'prefill' | 'encode';

/** A pool whose servers have roles and keep what they were sent. */
interface RolePool extends AsyncDisposable {
  readonly stack: Stack;
  /** In the order in which they were given. */
  readonly servers: readonly Upstream[];
  send(request: HttpRequest): Promise<HttpAnswer>;
}

/** Profiles by the roles in `roles`, each with its filter. */
async function startPool(roles: readonly Role[], plugins: readonly object[]): Promise<RolePool> {
  await using started = new AsyncDisposableStack();
  const servers = await Promise.all(roles.map(() => startUpstream()));
  for (const server of servers) started.use(server);
  const folder = await mkdtemp(join(tmpdir(), 'routing-headers-'));
  started.defer(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'endpoints.yaml');
  const endpoints = servers.map(({ address }, i) => {
    const [host = '', port = ''] = address.split(':');
    return { name: `${roles[i]}-${i}`, address: host, port, labels: { 'llm-d.ai/role': roles[i] } };
  });
  await writeFile(path, stringify({ endpoints }));
  const names: readonly Role[] = ['decode', 'prefill', 'encode'];
  const config = stringify({
    plugins: [
      ...plugins,
      ...names.map((name) => ({ type: `${name}-filter` })),
      { type: 'prefix-cache-scorer' },
      { type: 'max-score-picker', parameters: { maxNumOfEndpoints: 1 } },
      { name: 'endpoints', type: 'file-discovery', parameters: { path } },
    ],
    schedulingProfiles: names.map((name) => ({
      name,
      plugins: [{ pluginRef: `${name}-filter` }, { pluginRef: 'prefix-cache-scorer' }],
    })),
    dataLayer: { discovery: { pluginRef: 'endpoints' } },
  });
  const stack = started.use(
    await startStack({
      endpoints: servers.map(({ address }) => address),
      picker: { config, args: ['--allow-experimental-plugins'] },
    }),
  );
  const kept = started.move();
  return {
    stack,
    servers,
    send: (request) => send(stack.url, request),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The only request that any server got since the last call: which server, and the values of the routing headers. */
function arrived({ servers }: RolePool): {
  readonly server: number;
  readonly headers: Record<string, string[]>;
} {
  const all = servers.flatMap(({ requests }, server) => requests.map((request) => ({ request, server })));
  for (const { requests } of servers) requests.length = 0;
  const [only] = all;
  expect(all).toHaveLength(1);
  const headers: Record<string, string[]> = {};
  for (const name of Object.keys(SPOOFED)) {
    const values = allValues(only?.request.rawHeaders ?? [], name);
    if (values.length > 0) headers[name] = values;
  }
  return { server: only?.server ?? -1, headers };
}

/** Words that no prompt of another name shares. */
function prompt(name: string, words = 1000): string {
  return Array.from({ length: words }, (_, i) => `${name}${i % 10}`).join(' ');
}

function imageBody(text: string): object {
  const content = [
    { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
    { type: 'text', text },
  ];
  return { ...chatBody('', 1), messages: [{ role: 'user', content }] };
}

const PD_DECIDER = { type: 'prefix-based-pd-decider', parameters: { nonCachedTokens: 256 } };
const ALWAYS = { type: 'always-disagg-pd-decider' };
const MEDIA = { type: 'always-disagg-multimodal-decider' };

function disagg(parameters: object): object {
  return { type: 'disagg-profile-handler', parameters };
}

async function expectDecisions(pool: RolePool, metric: string, wants: Record<string, number>): Promise<void> {
  const type = metric === 'pd_decision_total' ? 'pd-profile-handler' : 'disagg-profile-handler';
  for (const [decision, want] of Object.entries(wants)) {
    const labels = `plugin_name="${type}",plugin_type="${type}",model_name="sim-model",decision_type="${decision}"`;
    expect(await pool.stack.picker.metric(`llm_d_epp_${metric}{${labels}}`)).toBe(want);
  }
}

describe.skipIf(!hasEnvoy())('headers that tell a side car of other stages', () => {
  test('decode first: long prompts name the prefill endpoint, short and cached ones nobody', async () => {
    await using pool = await startPool(
      ['decode', 'prefill'],
      [disagg({ deciders: { prefill: 'prefix-based-pd-decider' } }), PD_DECIDER],
    );
    const prefiller = pool.servers[1]?.address ?? '';
    const long = { body: chatBody(prompt('long'), 1), headers: SPOOFED };
    expect((await pool.send(long)).status).toBe(200);
    expect(arrived(pool)).toEqual({ server: 0, headers: { [PREFILLER]: [prefiller] } });
    expect((await pool.send(long)).status).toBe(200);
    expect(arrived(pool)).toEqual({ server: 0, headers: {} });
    expect((await pool.send({ body: chatBody('short', 1), headers: SPOOFED })).status).toBe(200);
    expect(arrived(pool)).toEqual({ server: 0, headers: {} });
    await expectDecisions(pool, 'disagg_decision_total', { 'prefill-decode': 1, 'decode-only': 2 });
    await expectNothingHeld(pool.stack.picker);
  });

  test('prefill first: the prefill endpoint is always named', async () => {
    await using pool = await startPool(['prefill', 'decode'], [disagg({ stageOrder: 'prefill-first' })]);
    const prefiller = pool.servers[0]?.address ?? '';
    for (const headers of [{}, SPOOFED]) {
      expect((await pool.send({ body: chatBody('short', 1), headers })).status).toBe(200);
      expect(arrived(pool)).toEqual({ server: 1, headers: { [PREFILLER]: [prefiller] } });
    }
    await expectDecisions(pool, 'disagg_decision_total', { 'prefill-decode': 2 });
  });

  test('media name the encode endpoint', async () => {
    const deciders = { prefill: 'always-disagg-pd-decider', encode: 'always-disagg-multimodal-decider' };
    await using pool = await startPool(
      ['decode', 'prefill', 'encode'],
      [disagg({ deciders }), ALWAYS, MEDIA],
    );
    const [, prefill, encode] = pool.servers.map(({ address }) => address);
    expect((await pool.send({ body: imageBody('what is it?'), headers: SPOOFED })).status).toBe(200);
    expect(arrived(pool)).toEqual({ server: 0, headers: { [PREFILLER]: [prefill], [ENCODERS]: [encode] } });
    expect((await pool.send({ body: chatBody('no image', 1), headers: SPOOFED })).status).toBe(200);
    expect(arrived(pool)).toEqual({ server: 0, headers: { [PREFILLER]: [prefill] } });
    await expectDecisions(pool, 'disagg_decision_total', { 'encode-prefill-decode': 1, 'prefill-decode': 1 });
  });

  test.each([
    { onPrefillFailure: 'skip', status: 200 },
    { onPrefillFailure: 'fail', status: 429 },
  ])('without a prefill endpoint, $onPrefillFailure', async ({ onPrefillFailure, status }) => {
    const deciders = { prefill: 'always-disagg-pd-decider' };
    await using pool = await startPool(
      ['decode', 'encode'],
      [disagg({ deciders, onPrefillFailure }), ALWAYS],
    );
    const answer = await pool.send({ body: chatBody('x', 1), headers: SPOOFED });
    expect(answer.status).toBe(status);
    if (status === 200) expect(arrived(pool)).toEqual({ server: 0, headers: {} });
    else expect(pool.servers.flatMap(({ requests }) => requests)).toEqual([]);
    await expectNothingHeld(pool.stack.picker);
  });

  test('pd-profile-handler with disagg-headers-handler', async () => {
    await using pool = await startPool(
      ['decode', 'prefill'],
      [{ type: 'pd-profile-handler', parameters: { threshold: 1024 } }, { type: 'prefill-header-handler' }],
    );
    const prefiller = pool.servers[1]?.address ?? '';
    expect((await pool.send({ body: chatBody(prompt('long'), 1), headers: SPOOFED })).status).toBe(200);
    expect(arrived(pool)).toEqual({ server: 0, headers: { [PREFILLER]: [prefiller] } });
    expect((await pool.send({ body: chatBody('short', 1), headers: SPOOFED })).status).toBe(200);
    expect(arrived(pool)).toEqual({ server: 0, headers: {} });
    await expectDecisions(pool, 'pd_decision_total', { 'prefill-decode': 1, 'decode-only': 1 });
  });
});

describe.skipIf(!hasEnvoy())('ranks behind one port', () => {
  test('the request goes to the primary port and names the chosen rank, which is charged for it', async () => {
    await using primary = await startUpstream();
    await using first = await startUpstream();
    await using second = await startUpstream();
    const ranks = [first.address, second.address];
    const primaryPort = Number(primary.address.split(':')[1]);
    const plugins = [
      { type: 'data-parallel-profile-handler', parameters: { primaryPort } },
      { type: 'active-request-scorer' },
    ];
    await using stack = await startStack({ endpoints: ranks, picker: { config: stringify({ plugins }) } });
    const held: (() => void)[] = [];
    primary.handler = (_request, response) => {
      held.push(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
    };
    const answers = [];
    for (const count of [1, 2]) {
      answers.push(send(stack.url, { body: chatBody('x', 1), headers: SPOOFED }));
      await expect.poll(() => primary.requests.length).toBe(count);
    }
    const named = primary.requests.flatMap(({ rawHeaders }) => allValues(rawHeaders, RANK));
    // the second goes to the rank that was not charged with the first
    expect(named.toSorted()).toEqual(ranks.toSorted());
    expect(primary.requests.flatMap(({ rawHeaders }) => allValues(rawHeaders, PREFILLER))).toEqual([]);
    for (const answer of held) answer();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
    expect([first, second].flatMap(({ requests }) => requests)).toEqual([]);
    await expectNothingHeld(stack.picker);
  });
});

describe.skipIf(!hasEnvoy())('a coordinator that sends each phase by itself', () => {
  const HANDLER = { type: 'header-profile-handler' };

  test('the header names the profile; an unknown one is a bad request', async () => {
    await using pool = await startPool(['decode', 'prefill', 'encode'], [HANDLER]);
    const statusOf = async (profile: string | undefined) => {
      const headers = profile === undefined ? SPOOFED : { ...SPOOFED, 'EPP-Profile': profile };
      return pool.send({ body: chatBody('x', 1), headers });
    };
    for (const [profile, server] of [
      ['prefill', 1],
      ['encode', 2],
      [undefined, 0],
      [' decode ', 0],
    ] as const) {
      expect((await statusOf(profile)).status).toBe(200);
      expect(arrived(pool)).toEqual({ server, headers: {} });
    }
    const refused = await statusOf('Prefill');
    expect(refused.status).toBe(400);
    expect(refused.body.toString()).toContain("header epp-profile names no scheduling profile: 'Prefill'");
    expect(refused.headers['x-llm-d-request-dropped-reason']).toBeUndefined();
    expect(pool.servers.flatMap(({ requests }) => requests)).toEqual([]);
  });

  test('if-available is served only where the prompt is cached', async () => {
    const conditionalDecode = { minMatchRatio: 0.9 };
    await using pool = await startPool(
      ['decode', 'prefill'],
      [{ ...HANDLER, parameters: { conditionalDecode } }],
    );
    const conditional = { prefer: 'respond-async, If-Available;wait=1' };
    const body = chatBody(prompt('known'), 1);
    const refused = await pool.send({ body, headers: conditional });
    expect(refused.status).toBe(412);
    expect(refused.body.toString()).toContain('no decode worker has the requested KV cache');
    expect(pool.servers.flatMap(({ requests }) => requests)).toEqual([]);
    expect((await pool.send({ body })).status).toBe(200);
    expect(arrived(pool).server).toBe(0);
    expect((await pool.send({ body, headers: conditional })).status).toBe(200);
    expect(arrived(pool).server).toBe(0);
    // half of it is known, which is less than the least share
    const longer = chatBody(`${prompt('known')} ${prompt('unknown')}`, 1);
    expect((await pool.send({ body: longer, headers: conditional })).status).toBe(412);
    await expectNothingHeld(pool.stack.picker);
  });

  test('if-available works with every handler', async () => {
    await using pool = await startPool(['decode', 'prefill'], [disagg({})]);
    const request = { body: chatBody(prompt('known'), 1), headers: { prefer: 'if-available' } };
    expect((await pool.send(request)).status).toBe(412);
    expect((await pool.send({ body: request.body })).status).toBe(200);
    expect((await pool.send(request)).status).toBe(200);
  });
});
