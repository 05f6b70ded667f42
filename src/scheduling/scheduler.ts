import type { Endpoint } from '../framework/endpoint.ts';
import { RejectionError } from '../framework/errors.ts';
import type { HistogramCell } from '../framework/instruments.ts';
import type { Log } from '../framework/log.ts';
import type { ProfileSpec } from '../framework/pipeline.ts';
import type { Named } from '../framework/plugin.ts';
import type { ProfileHandler, ProfileResults, SchedulingResult } from '../framework/profile-handler.ts';
import type { InferenceRequest } from '../framework/request.ts';
import { type MeterContext, PluginMeter } from '../telemetry/plugin-meter.ts';
import type { Clock } from '../util/clock.ts';
import { Attempts } from './attempts.ts';
import { ProfileRecord } from './decision-record.ts';
import { Profile } from './profile.ts';

/** What a scheduler is made of. */
export interface SchedulerOptions extends MeterContext {
  /** In configuration order, names unique. */
  readonly profiles: readonly ProfileSpec[];
  readonly handler: Named<ProfileHandler>;
}

/** Errors of the latest run of each profile in one cycle. */
type Failures = Map<string, unknown>;

/**
 * Runs the profiles that the profile handler asks for until it asks for none, then lets it make one result of them.
 * llm-d-router: pkg/epp/scheduling/scheduler.go
 */
export class Scheduler {
  readonly #profiles = new Map<string, Profile>();
  readonly #names: readonly string[];
  readonly #handler: ProfileHandler;
  readonly #pickMeter: PluginMeter;
  readonly #processMeter: PluginMeter;
  readonly #duration: HistogramCell;
  readonly #attempts: Attempts;
  readonly #clock: Clock;
  readonly #log: Log;
  /** When the step before ended; a clock is read once between two steps. */
  #atMs = 0;

  constructor(options: SchedulerOptions) {
    for (const spec of options.profiles) this.#profiles.set(spec.name, new Profile(spec, options));
    this.#names = options.profiles.map((spec) => spec.name);
    this.#handler = options.handler.plugin;
    this.#pickMeter = new PluginMeter('ProfilePicker', options.handler, options);
    this.#processMeter = new PluginMeter('ProcessProfilesResults', options.handler, options);
    this.#duration = options.instruments.histogram('scheduler_e2e_duration_seconds', {});
    this.#attempts = new Attempts(options.instruments);
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /**
   * Chooses among `request.candidates`; sets nothing on `request`. The primary profile of the result has at least
   * one target. Throws `RejectionError`: that of the handler, else that of the first failed profile by name, else
   * 429. Synchronous: between the producers' last write and the pick nothing else runs.
   */
  schedule(request: InferenceRequest): SchedulingResult {
    const startMs = this.#clock.nowMs();
    this.#atMs = startMs;
    const records: ProfileRecord[] | undefined = this.#log.isLevelEnabled('debug') ? [] : undefined;
    let target: Endpoint | undefined;
    let refusal: RejectionError | undefined;
    try {
      const result = this.#cycle(request, records);
      target = result.profiles.get(result.primary)?.targets[0];
      if (target === undefined) throw noTarget(`primary profile '${result.primary}' has no target`);
      this.#attempts.succeeded(request.targetModel, target);
      return result;
    } catch (error) {
      refusal = RejectionError.from(error);
      this.#attempts.failed(request.targetModel);
      throw refusal;
    } finally {
      const elapsedMs = this.#atMs - startMs;
      this.#duration.observe(elapsedMs / 1000);
      if (records !== undefined) this.#logDecision({ request, records, target, refusal, elapsedMs });
    }
  }

  #cycle(request: InferenceRequest, records: ProfileRecord[] | undefined): SchedulingResult {
    const results: ProfileResults = new Map();
    let failures: Failures | undefined;
    // A handler that never stops asking would hold the event loop; two rounds a profile is more than any needs.
    let rounds = 2 * this.#names.length;
    for (let names = this.#pick(request, results); names.length > 0; names = this.#pick(request, results)) {
      if (rounds === 0) {
        this.#pickMeter.failed(new Error('the profile handler asks for profiles without end'));
        break;
      }
      rounds -= 1;
      for (const name of names) {
        const failure = this.#run(name, request, results, records);
        if (failure !== undefined) {
          failures ??= new Map();
          failures.set(name, failure);
        } else if (failures !== undefined) {
          failures.delete(name);
        }
      }
    }
    if (results.size === 0)
      throw noTarget(`failed to run any scheduler profile for request ${request.requestId}`);
    return this.#process(request, results, failures);
  }

  #pick(request: InferenceRequest, results: ProfileResults): readonly string[] {
    try {
      return this.#handler.pick(request, this.#names, results);
    } catch (error) {
      if (!(error instanceof RejectionError)) this.#pickMeter.failed(error);
      throw error;
    } finally {
      this.#atMs = this.#pickMeter.observeSince(this.#atMs);
    }
  }

  /** Returns why it failed; undefined when it did not. */
  #run(
    name: string,
    request: InferenceRequest,
    results: ProfileResults,
    records: ProfileRecord[] | undefined,
  ): unknown {
    const profile = this.#profiles.get(name);
    if (profile === undefined) {
      results.set(name, undefined);
      return new Error(`profile '${name}' is not configured`);
    }
    let record: ProfileRecord | undefined;
    if (records !== undefined) {
      record = new ProfileRecord(name);
      records.push(record);
    }
    try {
      results.set(name, profile.run(request, request.candidates, this.#atMs, record));
      this.#atMs = profile.endedAtMs;
      return undefined;
    } catch (error) {
      this.#atMs = this.#clock.nowMs();
      results.set(name, undefined);
      return error ?? new Error('unknown failure');
    }
  }

  #process(
    request: InferenceRequest,
    results: ProfileResults,
    failures: Failures | undefined,
  ): SchedulingResult {
    try {
      return this.#handler.process(request, results);
    } catch (error) {
      throw refusalOf(error, failures);
    } finally {
      this.#atMs = this.#processMeter.observeSince(this.#atMs);
    }
  }

  #logDecision(decision: {
    request: InferenceRequest;
    records: readonly ProfileRecord[];
    target: Endpoint | undefined;
    refusal: RejectionError | undefined;
    elapsedMs: number;
  }): void {
    const { request, records, target, refusal, elapsedMs } = decision;
    const profiles = records.map((record) => record.toJSON());
    const fields = { requestId: request.requestId, model: request.targetModel, elapsedMs, profiles };
    if (refusal === undefined) this.#log.debug({ ...fields, endpoint: target?.id }, 'scheduled');
    else this.#log.debug({ ...fields, code: refusal.code, error: refusal.message }, 'not scheduled');
  }
}

/** The typed error that decides the answer: the handler's own, then the profiles' in order of name, else 429. */
function refusalOf(handlerError: unknown, failures: Failures | undefined): RejectionError {
  const errors = [handlerError];
  for (const name of [...(failures?.keys() ?? [])].sort()) errors.push(failures?.get(name));
  const typed = errors.find((error) => error instanceof RejectionError);
  if (typed !== undefined) return typed;
  const text = errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ');
  return noTarget(text, { cause: new AggregateError(errors) });
}

function noTarget(message: string, options: ErrorOptions = {}): RejectionError {
  return new RejectionError('resource-exhausted', `failed to find target endpoint: ${message}`, options);
}
