import { AttributeKey } from '../../framework/attribute.ts';
import type { JsonObject } from '../../framework/body.ts';
import type { DataProducer, ResponseBodyHook } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import {
  type MediaFeature,
  type PromptTokens,
  TOKENIZED_PROMPT,
  type TokenizedRequest,
} from '../attributes/tokenized-prompt.ts';
import { type EstimateSettings, estimateParams, params } from './token-producer/params.ts';
import { PromptText } from './token-producer/prompt-text.ts';
import { TokenPacker } from './token-producer/token-packer.ts';

const MODALITIES: readonly MediaFeature['modality'][] = ['image', 'audio', 'video'];

/** Media of one request that came with token ids; more are not looked at, as a client could send any number. */
const MAX_FEATURES = 1000;

/** Tokens whose memory is this plugin's to take back. */
const PACKED = new AttributeKey<TokenizedRequest>('PackedPrompt', 'token-producer');

/**
 * Writes the request as tokens: the ids the client sent, or its text as pseudo-tokens of four bytes. Writes nothing
 * when there are none, or when the request has tokens already.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/tokenizer
 */
class TokenProducer implements DataProducer, ResponseBodyHook {
  readonly #packer = new TokenPacker();
  readonly #text: PromptText;

  constructor(settings: EstimateSettings) {
    this.#text = new PromptText(this.#packer, settings);
  }

  produce(request: InferenceRequest): void {
    if (request.attributes.get(TOKENIZED_PROMPT) !== undefined) return;
    const { body } = request;
    const prompts =
      body.tokenIds.length > 0
        ? fromIds(body.tokenIds, body.json)
        : this.#text.prompts(body, request.headers);
    let count = 0;
    for (const prompt of prompts) count += prompt.count;
    if (count === 0) return;
    const tokenized: TokenizedRequest = { prompts, count, cacheSalt: body.cacheSalt };
    request.attributes.set(TOKENIZED_PROMPT, tokenized);
    request.attributes.set(PACKED, body.tokenIds.length > 0 ? undefined : tokenized);
  }

  responseStarted(request: InferenceRequest): void {
    this.#release(request);
  }

  responseComplete(request: InferenceRequest): void {
    this.#release(request);
  }

  /** Tokens serve scheduling; an answer may stream for minutes. */
  #release(request: InferenceRequest): void {
    const packed = request.attributes.get(PACKED);
    if (packed === undefined) return;
    request.attributes.set(PACKED, undefined);
    request.attributes.set(TOKENIZED_PROMPT, undefined);
    for (const prompt of packed.prompts) this.#packer.recycle(prompt);
  }
}

function fromIds(prompts: readonly Uint32Array[], json: JsonObject | undefined): readonly PromptTokens[] {
  const features = prompts.length === 1 ? mediaFeatures(json?.['features']) : [];
  return prompts.map((ids) => ({
    bytes: new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength),
    count: ids.length,
    features,
  }));
}

/** `{ mm_hashes: { modality: [hash] }, mm_placeholders: { modality: [{ offset, length }] } }`, sorted by offset. */
function mediaFeatures(features: unknown): readonly MediaFeature[] {
  const found: MediaFeature[] = [];
  for (const modality of MODALITIES) {
    const hashes = list(member(member(features, 'mm_hashes'), modality));
    const places = list(member(member(features, 'mm_placeholders'), modality));
    for (let i = 0; i < Math.min(hashes.length, places.length, MAX_FEATURES); i += 1) {
      const hash = hashes[i];
      const offset = member(places[i], 'offset');
      const length = member(places[i], 'length');
      if (typeof hash !== 'string' || typeof offset !== 'number' || typeof length !== 'number') continue;
      found.push({ modality, hash, offset, length });
    }
  }
  return found.sort((a, b) => a.offset - b.offset);
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as JsonObject)[name] : undefined; // any object's member
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** `token-producer`. */
export const tokenProducer = definePlugin({
  type: 'token-producer',
  kinds: ['producer', 'response-body'],
  stability: 'beta',
  summary: 'Turns the prompt into tokens for everything that counts or hashes them.',
  aliases: ['tokenizer'],
  params,
  dependencies: () => ({ produces: [TOKENIZED_PROMPT] }),
  create: (config): TokenProducer => new TokenProducer(config.estimate ?? estimateParams.parse({})),
});
