import type { ResponseReader } from '../framework/parser.ts';
import { type Call, type Faults, type Guarded, timed, timedAtOnce } from './guarded-call.ts';
import { outside } from './origin.ts';

/** Never skipped; without a reader the answer is not read. What a reader throws is counted, once for each answer. */
export function reading(call: Call, guarded: Guarded, faults: Faults): Call {
  return (...args) => {
    let reader: unknown;
    try {
      reader = timedAtOnce(guarded, call, args);
      if (reader === undefined) return undefined;
      return readerOf(reader, guarded, faults);
    } catch (error) {
      faults.report(error);
      return undefined;
    }
  };
}

/** `given`, which is not called again after it threw. */
function readerOf(given: unknown, guarded: Guarded, faults: Faults): ResponseReader {
  const { push, finish } = Object(given) as { [member: string]: unknown };
  if (typeof push !== 'function' || typeof finish !== 'function')
    throw new TypeError('createResponseReader returned no reader with push and finish');
  let hasFailed = false;
  const contained =
    (method: Call): Call =>
    (...args) => {
      if (hasFailed) return;
      try {
        guarded.run(() => timedAtOnce(guarded, method, args));
      } catch (error) {
        hasFailed = true;
        faults.report(error);
      }
    };
  return {
    push: contained((...args) => Reflect.apply(push, given, args)),
    finish: contained(() => Reflect.apply(finish, given, [])),
  };
}

/** Never skipped. A poll that fails is the poller's to count; only what is no page at all is the plugin's fault. */
export function polling(call: Call, guarded: Guarded, faults: Faults): Call {
  const page = (result: unknown): Uint8Array => {
    if (result instanceof Uint8Array) return result;
    const error = new TypeError('poll returned no bytes, want a promise of a Uint8Array');
    faults.report(error);
    throw error;
  };
  return async (...args) => page(await timed(guarded, call, args));
}

/** Never skipped. What the pool does on hearing of endpoints is the program's own. */
export function discovering(call: Call): Call {
  return async (writer, signal) => call(outside(writer as object), signal);
}
