import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../test/support/builders.ts';
import { RejectionError } from '../framework/errors.ts';
import type { ProfileHandler, ProfileResult } from '../framework/profile-handler.ts';
import { guard } from './guard.ts';

const FOUND: ProfileResult = { targets: [endpoint()], candidates: [], totals: new Float64Array() };
const OK = { profiles: new Map([['p', FOUND]]), primary: 'p' };

/** What `process` gives for profiles that found something or not, and how many errors were counted. */
function processed(process: () => unknown, results: readonly (ProfileResult | undefined)[] = [FOUND]) {
  const services = context();
  const scope = { dependencies: {}, produced: new Set<never>() };
  const plugin = { name: 'mine', type: 'my-type', plugin: { pick: () => [], process } };
  const handler = guard(plugin, ['profile-handler'], scope, services) as ProfileHandler;
  const labels = 'extension_point="ProcessProfilesResults",plugin_name="mine",plugin_type="my-type"';
  const errors = () => services.instruments.counters.get(`plugin_errors_total{${labels}}`)?.value ?? 0;
  return {
    run: () => handler.process(request(), new Map(results.map((one, i) => [String(i), one]))),
    errors,
  };
}

test.each([
  { name: 'a result', result: OK },
  {
    name: 'stages and a destination',
    result: { ...OK, prefill: 'p', encode: 'p', destination: '10.0.0.1:80,[::1]:80' },
  },
  { name: 'profiles that failed', result: { ...OK, profiles: new Map([...OK.profiles, ['q', undefined]]) } },
])('$name arrives as it is', ({ result }) => {
  const { run, errors } = processed(() => result);
  expect(run()).toBe(result);
  expect(errors()).toBe(0);
});

test.each([
  { name: 'nothing', result: undefined },
  { name: 'no map', result: { profiles: {}, primary: 'p' } },
  { name: 'a primary profile that is not there', result: { ...OK, primary: 'q' } },
  { name: 'a primary profile that failed', result: { ...OK, profiles: new Map([['p', undefined]]) } },
  { name: 'targets that are text', result: { ...OK, profiles: new Map([['p', { targets: 'abc' }]]) } },
  { name: 'targets that are none', result: { ...OK, profiles: new Map([['p', { targets: [{}] }]]) } },
  { name: 'a stage that is not there', result: { ...OK, prefill: 'q' } },
  { name: 'a destination that is a number', result: { ...OK, destination: 5 } },
  { name: 'a destination of two lines', result: { ...OK, destination: 'a\r\nb: c' } },
  { name: 'a promise', result: Promise.resolve(OK) },
])('$name is thrown and counted', ({ result }) => {
  const { run, errors } = processed(() => result);
  expect(run).toThrow(TypeError);
  expect(errors()).toBe(1);
});

test.each([
  { name: 'a throw', error: new Error('boom'), results: [FOUND], counted: 1 },
  { name: 'a refusal', error: new RejectionError('not-found', 'no'), results: [FOUND], counted: 0 },
  {
    name: 'a throw where no profile found anything',
    error: new Error('none'),
    results: [undefined],
    counted: 0,
  },
])('$name is thrown on, counted $counted times', ({ error, results, counted }) => {
  const { run, errors } = processed(() => {
    throw error;
  }, results);
  expect(run).toThrow(error.message);
  expect(errors()).toBe(counted);
});
