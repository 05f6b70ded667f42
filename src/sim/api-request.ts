import { badField, badJson, badMaxTokens } from './api-error.ts';
import { PrefixHash, tokensOf } from './prompt.ts';

/** APIs with their paths. */
export type Api = 'chat' | 'completions' | 'messages';

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
}

/** The fields of bodies, messages and blocks that matter here; all of them unchecked. */
interface Fields {
  readonly model?: unknown;
  readonly prompt?: unknown;
  readonly n?: unknown;
  readonly max_tokens?: unknown;
  readonly max_completion_tokens?: unknown;
  readonly stream?: unknown;
  readonly stream_options?: unknown;
  readonly include_usage?: unknown;
  readonly continuous_usage_stats?: unknown;
  readonly cache_salt?: unknown;
  readonly system?: unknown;
  readonly tools?: unknown;
  readonly messages?: unknown;
  readonly role?: unknown;
  readonly content?: unknown;
  readonly tool_calls?: unknown;
  readonly text?: unknown;
}

/** vLLM's default for `/v1/completions`. */
const COMPLETION_TOKENS = 16;
/** Tokens an image or a sound stands for. */
const ASSET_TOKENS = 64;

/** Throws `ApiError` for what vLLM would refuse. */
export function parseRequest(api: Api, body: Buffer): GenerationRequest {
  const fields = parseJson(body);
  const streamOptions: Fields = isObject(fields.stream_options) ? fields.stream_options : {};
  const n = fields.n;
  return {
    api,
    model: typeof fields.model === 'string' && fields.model !== '' ? fields.model : undefined,
    prompts: api === 'completions' ? completionPrompts(fields.prompt) : [tokensOf(conversation(fields))],
    answers: typeof n === 'number' && Number.isSafeInteger(n) && n > 0 && n <= 128 ? n : 1,
    maxTokens: maxTokens(api, fields),
    isStream: fields.stream === true,
    hasUsage: streamOptions.include_usage === true,
    hasContinuousUsage: streamOptions.continuous_usage_stats === true,
    cacheSalt: typeof fields.cache_salt === 'string' ? fields.cache_salt : '',
  };
}

function parseJson(body: Buffer): Fields {
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

function maxTokens(api: Api, fields: Fields): number | undefined {
  const given = fields.max_completion_tokens ?? fields.max_tokens;
  if (given === undefined || given === null) return api === 'completions' ? COMPLETION_TOKENS : undefined;
  if (typeof given !== 'number' || !Number.isSafeInteger(given)) {
    throw badField('max_tokens', 'int_parsing', 'Input should be a valid integer', given);
  }
  if (given < 1) throw badMaxTokens(given);
  return given;
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

/** A conversation as the parts of its prompt, in the manner of a chat template. */
function conversation(fields: Fields): string[] {
  const { messages } = fields;
  if (messages === undefined) throw badField('messages', 'missing', 'Field required', fields);
  if (!Array.isArray(messages)) {
    throw badField('messages', 'list_type', 'Input should be a valid list', messages);
  }
  const parts: string[] = [];
  if (fields.tools !== undefined) parts.push('<|tools|>', JSON.stringify(fields.tools));
  if (fields.system !== undefined) addMessage(parts, 'system', fields.system);
  for (const message of messages as readonly unknown[]) {
    if (!isObject(message))
      throw badField('messages', 'dict_type', 'Input should be a valid dictionary', message);
    addMessage(parts, String(message.role), message.content);
    if (message.tool_calls !== undefined) parts.push(JSON.stringify(message.tool_calls));
  }
  parts.push('<|assistant|>');
  return parts;
}

function addMessage(parts: string[], role: string, content: unknown): void {
  parts.push(`<|${role}|>`);
  if (typeof content === 'string') parts.push(content);
  if (!Array.isArray(content)) return;
  for (const block of content as readonly unknown[]) {
    if (!isObject(block)) continue;
    const { text } = block;
    parts.push(typeof text === 'string' ? text : assetText(JSON.stringify(block)));
  }
}

/** A fixed number of tokens that depend on the whole asset. */
function assetText(content: string): string {
  const hash = new PrefixHash('');
  for (const token of tokensOf([content])) hash.add(token);
  const digest = hash.value.toString(36);
  return digest.padEnd(ASSET_TOKENS * 4, digest);
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
