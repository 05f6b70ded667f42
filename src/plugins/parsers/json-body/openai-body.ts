import type { Api, JsonObject, ParsedBody } from '../../../framework/body.ts';
import { RejectionError } from '../../../framework/errors.ts';
import { decodeObject } from './decode.ts';
import { limitHint, promptInput, textHint } from './hints.ts';

const NO_TOKENS: readonly Uint32Array[] = [];
const INVALID = undefined;

/** What sets one API apart: its path, what it cannot do without, and its output limit. */
interface ApiRule {
  readonly api: Api;
  /** Path endings, compared in table order; that they begin a segment is known when a parser is called. */
  readonly endings: readonly string[];
  readonly limits: readonly string[];
  readonly requiresModel: boolean;
  readonly complaint: string;
  /** Token ids sent instead of text, often none; undefined when the body is invalid. */
  readonly check: (json: JsonObject) => readonly Uint32Array[] | undefined;
}

const COMPLETIONS: ApiRule = {
  api: 'completions',
  endings: ['completions', 'completions/render'],
  limits: ['max_tokens'],
  requiresModel: true,
  complaint: 'invalid completions request: must have prompt field',
  check(json) {
    // vLLM takes embeddings in place of a prompt
    if ((json['prompt_embeds'] ?? undefined) !== undefined && (json['prompt'] ?? '') === '') return NO_TOKENS;
    return promptTokens(json['prompt']);
  },
};

/** llm-d-router: pkg/epp/framework/plugins/requesthandling/parsers/openai. The order is the reference's. */
const RULES: readonly ApiRule[] = [
  {
    api: 'conversations',
    endings: ['conversations'],
    limits: [],
    requiresModel: false, // the API has no such member
    complaint: 'invalid conversations request: must have items field',
    check: (json) => (isFilledArray(json['items']) ? NO_TOKENS : INVALID),
  },
  {
    api: 'responses',
    endings: ['responses'],
    limits: ['max_output_tokens'],
    requiresModel: true,
    complaint: 'invalid responses request: must have input field',
    check: (json) => ((json['input'] ?? undefined) === undefined ? INVALID : NO_TOKENS),
  },
  {
    api: 'chat',
    endings: ['chat/completions', 'chat/completions/render'],
    limits: ['max_completion_tokens', 'max_tokens'],
    requiresModel: true,
    complaint: 'invalid chat completions request: must have valid messages field',
    check: (json) => (isFilledArray(json['messages']) ? NO_TOKENS : INVALID),
  },
  COMPLETIONS,
  {
    api: 'embeddings',
    endings: ['embeddings'],
    limits: [],
    requiresModel: true,
    complaint: 'invalid embeddings request: must have input field',
    check(json) {
      // vLLM takes a conversation in place of an input
      if (json['input'] === undefined && isFilledArray(json['messages'])) return NO_TOKENS;
      return promptTokens(json['input']);
    },
  },
  {
    api: 'images',
    endings: ['images/generations'],
    limits: [],
    requiresModel: true,
    complaint: 'invalid images generations request: must have prompt field',
    check: (json) => (textHint(json, 'prompt') === '' ? INVALID : NO_TOKENS),
  },
];

/**
 * A body of the OpenAI API of `path`; of none is read as completions. Throws `bad-request` for a body no server could
 * take.
 */
export function parseOpenAiBody(bytes: Buffer, path: string): ParsedBody {
  const { json, longTexts } = decodeObject(bytes, 'error unmarshaling request bodyMap: ');
  const rule = ruleOf(path);
  const tokenIds = rule.check(json);
  if (tokenIds === undefined) throw new RejectionError('bad-request', rule.complaint);
  return {
    api: rule.api,
    json,
    longTexts,
    model: textHint(json, 'model'),
    isStreaming: json['stream'] === true,
    maxOutputTokens: limitHint(json, rule.limits),
    cacheSalt: textHint(json, 'cache_salt'),
    tokenIds,
    canRewriteModel: true,
    requiresModel: rule.requiresModel,
    skipsResponse: false,
  };
}

/** The API of a path; a path of none is read as completions. */
function ruleOf(path: string): ApiRule {
  for (const rule of RULES) {
    for (const ending of rule.endings) {
      if (path.endsWith(ending)) return rule;
    }
  }
  return COMPLETIONS;
}

function promptTokens(value: unknown): readonly Uint32Array[] | undefined {
  const input = promptInput(value);
  return input.isValid ? input.tokenIds : INVALID;
}

function isFilledArray(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}
