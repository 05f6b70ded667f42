import { z } from 'zod';
import { RejectionError } from '../../framework/errors.ts';
import type { Log } from '../../framework/log.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import type {
  ConditionalDecodeRule,
  ProfileHandler,
  ProfileResults,
  SchedulingResult,
} from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { fraction } from '../../framework/schema.ts';
import { prefixMatchKey } from '../attributes/prefix-match.ts';
import { onlyResult } from './one-profile/result.ts';

const NONE: readonly string[] = [];

const params = z.strictObject({
  headerName: z
    .string()
    .default('EPP-Profile')
    .describe('Header that names the profile; case and white space around it do not matter.'),
  defaultProfile: z
    .string()
    .default('decode')
    .describe('Profile of requests whose header is missing or blank.'),
  conditionalDecode: z
    .strictObject({
      prefixMatchInfoProducerName: z
        .string()
        .min(1)
        .optional()
        .describe(
          'Name of the producer whose prefix match counts; none: the default one, else any that there is.',
        ),
      minMatchRatio: fraction()
        .default(0)
        .describe('Least share of the prompt that the endpoint holds; at 0 one block is enough.'),
    })
    .prefault({})
    .describe('When a request that says `Prefer: if-available` is served; otherwise the answer is 412.'),
});

type Config = z.infer<typeof params>;

/**
 * Runs the profile that a header names; with one profile, always that.
 *
 * The value is trimmed and case counts. A name that no profile has is the client's mistake: 400.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/profilehandler/header
 */
class HeaderProfileHandler implements ProfileHandler {
  readonly conditionalDecode: ConditionalDecodeRule;
  readonly #headerName: string;
  readonly #defaultProfile: string;
  readonly #log: Log;

  constructor(config: Config, { log }: PluginContext) {
    const { prefixMatchInfoProducerName: producer, minMatchRatio } = config.conditionalDecode;
    this.conditionalDecode = { producer, minMatchRatio };
    this.#headerName = config.headerName.trim().toLowerCase();
    this.#defaultProfile = config.defaultProfile.trim();
    this.#log = log;
  }

  pick(request: InferenceRequest, names: readonly string[], results: ProfileResults): readonly string[] {
    if (results.size > 0) return NONE;
    if (names.length === 1) return names;
    const value = request.headers.get(this.#headerName)?.trim() ?? '';
    const name = value === '' ? this.#defaultProfile : value;
    if (names.includes(name)) return [name];
    this.#log.debug({ requestId: request.requestId, profile: name, profiles: names }, 'no such profile');
    const header = this.#headerName;
    throw new RejectionError(
      'bad-request',
      value === ''
        ? `header ${header} is missing and there is no default scheduling profile '${name}'`
        : `header ${header} names no scheduling profile: '${name}'`,
    );
  }

  process(_request: InferenceRequest, results: ProfileResults): SchedulingResult {
    return onlyResult(results, `header profile handler runs one profile, got ${results.size}`);
  }
}

/** `header-profile-handler`. */
export const headerProfileHandler = definePlugin({
  type: 'header-profile-handler',
  kinds: ['profile-handler'],
  stability: 'alpha',
  summary: 'Runs the scheduling profile that a request header names.',
  params,
  profiles: ({ defaultProfile }, names) =>
    names.length === 1 ? [] : [{ path: ['defaultProfile'], name: defaultProfile.trim(), isRequired: false }],
  dependencies: ({ conditionalDecode: { prefixMatchInfoProducerName } }) =>
    prefixMatchInfoProducerName === undefined
      ? {}
      : { requires: [prefixMatchKey(prefixMatchInfoProducerName)] },
  create: (config, context) => new HeaderProfileHandler(config, context),
});
