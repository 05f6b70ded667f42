import type { CounterCell } from '../framework/instruments.ts';
import type { Named, PluginKind } from '../framework/plugin.ts';
import { LogGate } from '../util/log-gate.ts';
import { Breaker, type BreakerContext } from './breaker.ts';
import { CONFINED_KINDS, confine, type DataScope } from './confinement.ts';
import type { Faults, Guarded } from './guarded-call.ts';
import { METHODS_OF_KIND } from './guarded-methods.ts';
import { runnerAs } from './origin.ts';

/** Counts and logs what a plugin does wrong without throwing, at one extension point. */
class FaultCounter implements Faults {
  readonly #plugin: Named<object>;
  readonly #extensionPoint: string;
  readonly #context: BreakerContext;
  readonly #cell: CounterCell;
  readonly #gate = new LogGate();

  constructor(plugin: Named<object>, extensionPoint: string, context: BreakerContext) {
    this.#plugin = plugin;
    this.#extensionPoint = extensionPoint;
    this.#context = context;
    this.#cell = context.instruments.counter('plugin_errors_total', {
      extension_point: extensionPoint,
      plugin_type: plugin.type,
      plugin_name: plugin.name,
    });
  }

  report(error: unknown): void {
    this.#cell.value += 1;
    if (!this.#gate.pass(this.#context.clock.nowMs())) return;
    const { name, type } = this.#plugin;
    this.#context.log.error(
      { plugin: name, pluginType: type, extensionPoint: this.#extensionPoint, err: error },
      'plugin failed; the picker goes on without it',
    );
  }
}

/**
 * What serves in place of a plugin of a module. It gets copies of what must not change, its results are checked, what it
 * throws where nobody else would catch it is counted, it is kept to the data of its `scope` (`Confinement`), it is
 * skipped while it is too slow (`Breaker`), and what its methods leave behind is known as its own (`runnerAs`). Everything
 * else of it is as it is.
 */
export function guard(
  plugin: Named<object>,
  kinds: readonly PluginKind[],
  scope: DataScope,
  context: BreakerContext,
): object {
  const instance = plugin.plugin;
  const breaker = new Breaker(plugin, context);
  const run = runnerAs({ plugin: plugin.name, pluginType: plugin.type });
  const guarded: Guarded = { breaker, clock: context.clock, begun: new WeakSet(), run };
  const methods = new Map<PropertyKey, unknown>();
  for (const kind of kinds) {
    for (const [name, { extensionPoint, wrap, standIn }] of Object.entries(METHODS_OF_KIND[kind] ?? {})) {
      const method: unknown = Reflect.get(instance, name) ?? standIn;
      if (typeof method !== 'function') continue; // optional, or reported by the start
      const direct = (...args: readonly unknown[]): unknown => Reflect.apply(method, instance, args);
      const failsOnWrite = kind === 'producer';
      const scoped = CONFINED_KINDS.includes(kind)
        ? confine(direct, { plugin, extensionPoint, scope, failsOnWrite }, context)
        : direct;
      const call = (...args: readonly unknown[]): unknown => run(() => scoped(...args));
      methods.set(name, wrap(call, guarded, new FaultCounter(plugin, extensionPoint, context)));
    }
  }
  // around an empty object: members of a frozen instance could not be replaced
  return new Proxy(
    {},
    {
      get: (_, key) => methods.get(key) ?? memberOf(instance, key, run),
      has: (_, key) => Reflect.has(instance, key),
      set: (_, key, value) => Reflect.set(instance, key, value, instance),
      getPrototypeOf: () => Reflect.getPrototypeOf(instance),
    },
  );
}

/** Methods are called on the instance itself: private fields are not found on what stands around it. */
function memberOf(instance: object, key: PropertyKey, run: Guarded['run']): unknown {
  const member: unknown = Reflect.get(instance, key, instance);
  if (typeof member !== 'function') return member;
  return (...args: readonly unknown[]): unknown => run((): unknown => Reflect.apply(member, instance, args));
}
