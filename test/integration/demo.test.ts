import { describe, expect, test } from 'vitest';
import { demoCommand } from '../../src/demo/command.ts';
import { runLoad } from '../../src/demo/load.ts';
import { readCounters, resetServers } from '../../src/demo/server-counters.ts';
import { planWorkload } from '../../src/demo/workload.ts';
import { startGateway } from '../../src/gateway/gateway.ts';
import { startSimulator } from '../../src/sim/simulator.ts';
import { systemClock } from '../../src/util/clock.ts';
import { commandIo } from '../support/command-io.ts';
import { ENVOY } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';

const PLAN = planWorkload({ seed: 3, requests: 30, ratePerSecond: 300, model: 'sim-model' });

function load(gateway: string, signal = new AbortController().signal) {
  return runLoad(PLAN, { gateway, clock: systemClock, signal, onProgress: () => undefined });
}

describe('runLoad', () => {
  test('sends everything, measures first and last byte, and the servers count the same', async () => {
    await using sim = await startSimulator({ port: 0, count: 2, timeScale: 0.05 });
    await using gateway = await startGateway({ listen: '127.0.0.1:0', endpoints: sim.addresses });
    const result = await load(gateway.address);
    expect([result.sent, result.completed, result.errors.size]).toEqual([30, 30, 0]);
    expect(result.ttftMs.every((ms, i) => ms > 0 && ms <= (result.totalMs[i] ?? 0))).toBe(true);
    const counters = await readCounters(sim.addresses);
    expect(counters.finished).toEqual([15, 15]);
    expect(counters.hitTokens).toBeGreaterThan(0);
    expect(counters.hitTokens).toBeLessThan(counters.queriedTokens);
    await resetServers(sim.addresses);
    expect((await readCounters(sim.addresses)).queriedTokens).toBe(0);
  });

  test('tells refused and broken answers apart', async () => {
    await using sim = await startSimulator({ port: 0, timeScale: 0 });
    await using gateway = await startGateway({ listen: '127.0.0.1:0', endpoints: sim.addresses });
    sim.servers[0]?.setFault({ fault: { mode: 'status', status: 500 }, count: 4 });
    const result = await load(gateway.address);
    expect(result.errors).toEqual(new Map([['HTTP 500', 4]]));
    expect(result.completed).toBe(26);
    sim.servers[0]?.setFault({ fault: { mode: 'die', afterTokens: 2 } });
    const broken = await load(gateway.address);
    expect(broken.completed).toBe(0);
    expect([...broken.errors.values()].reduce((sum, count) => sum + count, 0)).toBe(30);
  });

  test('stops when it is told to', async () => {
    await using sim = await startSimulator({ port: 0, timeScale: 100 });
    const abort = new AbortController();
    const running = load(sim.addresses[0] ?? '', abort.signal);
    await eventually(() => expect(sim.servers[0]?.engine.waiting).toBeGreaterThan(2));
    abort.abort();
    expect((await running).completed).toBe(0);
  });
});

describe('epp demo', () => {
  test.each([
    [['--help'], 0, '--requests'],
    [['--gateway', 'nginx'], 2, '--gateway: got "nginx", want auto, envoy or dev'],
    [['--envoy', '/does/not/exist'], 2, 'no Envoy found'],
  ])('%j exits with %i', async (argv, code, text) => {
    const io = commandIo();
    expect(await demoCommand(argv, io)).toBe(code);
    expect(io.written).toContain(text);
  });

  test.each(ENVOY === undefined ? ['dev'] : ['dev', 'envoy'])(
    'runs with gateway %s and shows that the picker finds more prefixes',
    async (gateway) => {
      const io = commandIo();
      const envoy = gateway === 'envoy' ? [`--envoy=${ENVOY}`] : [];
      const code = await demoCommand(['--requests=120', '--rate=40', `--gateway=${gateway}`, ...envoy], io);
      expect(io.written).toMatch(/^errors +0 +0$/m);
      expect(code).toBe(0);
      const [, before = '', after = ''] = /^prefix cache hit rate +(\d+) % +(\d+) %$/m.exec(io.written) ?? [];
      expect(Number(after)).toBeGreaterThan(Number(before) + 10);
      // Each of Envoy's workers goes round by itself.
      const [, shares = ''] = /^requests per server +(\S+) /m.exec(io.written) ?? [];
      expect(
        shares
          .split('/')
          .map(Number)
          .every((count) => count >= 25 && count <= 35),
      ).toBe(true);
    },
    60_000,
  );

  test('keeps everything running until it is stopped, and answers meanwhile', async () => {
    const io = commandIo();
    const done = demoCommand(['--requests', '8', '--rate', '80', '--gateway', 'dev', '--keep'], io);
    await eventually(() => expect(io.written).toContain('curl -N'), 30_000);
    const url = /curl -N (\S+)/.exec(io.written)?.[1] ?? '';
    const body = JSON.stringify({
      model: 'demo-model',
      messages: [{ role: 'user', content: 'Hello' }],
      max_tokens: 3,
    });
    const answer = await fetch(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    expect(await answer.json()).toMatchObject({ usage: { completion_tokens: 3 } });
    io.stop();
    expect(await done).toBe(0);
    await expect(fetch(url, { method: 'POST', body })).rejects.toThrow();
  }, 60_000);

  test('a stop in the middle ends it with a failure, and leaves nothing behind', async () => {
    const io = commandIo();
    const done = demoCommand(['--gateway', 'dev'], io);
    await eventually(() => expect(io.written).toContain('Sending 480 requests'), 30_000);
    io.stop();
    expect(await done).toBe(1);
    expect(io.written).toContain('stopped');
  }, 60_000);
});
