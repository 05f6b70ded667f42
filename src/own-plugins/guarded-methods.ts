import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import type { PluginKind } from '../framework/plugin.ts';
import type { ProfileResults } from '../framework/profile-handler.ts';
import { type Call, type Faults, type Guarded, timed, timedAtOnce } from './guarded-call.ts';
import { discovering, polling, reading } from './guarded-sources.ts';
import { bestOf, endpointsOf, keptOf, resultOf } from './results.ts';

/** How one method is guarded. */
export interface MethodGuard {
  /** Metric label. */
  readonly extensionPoint: string;
  /** `call` runs the plugin's own method. */
  wrap(call: Call, guarded: Guarded, faults: Faults): Call;
  /** Serves where the plugin has none, although its kind wants one. */
  readonly standIn?: Call;
}

type Endpoints = readonly Endpoint[];

/** Methods by kind; one that is not here is called as it is. What the caller contains and counts is thrown to it. */
export const METHODS_OF_KIND: {
  readonly [K in PluginKind]?: { readonly [method: string]: MethodGuard };
} = {
  filter: { filter: { extensionPoint: 'Filter', wrap: keeping } },
  screener: { screen: { extensionPoint: 'Screener', wrap: keeping } },
  scorer: { score: { extensionPoint: 'Scorer', wrap: scoring } },
  picker: { pick: { extensionPoint: 'Picker', wrap: picking } },
  'profile-handler': {
    pick: { extensionPoint: 'ProfilePicker', wrap: naming },
    process: { extensionPoint: 'ProcessProfilesResults', wrap: needed },
  },
  'header-processor': { requestHeaders: { extensionPoint: 'RequestHeader', wrap: beginning } },
  producer: { produce: { extensionPoint: 'DataProducer', wrap: producing } },
  admitter: { admit: { extensionPoint: 'Admission', wrap: admitting } },
  decider: { decide: { extensionPoint: 'Decider', wrap: deciding } },
  'pre-request': { preRequest: { extensionPoint: 'PreRequest', wrap: beginning } },
  'response-header': { responseHeaders: { extensionPoint: 'ResponseReceived', wrap: following } },
  'response-body': {
    responseStarted: { extensionPoint: 'ResponseStreaming', wrap: following },
    finalMetadata: { extensionPoint: 'ResponseStreaming', wrap: reporting },
    responseComplete: { extensionPoint: 'ResponseStreaming', wrap: following },
  },
  parser: {
    parse: { extensionPoint: 'Parser', wrap: parsing },
    readUsage: { extensionPoint: 'Parser', wrap: telling },
    createResponseReader: { extensionPoint: 'Parser', wrap: reading },
  },
  'saturation-detector': { saturation: { extensionPoint: 'SaturationDetector', wrap: measuring } },
  'endpoint-observer': {
    endpointAdded: { extensionPoint: 'EndpointObserver', wrap: telling },
    endpointRemoved: { extensionPoint: 'EndpointObserver', wrap: telling },
    endpointChanged: { extensionPoint: 'EndpointObserver', wrap: telling },
  },
  'object-observer': {
    objectChanged: { extensionPoint: 'ObjectObserver', wrap: telling },
    objectRemoved: { extensionPoint: 'ObjectObserver', wrap: telling },
    objectsSettled: { extensionPoint: 'ObjectObserver', wrap: telling },
  },
  source: {
    poll: { extensionPoint: 'Source', wrap: polling },
    release: { extensionPoint: 'Source', wrap: telling, standIn: () => {} },
  },
  extractor: { extract: { extensionPoint: 'Extractor', wrap: counting } },
  discovery: { start: { extensionPoint: 'Discovery', wrap: discovering } },
};

/** `filter` and `screen`: skipped, everybody stays. */
function keeping(call: Call, guarded: Guarded, faults: Faults): Call {
  return (request, given) => {
    const candidates = given as Endpoints;
    if (guarded.breaker.skips()) return candidates;
    const kept = timedAtOnce(guarded, call, [request, candidates.slice()]);
    return keptOf(kept, candidates, faults);
  };
}

/** Skipped, everybody scores 0. */
function scoring(call: Call, guarded: Guarded, faults: Faults): Call {
  let own = new Float64Array(64);
  return (request, given, into) => {
    const candidates = given as Endpoints;
    const out = into as Float64Array;
    if (guarded.breaker.skips()) return;
    const n = candidates.length;
    if (n > own.length) own = new Float64Array(n * 2);
    timedAtOnce(guarded, call, [request, candidates.slice(), own.fill(0, 0, n)]);
    let isWrong = false;
    for (let i = 0; i < n; i += 1) {
      const score = own[i] ?? 0;
      if (Number.isFinite(score)) out[i] = score;
      else isWrong = true;
    }
    if (isWrong) faults.report(new TypeError('a score is no finite number'));
  };
}

/** Skipped, the highest total is picked. */
function picking(call: Call, guarded: Guarded, faults: Faults): Call {
  return (given, scored) => {
    const candidates = given as Endpoints;
    const totals = scored as Float64Array;
    if (guarded.breaker.skips()) return bestOf(candidates, totals);
    const picked = timedAtOnce(guarded, call, [candidates.slice(), totals.slice(0, candidates.length)]);
    const targets = endpointsOf(picked, candidates, faults);
    if (targets.length === 0 && candidates.length > 0) throw new Error('it picked none of its candidates');
    return targets;
  };
}

/** `pick` of a profile handler, without which there is no routing: never skipped. */
function naming(call: Call, guarded: Guarded): Call {
  return (...args) => {
    const names = timedAtOnce(guarded, call, args);
    if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
    throw new TypeError('pick returned no list of profile names');
  };
}

/**
 * `process` of a profile handler: never skipped, and what it throws decides the answer. That is no failure of it where it
 * says so with a `RejectionError`, or where no profile found anything.
 */
function needed(call: Call, guarded: Guarded, faults: Faults): Call {
  return (request, given) => {
    const results = given as ProfileResults;
    const hasFound = [...results.values()].some((result) => result !== undefined);
    try {
      return resultOf(timedAtOnce(guarded, call, [request, results]));
    } catch (error) {
      if (hasFound && !(error instanceof RejectionError)) faults.report(error);
      throw error;
    }
  };
}

/** Called before the request is sent: skipped, the plugin is not told of its response either. */
function beginning(call: Call, guarded: Guarded): Call {
  return (...args) => {
    if (guarded.breaker.skips()) return;
    note(guarded, args[0]);
    timedAtOnce(guarded, call, args);
  };
}

function producing(call: Call, guarded: Guarded): Call {
  return (request, candidates, patience) => {
    if (guarded.breaker.skips()) return undefined;
    note(guarded, request);
    const running = timed(guarded, call, [request, (candidates as Endpoints).slice(), patience]);
    return running instanceof Promise ? running : undefined;
  };
}

function note({ begun }: Guarded, request: unknown): void {
  if (typeof request === 'object' && request !== null) begun.add(request);
}

/** Skipped only for requests that the plugin was never told of. */
function following(call: Call, guarded: Guarded): Call {
  return (...args) => {
    const [request] = args;
    const isBegun = typeof request === 'object' && request !== null && guarded.begun.has(request);
    if (!isBegun && guarded.breaker.skips()) return undefined;
    return timedAtOnce(guarded, call, args);
  };
}

/** Skipped, everybody is let in. */
function admitting(call: Call, guarded: Guarded): Call {
  return (request, candidates) => {
    if (guarded.breaker.skips()) return undefined;
    const refusal = timedAtOnce(guarded, call, [request, (candidates as Endpoints).slice()]);
    if (refusal === undefined || refusal instanceof RejectionError) return refusal;
    throw new TypeError('admit returned something that is no RejectionError');
  };
}

/** Skipped or failed, the stage does not run. */
function deciding(call: Call, guarded: Guarded, faults: Faults): Call {
  return (...args) => {
    if (guarded.breaker.skips()) return false;
    try {
      return timedAtOnce(guarded, call, args) === true;
    } catch (error) {
      faults.report(error);
      return false;
    }
  };
}

/** Skipped or failed, nobody is full. */
function measuring(call: Call, guarded: Guarded, faults: Faults): Call {
  return (endpoints, nowMs) => {
    if (guarded.breaker.skips()) return 0;
    try {
      const saturation = timedAtOnce(guarded, call, [(endpoints as Endpoints).slice(), nowMs]);
      if (typeof saturation === 'number' && saturation >= 0) return saturation;
      throw new TypeError('saturation returned no number from 0 on');
    } catch (error) {
      faults.report(error);
      return 0;
    }
  };
}

/** Without it the request is not understood: never skipped; the client gets what it threw, as an internal error. */
function parsing(call: Call, guarded: Guarded, faults: Faults): Call {
  return (...args) => {
    try {
      const body = timedAtOnce(guarded, call, args);
      if (typeof Reflect.get(Object(body), 'model') === 'string') return body;
      throw new TypeError('parse returned no parsed body');
    } catch (error) {
      if (!(error instanceof RejectionError)) faults.report(error);
      throw error;
    }
  };
}

/** Skipped only for requests that the plugin was never told of; what is no entry is not told. */
function reporting(call: Call, guarded: Guarded): Call {
  const follow = following(call, guarded);
  return (...args) => {
    const entry = follow(...args);
    if (entry === undefined) return undefined;
    const { namespace, key, value } = Object(entry) as { [member: string]: unknown };
    if (typeof namespace === 'string' && typeof key === 'string' && Number.isFinite(value)) return entry;
    throw new TypeError('finalMetadata returned no entry with namespace, key and a finite value');
  };
}

/** What it throws is counted, and thrown on. */
function counting(call: Call, guarded: Guarded, faults: Faults): Call {
  return (...args) => {
    try {
      return timedAtOnce(guarded, call, args);
    } catch (error) {
      faults.report(error);
      throw error;
    }
  };
}

/** Told of something and asked nothing: never skipped, for what it counts would not add up; failures are counted. */
function telling(call: Call, guarded: Guarded, faults: Faults): Call {
  return (...args) => {
    try {
      timedAtOnce(guarded, call, args);
    } catch (error) {
      faults.report(error);
    }
  };
}
