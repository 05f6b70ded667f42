import { describe, expect, test } from 'vitest';
import { startSimulator } from '../../src/sim/simulator.ts';
import { hasEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { chatBody, send } from '../support/http-client.ts';
import { PickerProcess } from '../support/picker-process.ts';
import { expectNothingHeld, startStack } from '../support/stack.ts';
import { isGood, Traffic, type TrafficEntry } from '../support/traffic.ts';

/** Longest an exchange of these tests may take: what hangs is found by it. */
const HANG_MS = 4000;

/** Time after a restart in which errors are forgiven. */
const RECOVERY_MS = 2000;

describe.skipIf(!hasEnvoy())('a picker that is killed and started again', () => {
  test.each([
    {
      name: 'fail-closed: everything is refused while it is away',
      envoy: { file: 'standalone-header', failureModeAllow: false },
      reads: [500],
      posts: [500],
    },
    {
      name: 'fail-open: requests without body go round the list',
      envoy: { file: 'override-host', failureModeAllow: true },
      reads: [200],
      posts: [200, 500],
    },
    {
      name: 'fail-open, heeding health checks: all requests do, once the checks have failed',
      envoy: {
        file: 'override-host',
        failureModeAllow: true,
        hasHealthChecks: true,
        heedsHealthChecks: true,
      },
      reads: [200],
      posts: [200, 500],
    },
  ] as const)('$name', async ({ name, envoy, reads, posts }) => {
    await using simulator = await startSimulator({ port: 0, count: 2, decodeStepMs: 5 });
    const { addresses: endpoints } = simulator;
    const args = ['--health-checking'];
    await using stack = await startStack({ endpoints, envoy, picker: { args } });
    const posting = new Traffic(6, () => send(stack.url, { body: chatBody('x', 10, { stream: true }) }));
    const reading = new Traffic(2, () => send(stack.url, { path: '/v1/models' }));
    await eventually(() => expect(posting.entries.filter(isGood).length).toBeGreaterThan(20), 10_000);

    const killedMs = performance.now();
    await stack.picker.stop('SIGKILL');
    const downMs = performance.now();
    await eventually(() => {
      const latest = posting.since(downMs).slice(-30);
      expect(latest).toHaveLength(30);
      if ('heedsHealthChecks' in envoy) expect(latest.every(isGood)).toBe(true);
      expect(reading.since(downMs).length).toBeGreaterThan(10);
    }, 10_000);
    const upMs = performance.now();
    await using restarted = await PickerProcess.start({ ports: stack.picker.ports, endpoints, args });
    const readyMs = performance.now();
    await expect
      .poll(() => restarted.total('llm_d_epp_request_total'), { timeout: 5000, interval: 20 })
      .toBeGreaterThan(50);
    const askedMs = performance.now();
    await eventually(() => expect(posting.since(askedMs).filter(isGood).length).toBeGreaterThan(20), 10_000);
    await posting.stop();
    await reading.stop();
    await expectNothingHeld(restarted);

    expect(Math.max(posting.slowestMs, reading.slowestMs)).toBeLessThan(HANG_MS);
    expect(statuses(reading.between(downMs, upMs), reads)).toEqual([]);
    expect(statuses(posting.between(downMs, upMs), posts)).toEqual([]);
    // What was under way is answered with an error or cut; what lies apart from the outage is not touched.
    expect(statuses(posting.entries, [200, 500, 503])).toEqual([]);
    const apart = [...posting.between(0, killedMs), ...posting.since(readyMs + RECOVERY_MS)];
    expect(apart.every(isGood)).toBe(true);
    const away = posting.between(downMs, upMs);
    const first = posting.since(readyMs).find(isGood);
    console.info(
      `${name}: ${away.filter(isGood).length} of ${away.length} POST and ` +
        `${reading.between(downMs, upMs).filter(isGood).length} of ${reading.between(downMs, upMs).length} GET answered ` +
        `while it was away, slowest of all ${Math.round(posting.slowestMs)} ms, first success ` +
        `${Math.round((first?.endedMs ?? Number.NaN) - readyMs)} ms after it was ready`,
    );
  });
});

/** Statuses among `entries` that are not `allowed`. */
function statuses(entries: readonly TrafficEntry[], allowed: readonly number[]): number[] {
  return entries.map(({ answer }) => answer.status).filter((status) => !allowed.includes(status));
}
