import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { context, endpoint, request } from '../../test/support/builders.ts';
import { type AttributeKey, attributeKey } from '../framework/attribute.ts';
import type { DataDependencies } from '../framework/plugin.ts';
import { confine } from './confinement.ts';

const MINE = attributeKey<number>('Mine', 'p');
const NEEDED = attributeKey<number>('Needed', 'other');
const WANTED = attributeKey<number>('Wanted', 'other');
const FOREIGN = attributeKey<number>('Foreign', 'other');
const PRIVATE = attributeKey<number>('Private', 'p');

const DECLARED: DataDependencies = { produces: [MINE], requires: [NEEDED], optional: [WANTED] };
const PRODUCED: ReadonlySet<AttributeKey<unknown>> = new Set([MINE, NEEDED, WANTED, FOREIGN]);

/** `call` as the picker makes it, and what was counted and logged. */
function confinedCall(call: () => unknown, { failsOnWrite = false, dependencies = DECLARED } = {}) {
  const services = context();
  const plugin = { name: 'p', type: 't', plugin: {} };
  const scope = { dependencies, produced: PRODUCED };
  const run = confine(call, { plugin, extensionPoint: 'Scorer', scope, failsOnWrite }, services);
  const count = (access: string) =>
    services.instruments.counters.get(
      `plugin_data_scope_violations_total{access="${access}",extension_point="Scorer",plugin_name="p",plugin_type="t"}`,
    )?.value;
  const counts = () => ({ read: count('read'), write: count('write') });
  const levels = () => services.log.lines.map(({ level }) => level);
  return { run, counts, levels, services };
}

/** An endpoint with a value for every key. */
function filled() {
  const one = endpoint();
  for (const key of [MINE, NEEDED, WANTED, FOREIGN, PRIVATE]) one.attributes.set(key, 1);
  return one;
}

describe('on endpoints', () => {
  test.each([
    { key: MINE, read: 1, written: 2 },
    { key: NEEDED, read: 1, written: 1 },
    { key: WANTED, read: 1, written: 1 },
    { key: FOREIGN, read: undefined, written: 1 },
    { key: PRIVATE, read: undefined, written: 1 },
  ])('$key.name: reads $read, leaves $written', ({ key, read, written }) => {
    const { attributes } = filled();
    const { run, counts } = confinedCall(() => {
      const found = attributes.get(key);
      attributes.set(key, 2);
      return found;
    });
    expect(run()).toBe(read);
    expect(attributes.get(key)).toBe(written);
    expect(counts()).toEqual({ read: read === undefined ? 1 : 0, write: written === 1 ? 1 : 0 });
  });

  test('a plugin that declares nothing reads nothing, but metrics and labels', () => {
    const one = filled();
    const { run } = confinedCall(
      () => [one.attributes.get(NEEDED), one.metrics.waitingQueueSize, one.labels],
      {
        dependencies: {},
      },
    );
    expect(run()).toEqual([undefined, 0, new Map()]);
  });
});

test('a request carries what is the plugin’s own; what others produce there must be declared', () => {
  const { attributes } = request();
  const { run, counts } = confinedCall(() => {
    attributes.set(PRIVATE, 1);
    attributes.set(FOREIGN, 1);
    attributes.set(MINE, 1);
    return attributes.get(PRIVATE);
  });
  expect(run()).toBe(1);
  expect([attributes.get(FOREIGN), attributes.get(MINE)]).toEqual([undefined, 1]);
  expect(counts()).toEqual({ read: 0, write: 1 });
});

test('what is written after waiting is confined too, and what others do meanwhile is not', async () => {
  const one = filled();
  const { run, counts } = confinedCall(async () => {
    await wait(5);
    one.attributes.set(FOREIGN, 2);
    one.attributes.set(MINE, 2);
  });
  const running = run();
  one.attributes.set(WANTED, 3);
  await running;
  one.attributes.set(NEEDED, 3);
  const values = [FOREIGN, MINE, WANTED, NEEDED].map((key) => one.attributes.get(key));
  expect(values).toEqual([1, 2, 3, 3]);
  expect(counts()).toEqual({ read: 0, write: 1 });
});

test('a call that throws or rejects leaves nobody confined', async () => {
  const one = filled();
  const boom = () => {
    throw new Error('boom');
  };
  expect(confinedCall(boom).run).toThrow('boom');
  await expect(confinedCall(() => Promise.reject(new Error('late'))).run()).rejects.toThrow('late');
  expect(one.attributes.get(FOREIGN)).toBe(1);
});

test('one plugin within another has its own scope', () => {
  const one = filled();
  const inner = confinedCall(() => one.attributes.get(FOREIGN), { dependencies: { requires: [FOREIGN] } });
  const outer = confinedCall(() => [inner.run(), one.attributes.get(FOREIGN)]);
  expect(outer.run()).toEqual([1, undefined]);
});

test.each([
  { name: 'a producer', failsOnWrite: true },
  { name: 'any other', failsOnWrite: false },
])('$name that writes what it must not', async ({ failsOnWrite }) => {
  const one = filled();
  const write = () => one.attributes.set(FOREIGN, 2);
  const sync = confinedCall(write, { failsOnWrite });
  const waits = confinedCall(() => Promise.resolve().then(write), { failsOnWrite });
  const message = 'it wrote Foreign/other, which its dependencies do not declare as produced';
  if (failsOnWrite) {
    expect(sync.run).toThrow(message);
    await expect(waits.run()).rejects.toThrow(message);
  } else {
    expect(sync.run).not.toThrow();
    await expect(waits.run()).resolves.toBeUndefined();
  }
});

test('the first access of a call is an error in the log, at most twice a minute; the others are for debugging', () => {
  const { attributes } = filled();
  const { run, levels, services } = confinedCall(() => {
    attributes.get(FOREIGN);
    attributes.get(PRIVATE);
  });
  run();
  expect(levels()).toEqual(['error', 'debug']);
  expect(services.log.lines[0]).toMatchObject({
    message: 'plugin touched data that its dependencies do not declare',
    fields: { plugin: 'p', pluginType: 't', extensionPoint: 'Scorer', access: 'read', data: 'Foreign/other' },
  });
  run();
  expect(levels()).toEqual(['error', 'debug', 'debug', 'debug']);
  services.clock.advance(30_000);
  run();
  expect(levels().slice(4)).toEqual(['error', 'debug']);
});
