import { expect, test } from 'vitest';
import { context } from '../../test/support/builders.ts';
import { PluginMeter, SLOW_CALL_MS } from './plugin-meter.ts';

const SERIES = '{extension_point="Scorer",plugin_name="n",plugin_type="t"}';

function meter() {
  const services = context();
  return { services, meter: new PluginMeter('Scorer', { name: 'n', type: 't', plugin: {} }, services) };
}

test('calls above the budget are counted each time, and logged with their time once in 30 s', () => {
  const { services, meter: one } = meter();
  const call = (ms: number) => {
    const startMs = services.clock.nowMs();
    services.clock.advance(ms);
    return one.observeSince(startMs) - startMs;
  };
  expect(call(SLOW_CALL_MS)).toBe(SLOW_CALL_MS);
  expect(services.log.lines).toEqual([]);
  call(SLOW_CALL_MS + 1);
  call(50);
  expect(services.instruments.counters.get(`plugin_slow_calls_total${SERIES}`)?.value).toBe(2);
  expect(services.log.lines).toEqual([
    {
      level: 'warn',
      message: 'plugin is slow',
      fields: { plugin: 'n', pluginType: 't', extensionPoint: 'Scorer', durationMs: 21, budgetMs: 20 },
    },
  ]);
  services.clock.advance(30_000);
  call(21);
  expect(services.log.lines).toHaveLength(2);
  expect(services.instruments.observations.get(`plugin_duration_seconds${SERIES}`)).toHaveLength(4);
});

test('a call that waited is timed and never slow', () => {
  const { services, meter: one } = meter();
  const startMs = services.clock.nowMs();
  services.clock.advance(300);
  one.observeWait(startMs);
  expect(services.instruments.observations.get(`plugin_duration_seconds${SERIES}`)).toEqual([0.3]);
  expect(services.instruments.counters.get(`plugin_slow_calls_total${SERIES}`)?.value).toBe(0);
});

test('failures are counted each time and logged once in 30 s', () => {
  const { services, meter: one } = meter();
  for (let i = 0; i < 3; i += 1) one.failed(new Error('boom'), 'it failed');
  expect(services.instruments.counters.get(`plugin_errors_total${SERIES}`)?.value).toBe(3);
  expect(services.log.lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
    'error: it failed',
  ]);
});
