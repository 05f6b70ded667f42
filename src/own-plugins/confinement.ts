import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type AccessRule,
  type AttributeKey,
  type AttributeOwner,
  setAccessRule,
} from '../framework/attribute.ts';
import type { CounterCell } from '../framework/instruments.ts';
import type { DataDependencies, Named, PluginKind } from '../framework/plugin.ts';
import { LogGate } from '../util/log-gate.ts';
import type { BreakerContext } from './breaker.ts';

/** What a plugin said it touches, and what others did. */
export interface DataScope {
  readonly dependencies: DataDependencies;
  /** Produced by some plugin of the configuration. */
  readonly produced: ReadonlySet<AttributeKey<unknown>>;
}

/** Kinds whose calls are kept to the data that the plugin declares. */
export const CONFINED_KINDS: readonly PluginKind[] = ['filter', 'scorer', 'producer'];

type Access = 'read' | 'write';
type Call = (...args: readonly unknown[]) => unknown;

/** Which call is confined. */
interface ConfinedCall {
  readonly plugin: Named<object>;
  /** Metric label. */
  readonly extensionPoint: string;
  readonly scope: DataScope;
  readonly failsOnWrite: boolean;
}

/** One access that was not declared. */
export interface Violation {
  readonly access: Access;
  /** `dataType/producerName`. */
  readonly data: string;
}

/** One call while it runs, with what it starts and waits for. */
interface Invocation {
  readonly confinement: Confinement;
  violated(violation: Violation): void;
}

const invocations = new AsyncLocalStorage<Invocation>();

const RULE: AccessRule = {
  allows(access, key, owner) {
    const invocation = invocations.getStore();
    if (invocation === undefined || invocation.confinement.allows(access, key, owner)) return true;
    invocation.violated({ access, data: key.name });
    return false;
  },
};

/** Calls that have begun and not ended: while there is none, nobody asks `RULE`. */
let running = 0;

/**
 * Keeps calls of a plugin to the data that it declares: other data looks absent, what it writes there is dropped. On
 * endpoints everything must be declared. A request is also where a plugin keeps what is its own: there only what some
 * plugin of the configuration produces is confined.
 * llm-d-router: access confinement of filters, scorers and producers
 */
export class Confinement {
  readonly #readable: ReadonlySet<AttributeKey<unknown>>;
  readonly #writable: ReadonlySet<AttributeKey<unknown>>;
  readonly #produced: ReadonlySet<AttributeKey<unknown>>;

  constructor({ dependencies, produced }: DataScope) {
    const { produces = [], requires = [], optional = [] } = dependencies;
    this.#readable = new Set([...produces, ...requires, ...optional]);
    this.#writable = new Set(produces);
    this.#produced = produced;
  }

  allows(access: Access, key: AttributeKey<unknown>, owner: AttributeOwner): boolean {
    if (owner === 'request' && !this.#produced.has(key)) return true;
    return (access === 'read' ? this.#readable : this.#writable).has(key);
  }

  /** Runs `call`, to the end when it returns a promise; tells `violated` of each access that is not allowed. */
  run(call: () => unknown, violated: (violation: Violation) => void): unknown {
    running += 1;
    setAccessRule(RULE);
    let result: unknown;
    try {
      result = invocations.run({ confinement: this, violated }, call);
    } finally {
      if (!(result instanceof Promise)) ended();
    }
    return result instanceof Promise ? result.finally(ended) : result;
  }
}

function ended(): void {
  running -= 1;
  if (running === 0) setAccessRule(undefined);
}

/**
 * `call` of a plugin at one extension point, confined. Violations are counted and logged: the first of a call as an error,
 * at most every 30 s, the others at debug level. With `failsOnWrite` a call that wrote what it must not throws.
 */
export function confine(
  call: Call,
  { plugin, extensionPoint, scope, failsOnWrite }: ConfinedCall,
  { clock, log, instruments }: BreakerContext,
): Call {
  const confinement = new Confinement(scope);
  const labels = { extension_point: extensionPoint, plugin_type: plugin.type, plugin_name: plugin.name };
  const cell = (access: Access): CounterCell =>
    instruments.counter('plugin_data_scope_violations_total', { ...labels, access });
  const counts = { read: cell('read'), write: cell('write') };
  const gate = new LogGate();
  return (...args) => {
    let isFirst = true;
    let forbidden: string | undefined;
    const violated = ({ access, data }: Violation): void => {
      counts[access].value += 1;
      if (access === 'write') forbidden ??= data;
      const fields = { plugin: plugin.name, pluginType: plugin.type, extensionPoint, access, data };
      const level = isFirst && gate.pass(clock.nowMs()) ? 'error' : 'debug';
      isFirst = false;
      log[level](fields, 'plugin touched data that its dependencies do not declare');
    };
    const checked = (result: unknown): unknown => {
      if (!failsOnWrite || forbidden === undefined) return result;
      throw new Error(`it wrote ${forbidden}, which its dependencies do not declare as produced`);
    };
    const result = confinement.run(() => call(...args), violated);
    return result instanceof Promise ? result.then(checked) : checked(result);
  };
}
