import { RejectionError } from '../../framework/errors.ts';
import type {
  Admitter,
  DataProducer,
  Decider,
  EndpointObserver,
  HeaderProcessor,
  PreRequestHook,
  ResponseBodyHook,
  ResponseHeaderHook,
  StateDumper,
} from '../../framework/hooks.ts';
import type { PluginKind } from '../../framework/plugin.ts';
import type {
  ProfileHandler,
  ProfileResult,
  ProfileResults,
  SchedulingResult,
} from '../../framework/profile-handler.ts';
import type { SaturationDetector } from '../../framework/saturation.ts';
import { response } from '../values.ts';
import type { ContractProperty } from './properties.ts';
import type { Sample } from './sample.ts';

type Checks<Instance> = readonly ContractProperty<Instance>[];

const NEVER = { signal: new AbortController().signal };

/** One property: the call ends without a throw, and what it returned is right. */
function returns<Instance>(
  name: string,
  call: (plugin: Instance, sample: Sample) => unknown,
  isRight: (result: unknown) => boolean = (result) => result === undefined,
): Checks<Instance> {
  return [
    {
      name,
      async check(plugin, sample) {
        const result = call(plugin, sample);
        const isPromise = result instanceof Promise;
        if (isPromise) await result;
        if (isRight(result)) return undefined;
        return `it returned ${isPromise ? 'a promise' : String(result)}`;
      },
    },
  ];
}

function resultOf({ candidates, totals }: Sample): SchedulingResult {
  const result: ProfileResult = { targets: candidates.slice(0, 1), candidates, totals };
  return { profiles: new Map([['default', result]]), primary: 'default' };
}

/** A request that was sent to its first candidate; undefined when there is none. */
function sent(sample: Sample): Sample['request'] | undefined {
  const { request, candidates } = sample;
  if (candidates.length === 0) return undefined;
  request.candidates = candidates;
  request.result = resultOf(sample);
  request.endpoint = candidates[0];
  return request;
}

const PRODUCER: Checks<DataProducer> = returns(
  'it returns, at once or with a promise, and leaves the candidates alone',
  (producer, { request, candidates }) => {
    const before = [...candidates];
    const running = producer.produce(request, candidates, NEVER);
    if (before.some((one, i) => one !== candidates[i])) throw new Error('the list of candidates was changed');
    return running;
  },
  (result) => result === undefined || result instanceof Promise,
);

const ADMITTER: Checks<Admitter> = returns(
  'it returns a RejectionError or nothing',
  (admitter, { request, candidates }) => admitter.admit(request, candidates),
  (result) => result === undefined || result instanceof RejectionError,
);

const DECIDER: Checks<Decider> = returns(
  'it returns true or false, with and without an endpoint',
  (decider, { request, candidates }) => {
    decider.decide(request, undefined);
    return decider.decide(request, candidates[0]);
  },
  (result) => typeof result === 'boolean',
);

const HEADER_PROCESSOR: Checks<HeaderProcessor> = returns(
  'it throws nothing but RejectionError',
  (processor, { request }) => {
    try {
      return processor.requestHeaders(request);
    } catch (error) {
      if (error instanceof RejectionError) return undefined;
      throw error;
    }
  },
);

const PRE_REQUEST: Checks<PreRequestHook> = returns('it returns without a throw', (hook, sample) => {
  const request = sent(sample);
  return request?.result && hook.preRequest(request, request.result);
});

const RESPONSE_HEADER: Checks<ResponseHeaderHook> = returns('it returns without a throw', (hook, sample) => {
  const request = sent(sample);
  return request && hook.responseHeaders(request, response());
});

const RESPONSE_BODY: Checks<ResponseBodyHook> = returns(
  'the end may come with or without a beginning',
  (hook, sample) => {
    const request = sent(sample);
    if (request === undefined) return undefined;
    const answer = response();
    if (sample.candidates.length % 2 === 0) hook.responseStarted?.(request, answer);
    answer.cause = 'client-disconnect';
    return hook.responseComplete(request, answer);
  },
);

const ENDPOINT_OBSERVER: Checks<EndpointObserver> = returns(
  'endpoints may come, leave, and leave unseen',
  (observer, { candidates }) => {
    for (const [i, one] of candidates.entries()) {
      if (i % 2 === 0) observer.endpointAdded?.(one);
      observer.endpointRemoved(one);
    }
  },
);

const STATE_DUMPER: Checks<StateDumper> = returns(
  'its state is JSON',
  (dumper) => JSON.stringify(dumper.dumpState() ?? null) as string | undefined, // the declared type forgets functions
  (text) => typeof text === 'string',
);

const SATURATION_DETECTOR: Checks<SaturationDetector> = returns(
  'saturation is a number from 0 on, 1 without endpoints',
  (detector, { candidates }) => {
    const value = detector.saturation(candidates, 1_000_000);
    return candidates.length > 0 || value === 1 ? value : `${value} without endpoints`;
  },
  (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
);

const MAX_ROUNDS = 4;

const PROFILE_HANDLER: Checks<ProfileHandler> = [
  {
    name: 'it asks for known profiles, comes to an end, and makes a result of what ran',
    check(handler, sample) {
      if (sample.candidates.length === 0) return undefined;
      const names = ['default'];
      const results: ProfileResults = new Map();
      for (let round = 0; ; round += 1) {
        const asked = handler.pick(sample.request, names, results);
        const unknown = asked.find((name) => !names.includes(name));
        if (unknown !== undefined) return `it asked for profile '${unknown}', which is not configured`;
        if (asked.length === 0) break;
        if (round === MAX_ROUNDS) return 'it asks for profiles without end';
        for (const name of asked) results.set(name, resultOf(sample).profiles.get('default'));
      }
      const { profiles, primary } = handler.process(sample.request, results);
      const target = profiles.get(primary)?.targets[0];
      return target === undefined ? `primary profile '${primary}' has no target` : undefined;
    },
  },
];

/** Contracts of what is not filter, scorer or picker. */
export const HOOK_PROPERTIES: { readonly [K in PluginKind]?: Checks<never> } = {
  producer: PRODUCER,
  admitter: ADMITTER,
  decider: DECIDER,
  'header-processor': HEADER_PROCESSOR,
  'pre-request': PRE_REQUEST,
  'response-header': RESPONSE_HEADER,
  'response-body': RESPONSE_BODY,
  'endpoint-observer': ENDPOINT_OBSERVER,
  'state-dumper': STATE_DUMPER,
  'saturation-detector': SATURATION_DETECTOR,
  'profile-handler': PROFILE_HANDLER,
};
