import { describe, expect, test } from 'vitest';
import { startSimulator } from '../../src/sim/simulator.ts';
import { hasEnvoy } from '../support/envoy.ts';
import { chatBody, send } from '../support/http-client.ts';
import { expectNothingHeld, startStack } from '../support/stack.ts';

describe.skipIf(!hasEnvoy())('the optional lines of the published configurations', () => {
  test.each(['standalone-header', 'standalone-metadata', 'override-host'] as const)(
    '%s: TLS to a picker with a certificate of its own, and health checks on that port',
    async (file) => {
      await using simulator = await startSimulator({ port: 0, count: 2, decodeStepMs: 2 });
      await using stack = await startStack({
        endpoints: simulator.addresses,
        picker: { args: ['--secure-serving=true', '--health-checking'] },
        envoy: { file, hasTls: true, hasHealthChecks: true },
      });
      await expect
        .poll(() => stack.envoy.stat('cluster.epp.health_check.success'), { timeout: 5000 })
        .toBeGreaterThan(0);
      for (const stream of [true, false]) {
        const answer = await send(stack.url, { body: chatBody('hello', 5, { stream }) });
        expect({ status: answer.status, isCut: answer.isCut }).toEqual({ status: 200, isCut: false });
      }
      expect(await stack.envoy.stat('cluster.epp.ssl.handshake')).toBeGreaterThan(0);
      expect(await stack.envoy.stat('cluster.epp.health_check.failure')).toBe(0);
      await expectNothingHeld(stack.picker);
    },
  );

  test('without them a picker that serves TLS cannot be reached', async () => {
    await using simulator = await startSimulator({ port: 0, count: 1 });
    await using stack = await startStack({
      endpoints: simulator.addresses,
      picker: { args: ['--secure-serving=true'] },
    });
    expect((await send(stack.url, { body: chatBody('hello', 1) })).status).toBe(500);
  });
});
