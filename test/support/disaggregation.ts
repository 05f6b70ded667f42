import type { ProfileResult, ProfileResults } from '../../src/framework/profile-handler.ts';
import type { InferenceRequest } from '../../src/framework/request.ts';
import { prefixMatchKey } from '../../src/plugins/attributes/prefix-match.ts';
import { type MediaFeature, TOKENIZED_PROMPT } from '../../src/plugins/attributes/tokenized-prompt.ts';
import { endpoint, request } from './builders.ts';

/** Slot of every endpoint that `ranProfiles` makes. */
const SLOT = 3;

/** A request of a disaggregated pool in the middle of its scheduling. */
export interface DisaggState {
  /** Of its prompt. */
  readonly tokens: number;
  readonly media?: MediaFeature['modality'];
  /** Tokens that the endpoints hold, in blocks of 1. */
  readonly cached?: number;
  /** See `ranProfiles`. */
  readonly ran: Readonly<Record<string, string | null>>;
}

/** A tokenized request whose prefix match is known. */
export function disaggRequest(state: DisaggState): InferenceRequest {
  const one = request();
  tokenize(one, state.tokens, state.media);
  if (state.cached !== undefined) match(one, { cached: state.cached });
  return one;
}

/** Writes what a token producer would. */
export function tokenize(one: InferenceRequest, count: number, modality?: MediaFeature['modality']): void {
  const features = modality === undefined ? [] : [{ modality, hash: 'ab', offset: 0, length: 1 }];
  const bytes = new Uint8Array(4 * count);
  one.attributes.set(TOKENIZED_PROMPT, { prompts: [{ bytes, count, features }], count, cacheSalt: '' });
}

/** Writes what a prefix producer would of all endpoints of `ranProfiles`. */
export function match(
  one: InferenceRequest,
  found: {
    readonly cached: number;
    readonly matched?: number;
    readonly blockSizeTokens?: number;
    readonly producer?: string;
  },
): void {
  const { cached, matched = cached, blockSizeTokens = 1, producer = '' } = found;
  one.attributes.set(prefixMatchKey(producer), {
    cachedBlocks: new Int32Array(SLOT + 1).fill(cached),
    matchBlocks: new Int32Array(SLOT + 1).fill(matched),
    totalBlocks: 1000,
    blockSizeTokens,
  });
}

/** Results by profile: the name of the target, '' for a result without any, null for a profile that found nobody. */
export function ranProfiles(ran: DisaggState['ran']): ProfileResults {
  const results: ProfileResults = new Map();
  for (const [profile, name] of Object.entries(ran)) {
    if (name === null) {
      results.set(profile, undefined);
      continue;
    }
    const targets = name === '' ? [] : [endpoint({ name, slot: SLOT })];
    const result: ProfileResult = { targets, candidates: targets, totals: new Float64Array(targets.length) };
    results.set(profile, result);
  }
  return results;
}
