import { describe, expect, test } from 'vitest';
import { startSimulator } from '../../src/sim/simulator.ts';
import { hasEnvoy, startEnvoy } from '../support/envoy.ts';
import { envoyConfig } from '../support/envoy-config.ts';
import { eventually } from '../support/eventually.ts';
import { chatBody, HttpExchange, send } from '../support/http-client.ts';
import { PickerProcess } from '../support/picker-process.ts';
import { expectNothingHeld } from '../support/stack.ts';

describe.skipIf(!hasEnvoy())('an Envoy that goes away in the middle of traffic', () => {
  test.each(['SIGKILL', 'SIGTERM'] as const)(
    '%s: the picker lets go of everything and serves the next Envoy',
    async (signal) => {
      await using simulator = await startSimulator({ port: 0, count: 2, decodeStepMs: 10 });
      await using picker = await PickerProcess.start({ endpoints: simulator.addresses });
      const config = envoyConfig({ picker: picker.address });
      await using first = await startEnvoy({ config });
      const exchanges = Array.from(
        { length: 50 },
        (_, i) => new HttpExchange(first.url, { body: chatBody(`long ${i}`, 5000, { stream: true }) }),
      );
      await eventually(() => {
        for (const { chunks } of exchanges) expect(chunks.length).toBeGreaterThan(0);
      }, 10_000);
      expect(await picker.held()).toEqual({ openStreams: 50, inFlight: 50, running: 50 });

      const stoppedMs = performance.now();
      await first.stop(signal);
      await expectNothingHeld(picker);
      console.info(
        `${signal}: nothing held ${Math.round(performance.now() - stoppedMs)} ms after Envoy was gone`,
      );
      for (const { ended } of exchanges) expect((await ended).isCut).toBe(true);
      await eventually(() => {
        for (const { engine } of simulator.servers) expect(engine.running + engine.waiting).toBe(0);
      });

      await using second = await startEnvoy({ config });
      for (let i = 0; i < 10; i += 1) {
        expect((await send(second.url, { body: chatBody('x', 2) })).status).toBe(200);
      }
      await expectNothingHeld(picker);
    },
  );
});
