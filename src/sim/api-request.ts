import { badField, badJson, badMaxTokens } from './api-error.ts';
import { Conversation } from './conversation.ts';
import { isObject, type JsonObject } from './media.ts';
import { tokensOf } from './prompt.ts';
import { parseTransfer, type Transfer } from './transfer.ts';

/** APIs with their paths. */
export type Api = 'chat' | 'completions' | 'messages' | 'responses' | 'generate';

/** A parsed request, the same for all APIs. */
export interface GenerationRequest {
  readonly api: Api;
  /** Undefined: the base model. */
  readonly model: string | undefined;
  /** Tokens of each prompt; never empty. */
  readonly prompts: readonly Uint32Array[];
  /** Answers per prompt. */
  readonly answers: number;
  /** Undefined: as many as the model likes. */
  readonly maxTokens: number | undefined;
  readonly isStream: boolean;
  /** A usage event at the end of a stream. */
  readonly hasUsage: boolean;
  /** Usage in every event of a stream. */
  readonly hasContinuousUsage: boolean;
  /** Requests with different salts share no cached blocks. */
  readonly cacheSalt: string;
  /** Keys of images and sounds in the prompt, in their order. */
  readonly assets: readonly string[];
  /** What the request says of keys and values that come from or go to another server. */
  readonly transfer: Transfer;
  /** Share of the prompt, 0 to 1, that has to be cached for the request to run at all. */
  readonly cacheHitThreshold: number;
}

/** vLLM's default for `/v1/completions` and `/inference/v1/generate`. */
const COMPLETION_TOKENS = 16;

/** Throws `ApiError` for what vLLM would refuse. */
export function parseRequest(api: Api, body: Buffer): GenerationRequest {
  return readRequest(api, parseBody(body));
}

/** The same for a body that has been parsed. */
export function readRequest(api: Api, fields: JsonObject): GenerationRequest {
  const streamOptions = objectOf(fields['stream_options']);
  const sampling = api === 'generate' ? objectOf(fields['sampling_params']) : fields;
  const model = fields['model'];
  const salt = fields['cache_salt'];
  const n = sampling['n'];
  const threshold = fields['cache_hit_threshold'];
  const { prompts, assets } = promptsOf(api, fields);
  return {
    api,
    model: typeof model === 'string' && model !== '' ? model : undefined,
    prompts,
    assets,
    answers: typeof n === 'number' && Number.isSafeInteger(n) && n > 0 && n <= 128 ? n : 1,
    maxTokens: maxTokens(api, sampling),
    isStream: fields['stream'] === true,
    hasUsage: streamOptions['include_usage'] === true,
    hasContinuousUsage: streamOptions['continuous_usage_stats'] === true,
    cacheSalt: typeof salt === 'string' ? salt : '',
    transfer: parseTransfer(fields),
    cacheHitThreshold: typeof threshold === 'number' ? threshold : 0,
  };
}

/** A body as an object; throws `ApiError` when it is none. */
export function parseBody(body: Buffer): JsonObject {
  try {
    const parsed: unknown = JSON.parse(body.toString());
    if (isObject(parsed)) return parsed;
  } catch (error) {
    // Some messages name no position; the end is as good a place.
    const offset = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw badJson(offset === undefined ? body.length : Number(offset));
  }
  throw badJson(0);
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function maxTokens(api: Api, fields: JsonObject): number | undefined {
  const given =
    api === 'responses'
      ? fields['max_output_tokens']
      : (fields['max_completion_tokens'] ?? fields['max_tokens']);
  if (given === undefined || given === null) {
    return api === 'completions' || api === 'generate' ? COMPLETION_TOKENS : undefined;
  }
  if (typeof given !== 'number' || !Number.isSafeInteger(given)) {
    const field = api === 'responses' ? 'max_output_tokens' : 'max_tokens';
    throw badField(field, 'int_parsing', 'Input should be a valid integer', given);
  }
  if (given < 1) throw badMaxTokens(given);
  return given;
}

function promptsOf(api: Api, fields: JsonObject): Pick<GenerationRequest, 'prompts' | 'assets'> {
  switch (api) {
    case 'completions':
      return { prompts: completionPrompts(fields['prompt']), assets: [] };
    case 'generate':
      return { prompts: [tokenIds(fields['token_ids'], fields)], assets: [] };
    case 'responses':
      return chatPrompt(new Conversation(fields).addInput(fields['input'], fields));
    case 'chat':
    case 'messages':
      return chatPrompt(new Conversation(fields).addMessages(fields['messages'], fields));
  }
}

function chatPrompt({ parts, assets }: Conversation): Pick<GenerationRequest, 'prompts' | 'assets'> {
  return { prompts: [tokensOf([...parts, '<|assistant|>'])], assets };
}

function tokenIds(given: unknown, fields: JsonObject): Uint32Array {
  if (given === undefined) throw badField('token_ids', 'missing', 'Field required', fields);
  const ids: readonly unknown[] = Array.isArray(given) ? given : [];
  if (ids.length > 0 && ids.every((id) => typeof id === 'number')) return Uint32Array.from(ids);
  throw badField('token_ids', 'list_type', 'Input should be a valid list', given);
}

function completionPrompts(prompt: unknown): Uint32Array[] {
  if (typeof prompt === 'string') return [tokensOf([prompt])];
  if (Array.isArray(prompt) && prompt.length > 0) {
    const items: readonly unknown[] = prompt;
    if (items.every((item) => typeof item === 'number')) return [Uint32Array.from(items)];
    return items.map((item) => {
      if (typeof item === 'string') return tokensOf([item]);
      const ids: readonly unknown[] = Array.isArray(item) ? item : [];
      if (ids.length > 0 && ids.every((id) => typeof id === 'number')) return Uint32Array.from(ids);
      throw badField('prompt', 'string_type', 'Input should be a valid string', item);
    });
  }
  throw badField('prompt', 'string_type', 'Input should be a valid string', prompt);
}
