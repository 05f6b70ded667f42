import { expect, test } from 'vitest';
import { z } from 'zod';
import { RecordingLog } from '../../test/support/builders.ts';
import { loadConfiguration } from '../config/load.ts';
import type { ObjectObserver, ReadinessCheck } from '../framework/hooks.ts';
import { definePlugin } from '../framework/plugin.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import type { RootLog } from '../telemetry/logger.ts';
import { MetricRegistry } from '../telemetry/registry.ts';
import { systemClock } from '../util/clock.ts';
import { parseFlags } from './flags.ts';
import { planPools } from './pool-plans.ts';
import { PoolSet } from './pool-set.ts';

class Log extends RecordingLog implements RootLog {
  component(): Log {
    return this;
  }

  forPool(): Log {
    return this;
  }
}

/** Ready when it has been told whether there are objects; fails when asked before that and `isBroken`. */
class Waiting implements ReadinessCheck, ObjectObserver {
  readonly observedKind = { group: '', version: 'v1', kind: 'Pod' };
  readonly #isBroken: boolean;
  #isSettled = false;

  constructor(isBroken: boolean) {
    this.#isBroken = isBroken;
  }

  isReady(): boolean {
    if (this.#isBroken && !this.#isSettled) throw new Error('not yet');
    return this.#isSettled;
  }

  objectChanged(): void {}

  objectRemoved(): void {}

  objectsSettled(areFollowed: boolean): void {
    this.#isSettled = !areFollowed;
    if (this.#isBroken) throw new Error('cannot do without');
  }
}

const waiting = definePlugin({
  type: 'waiting',
  kinds: ['readiness-check', 'object-observer'],
  stability: 'beta',
  summary: 'Waits.',
  params: z.strictObject({ isBroken: z.boolean().default(false).describe('Fails.') }),
  create: ({ isBroken }) => new Waiting(isBroken),
});

/** Pools `a` and `b`, or one, with these plugins. */
function create(plugins: string, pools: readonly string[]) {
  const text = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: random-picker}${plugins}]
dataLayer: {injectDefaults: false}
pools: [${pools.map((name) => `{name: ${name}, endpoints: ['127.0.0.1:1']}`).join()}]`;
  const { document, problems } = loadConfiguration(text, { catalogue: [...CATALOGUE, waiting] });
  if (document === undefined) throw new Error(JSON.stringify(problems));
  const { options } = parseFlags([], {});
  const log = new Log();
  const registry = new MetricRegistry({ deprecatedTwins: false });
  const set = PoolSet.create({
    options,
    plans: planPools(options, document, () => undefined),
    log,
    clock: systemClock,
    registry,
    environment: {},
  });
  if (set === undefined) throw new Error('no pool');
  return { set, log };
}

test('a plugin that waits keeps the only pool from being ready, one of many pools does not', async () => {
  const one = create(', {type: waiting}', ['a']);
  expect(one.set.arePluginsReady).toBe(false);
  one.set.running[0]?.runtime.followNoObjects();
  expect(one.set.arePluginsReady).toBe(true);
  const two = create(', {type: waiting}', ['a', 'b']);
  expect(two.set.arePluginsReady).toBe(false);
  two.set.running[1]?.runtime.followNoObjects();
  expect(two.set.arePluginsReady).toBe(true);
  const none = create('', ['a']);
  expect(none.set.arePluginsReady).toBe(true);
  for (const { set } of [one, two, none]) await set[Symbol.asyncDispose]();
});

test('a plugin that fails when it is asked is not ready; one that fails when it is told is logged', async () => {
  const { set, log } = create(', {type: waiting, parameters: {isBroken: true}}', ['a']);
  expect(set.arePluginsReady).toBe(false);
  set.running[0]?.runtime.followNoObjects();
  expect(log.lines.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
    'plugin cannot do without Kubernetes',
  ]);
  expect(set.arePluginsReady).toBe(true);
  await set[Symbol.asyncDispose]();
});
