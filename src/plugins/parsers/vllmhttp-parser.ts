import { z } from 'zod';
import type { ParsedBody } from '../../framework/body.ts';
import { RejectionError } from '../../framework/errors.ts';
import type { Parser } from '../../framework/parser.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { decodeObject, isObject } from './json-body/decode.ts';
import { limitHint, textHint, tokenIds } from './json-body/hints.ts';
import { readOpenAiUsage } from './json-body/usage.ts';

/** Understands vLLM's tokens-in, tokens-out API. Its multimodal `features` stay in `json` for who needs them. */
class VllmHttpParser implements Parser {
  readonly pathSuffixes = ['inference/v1/generate'];
  readonly protocols = ['kubernetes.io/h2c', 'http'] as const;
  readonly readsResponse = true;
  readonly errorShape = 'openai';

  parse(bytes: Buffer): ParsedBody {
    const { json, longTexts } = decodeObject(bytes, '');
    const sampling = json['sampling_params'];
    return {
      api: 'generate',
      json,
      longTexts,
      model: textHint(json, 'model'),
      isStreaming: json['stream'] === true,
      maxOutputTokens: isObject(sampling) ? limitHint(sampling, ['max_tokens']) : Number.NaN,
      cacheSalt: textHint(json, 'cache_salt'),
      tokenIds: [promptTokens(json['token_ids'])],
      canRewriteModel: true,
      requiresModel: true,
      skipsResponse: false,
    };
  }

  readonly readUsage = readOpenAiUsage;
}

function promptTokens(value: unknown): Uint32Array {
  if (!Array.isArray(value) || value.length === 0) {
    throw new RejectionError('bad-request', 'invalid generate request: must have non-empty token_ids field');
  }
  const ids = tokenIds(value);
  if (ids !== undefined) return ids;
  const values: readonly unknown[] = value;
  const at = values.findIndex((element) => tokenIds([element]) === undefined);
  throw new RejectionError(
    'bad-request',
    `invalid generate request: token_ids[${at}]: invalid value ${shown(values[at])}`,
  );
}

/** Numbers as they are; of anything else only what it is, since messages carry no content. */
function shown(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  return Array.isArray(value) ? 'array' : typeof value;
}

export const vllmhttpParser = definePlugin({
  type: 'vllmhttp-parser',
  kinds: ['parser'],
  stability: 'beta',
  summary: 'Reads requests and responses of the token API of vLLM.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new VllmHttpParser(),
});
