import { expect, test } from 'vitest';
import { RecordingInstruments, RecordingLog, request } from '../../test/support/builders.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { ResponseBodyHook, ResponseHeaderHook } from '../framework/hooks.ts';
import type { Named } from '../framework/plugin.ts';
import { InferenceResponse } from '../framework/response.ts';
import { ResponseHooks } from './hooks.ts';

function setUp(run: (call: string) => void) {
  const services = {
    clock: new FakeClock(),
    log: new RecordingLog(),
    instruments: new RecordingInstruments(),
  };
  const plugin: ResponseHeaderHook & ResponseBodyHook = {
    responseHeaders: () => run('headers'),
    responseStarted: () => run('started'),
    responseComplete: () => run('complete'),
  };
  const broken: Named<typeof plugin> = { name: 'b', type: 'broken', plugin };
  const quiet: Named<ResponseBodyHook> = {
    name: 'q',
    type: 'quiet',
    plugin: { responseComplete: () => run('quiet') },
  };
  return { ...services, hooks: new ResponseHooks([broken], [broken, quiet], services) };
}

test('hooks run in order; one without responseStarted is left out', () => {
  const calls: string[] = [];
  const { hooks, clock } = setUp((call) => calls.push(call));
  const [one, response] = [request(), new InferenceResponse()];
  hooks.headers(one, response);
  hooks.started(one, response, 0);
  expect(hooks.complete(one, response, 0)).toBe(clock.nowMs());
  expect(calls).toEqual(['headers', 'started', 'complete', 'quiet']);
});

test('a hook that throws is counted each time, logged once in a while, and stops nobody', () => {
  const calls: string[] = [];
  const { hooks, log, instruments, clock } = setUp((call) => {
    calls.push(call);
    if (call !== 'quiet') throw new Error('broken');
  });
  for (let i = 0; i < 3; i += 1) {
    hooks.started(request(), new InferenceResponse(), clock.nowMs());
    hooks.complete(request(), new InferenceResponse(), clock.nowMs());
  }
  clock.advance(30_000);
  hooks.complete(request(), new InferenceResponse(), clock.nowMs());
  hooks.headers(request(), new InferenceResponse());
  expect(calls.filter((call) => call === 'quiet')).toHaveLength(4);
  expect(log.lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
    'error: response body hook failed',
    'error: response completion hook failed',
    'error: response header hook failed',
  ]);
  const errors = [...instruments.counters].map(([series, cell]) => [series, cell.value]);
  expect(errors).toContainEqual([
    'plugin_errors_total{extension_point="ResponseStreaming",plugin_name="b",plugin_type="broken"}',
    7,
  ]);
  expect(errors).toContainEqual([
    'plugin_errors_total{extension_point="ResponseReceived",plugin_name="b",plugin_type="broken"}',
    1,
  ]);
});

test('each call is timed', () => {
  const { hooks, instruments, clock } = setUp(() => clock.advance(2));
  hooks.headers(request(), new InferenceResponse());
  const series =
    'plugin_duration_seconds{extension_point="ResponseReceived",plugin_name="b",plugin_type="broken"}';
  expect(instruments.observations.get(series)).toEqual([0.002]);
  hooks.complete(request(), new InferenceResponse(), clock.nowMs());
  for (const plugin of ['plugin_name="b",plugin_type="broken"', 'plugin_name="q",plugin_type="quiet"']) {
    const timed = instruments.observations.get(
      `plugin_duration_seconds{extension_point="ResponseStreaming",${plugin}}`,
    );
    expect(timed).toEqual([0.002]);
  }
});

test('what hooks tell at the end is collected in order; one that throws tells nothing', () => {
  const services = {
    clock: new FakeClock(),
    log: new RecordingLog(),
    instruments: new RecordingInstruments(),
  };
  const telling = (finalMetadata: ResponseBodyHook['finalMetadata']): Named<ResponseBodyHook> => ({
    name: 't',
    type: 't',
    plugin: { responseComplete: () => {}, ...(finalMetadata !== undefined && { finalMetadata }) },
  });
  const entry = (key: string) => ({ namespace: 'n', key, value: 1 });
  const broken = () => {
    throw new Error('broken');
  };
  const hooks = [() => entry('a'), broken, undefined, () => undefined, () => entry('b')].map(telling);
  const runner = new ResponseHooks([], hooks, services);
  expect(runner.hasReporters).toBe(true);
  expect(runner.finalMetadata(request(), new InferenceResponse())).toEqual([entry('a'), entry('b')]);
  expect(services.log.lines).toHaveLength(1);
  expect(new ResponseHooks([], [telling(undefined)], services).hasReporters).toBe(false);
});
