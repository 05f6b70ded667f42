import { z } from 'zod';
import type { JsonObject, ParsedBody } from '../../framework/body.ts';
import { RejectionError } from '../../framework/errors.ts';
import type { Parser } from '../../framework/parser.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { Usage } from '../../framework/response.ts';
import { decodeObject, isObject } from './json-body/decode.ts';
import { limitHint, textHint } from './json-body/hints.ts';
import { mergeCached, mergeCounts, sumOf } from './json-body/usage.ts';

const params = z.strictObject({
  promptIncludesCache: z
    .boolean()
    .default(false)
    .describe(
      'Add cached tokens to the prompt, for servers whose `input_tokens` leaves them out (vLLM counts them in).',
    ),
});

/** Understands the Anthropic Messages API. */
class AnthropicParser implements Parser {
  readonly pathSuffixes = ['messages', 'messages/count_tokens'];
  readonly protocols = ['kubernetes.io/h2c', 'http'] as const;
  readonly readsResponse = true;
  readonly errorShape = 'anthropic';
  readonly #promptIncludesCache: boolean;

  constructor(config: z.infer<typeof params>) {
    this.#promptIncludesCache = config.promptIncludesCache;
  }

  parse(bytes: Buffer, path: string): ParsedBody {
    if (path.endsWith('messages/count_tokens')) return countTokensBody(bytes);
    if (!path.endsWith('messages')) {
      throw new RejectionError('bad-request', `unsupported API endpoint: ${path}`);
    }
    const { json, longTexts } = decodeObject(bytes, 'error unmarshaling request body: ');
    const messages = json['messages'] ?? [];
    if (!Array.isArray(messages)) {
      throw new RejectionError('bad-request', 'error parsing messages request: messages must be an array');
    }
    if (messages.length === 0) {
      throw new RejectionError('bad-request', 'invalid messages request: must have at least one message');
    }
    return {
      api: 'messages',
      json,
      longTexts,
      model: textHint(json, 'model'),
      isStreaming: json['stream'] === true,
      maxOutputTokens: limitHint(json, ['max_tokens']),
      cacheSalt: textHint(json, 'cache_salt'),
      tokenIds: [],
      canRewriteModel: true,
      requiresModel: true,
      skipsResponse: false,
    };
  }

  /**
   * A whole message reports everything in `usage`. Of a stream, `message_start` tells the prompt and
   * `message_delta` the completion; vLLM repeats the prompt, with its cached part, in the latter.
   */
  readUsage(document: JsonObject, isEvent: boolean, usage: Usage): void {
    if (!isEvent) {
      this.#merge(document['usage'], true, usage);
      return;
    }
    const type = document['type'];
    if (type === 'message_start') {
      const message = document['message'];
      // output_tokens is a placeholder here: nothing has been generated
      if (isObject(message)) this.#merge(message['usage'], false, usage);
    } else if (type === 'message_delta') {
      this.#merge(document['usage'], true, usage);
    }
  }

  #merge(block: unknown, hasCompletion: boolean, usage: Usage): void {
    if (!isObject(block)) return;
    const cached = count(block['cache_read_input_tokens']);
    let prompt = count(block['input_tokens']);
    if (this.#promptIncludesCache && prompt >= 0) {
      prompt += (cached || 0) + (count(block['cache_creation_input_tokens']) || 0);
    }
    mergeCounts(usage, prompt, hasCompletion ? count(block['output_tokens']) : Number.NaN);
    mergeCached(usage, cached);
    usage.totalTokens = sumOf(usage.promptTokens, usage.completionTokens);
  }
}

/**
 * Counting tokens runs no model, so the prompt is hidden from whoever would remember it as cached; only the model
 * name is read, for the rewrite. A body that is no JSON is the model server's to refuse.
 */
function countTokensBody(bytes: Buffer): ParsedBody {
  let model = '';
  let canRewriteModel = true;
  try {
    model = textHint(decodeObject(bytes, '').json, 'model');
  } catch (error) {
    if (!(error instanceof RejectionError)) throw error;
    canRewriteModel = false;
  }
  return {
    api: 'opaque',
    json: undefined,
    longTexts: undefined,
    model,
    isStreaming: false,
    maxOutputTokens: Number.NaN,
    cacheSalt: '',
    tokenIds: [],
    canRewriteModel,
    requiresModel: false,
    skipsResponse: true,
  };
}

/** Numbers only; NaN for anything else. */
function count(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? Math.trunc(value) : Number.NaN;
}

export const anthropicParser = definePlugin({
  type: 'anthropic-parser',
  kinds: ['parser'],
  stability: 'beta',
  summary: 'Reads requests and responses of the Anthropic Messages API.',
  params,
  ignoresParameters: true,
  create: (config) => new AnthropicParser(config),
});
