import { z } from 'zod';
import type { JsonObject, ParsedBody } from '../../framework/body.ts';
import { RejectionError } from '../../framework/errors.ts';
import type { Parser } from '../../framework/parser.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { Usage } from '../../framework/response.ts';
import { decodeObject, isObject } from './json-body/decode.ts';
import { limitHint, tokenIds } from './json-body/hints.ts';

const INVALID = 'invalid generate request: ';
const NO_TOKENS: readonly Uint32Array[] = [];

/** Understands SGLang's own API: prompts as text or as token ids, one or a batch. It names no model. */
class SglangHttpParser implements Parser {
  readonly pathSuffixes = ['generate'];
  readonly protocols = ['kubernetes.io/h2c', 'http'] as const;
  readonly readsResponse = true;
  readonly errorShape = 'openai';
  readonly usagePlace = { member: 'meta_info', allowsArray: true, interim: '"finish_reason":null' };

  parse(bytes: Buffer): ParsedBody {
    const { json, longTexts } = decodeObject(bytes, INVALID);
    const stream = json['stream'] ?? false;
    if (typeof stream !== 'boolean') throw refusal(`${INVALID}stream must be a boolean`);
    const sampling = json['sampling_params'];
    return {
      api: 'generate',
      json,
      longTexts,
      model: '',
      isStreaming: stream,
      maxOutputTokens: isObject(sampling) ? limitHint(sampling, ['max_new_tokens']) : Number.NaN,
      cacheSalt: extraKey(json['extra_key']),
      tokenIds: promptIds(json),
      canRewriteModel: false,
      requiresModel: false,
      skipsResponse: false,
    };
  }

  /** Of a stream the last event of each prompt counts; counts of a batch are added up. */
  readUsage(document: JsonObject, isEvent: boolean, usage: Usage): void {
    const info = document['meta_info'];
    if (!isObject(info)) return;
    if (isEvent && (info['finish_reason'] ?? null) === null) return;
    const prompt = count(info['prompt_tokens']);
    const completion = count(info['completion_tokens']);
    if (Number.isNaN(prompt) && Number.isNaN(completion)) return;
    usage.promptTokens = added(usage.promptTokens, prompt || 0);
    usage.completionTokens = added(usage.completionTokens, completion || 0);
    usage.totalTokens = usage.promptTokens + usage.completionTokens;
    const cached = count(info['cached_tokens']);
    if (!Number.isNaN(cached)) usage.cachedTokens = added(usage.cachedTokens, cached);
  }
}

/** Token ids of each prompt; none where text, or embeddings, stand in their place. */
function promptIds(json: JsonObject): readonly Uint32Array[] {
  const ids = json['input_ids'] ?? undefined;
  if (ids === undefined) {
    const isText = isPrompt(json['text']);
    if (isText || (json['input_embeds'] ?? undefined) !== undefined) return NO_TOKENS;
    throw refusal(`${INVALID}input_ids must be provided`);
  }
  if (!Array.isArray(ids)) throw refusal(`${INVALID}input_ids must be an array of uint32 integers`);
  const values: readonly unknown[] = ids;
  if (values.length === 0) throw refusal(`${INVALID}input_ids cannot be empty`);
  if (!Array.isArray(values[0])) return [idsOf(values)];
  return values.map((prompt) => {
    if (Array.isArray(prompt) && prompt.length === 0) throw refusal(`${INVALID}input_ids cannot be empty`);
    return idsOf(prompt);
  });
}

/** Ids of one prompt, which is not empty. */
function idsOf(prompt: unknown): Uint32Array {
  const found = Array.isArray(prompt) ? tokenIds(prompt) : undefined;
  if (found === undefined) throw refusal(`${INVALID}input_ids must be an array of uint32 integers`);
  return found;
}

/** A string, or an array of them; not empty. */
function isPrompt(text: unknown): boolean {
  if (typeof text === 'string') return text !== '';
  return Array.isArray(text) && text.length > 0 && text.every((one) => typeof one === 'string');
}

/** What keeps prompts from sharing cached prefixes. A batch may have one for each prompt; those are taken together. */
function extraKey(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (!Array.isArray(value) || !value.every((key) => typeof key === 'string')) {
    throw refusal('unsupported generate request: extra_key must be a string');
  }
  return new Set<string>(value).size === 1 ? (value[0] ?? '') : value.join('\n');
}

function refusal(message: string): RejectionError {
  return new RejectionError('bad-request', message);
}

/** NaN for what is no number. */
function count(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? Math.trunc(value) : Number.NaN;
}

function added(known: number, more: number): number {
  return Number.isNaN(known) ? more : known + more;
}

/** `sglanghttp-parser`. */
export const sglanghttpParser = definePlugin({
  type: 'sglanghttp-parser',
  kinds: ['parser'],
  stability: 'beta',
  summary: "Reads requests and responses of SGLang's own generate API.",
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new SglangHttpParser(),
});
