import { describe, expect, test } from 'vitest';
import { INSTANT, startDecode, USER } from '../../test/support/decode-server.ts';
import { freePorts } from '../../test/support/free-port.ts';
import { send } from '../../test/support/http-client.ts';
import { startSimulator } from './simulator.ts';

const BODY = { messages: [USER], max_tokens: 2 };
const RANKS = { ...INSTANT, sidecar: true, count: 2, dataParallelSize: 3 };

describe('ranks of a data-parallel server', () => {
  test('are servers on consecutive ports, each with its own cache and page', async () => {
    const [first = 0] = await freePorts(1);
    await using sim = await startSimulator({ ...INSTANT, ports: [String(first)], dataParallelSize: 2 });
    expect(sim.addresses).toEqual([`127.0.0.1:${first}`, `127.0.0.1:${first + 1}`]);
    await send(`http://${sim.addresses[1]}`, { body: BODY });
    const pages = await Promise.all(
      sim.addresses.map(async (address) => await (await fetch(`http://${address}/metrics`)).text()),
    );
    const prompts = pages.map((page) => /^vllm:prompt_tokens_total\{.*\} (.*)$/m.exec(page)?.[1]);
    expect(prompts).toEqual(['0.0', '206.0']);
    expect(sim.servers.map(({ engine }) => engine.pool.cached)).toEqual([0, 12]);
  });

  test('the sidecar of any rank forwards to the rank that the header names', async () => {
    await using sim = await startSimulator(RANKS);
    expect(sim.addresses).toHaveLength(6);
    for (const rank of [3, 4, 5]) {
      const headers = { 'x-data-parallel-host-port': sim.addresses[rank] ?? '', 'x-request-id': 'mine' };
      const answer = await send(`http://${sim.addresses[3]}`, { body: BODY, headers });
      expect([answer.status, answer.body.toString()]).toEqual([
        200,
        expect.stringContaining('chatcmpl-mine'),
      ]);
    }
    const finished = sim.servers.map(({ engine }) => engine.stats.finishedLength);
    expect(finished).toEqual([0, 0, 0, 1, 1, 1]);
  });

  test('a rank may be named by the address that the client uses', async () => {
    await using sim = await startSimulator({ ...RANKS, host: '::ffff:127.0.0.1' });
    const [first, second] = sim.servers;
    const headers = { 'x-data-parallel-host-port': `127.0.0.1:${second?.port}` };
    expect((await send(`http://127.0.0.1:${first?.port}`, { body: BODY, headers })).status).toBe(200);
    expect(second?.engine.stats.finishedLength).toBe(1);
  });

  test.each([
    ['a rank of another server', 0],
    ['nobody', 6],
  ])('%s is refused', async (_name, index) => {
    await using sim = await startSimulator(RANKS);
    const headers = { 'x-data-parallel-host-port': sim.addresses[index] ?? '127.0.0.1:1' };
    const answer = await send(`http://${sim.addresses[3]}`, { body: BODY, headers });
    expect(answer.status).toBe(400);
  });

  test('the rank decodes what a prefill server has computed', async () => {
    await using prefill = await startDecode({ sidecar: false });
    await using sim = await startSimulator(RANKS);
    const headers = {
      'x-data-parallel-host-port': sim.addresses[1] ?? '',
      'x-prefiller-host-port': prefill.decode.address,
    };
    expect((await send(`http://${sim.addresses[0]}`, { body: BODY, headers })).status).toBe(200);
    const remote = sim.servers.map(({ engine }) => engine.stats.remotePromptTokens);
    expect(remote).toEqual([0, 205, 0, 0, 0, 0]);
  });

  test('without a sidecar the header means nothing', async () => {
    await using sim = await startSimulator({ ...RANKS, sidecar: false });
    const headers = { 'x-data-parallel-host-port': '127.0.0.1:1' };
    expect((await send(`http://${sim.addresses[0]}`, { body: BODY, headers })).status).toBe(200);
    expect(sim.servers[0]?.engine.stats.finishedLength).toBe(1);
  });
});
