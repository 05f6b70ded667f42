import { PrefixHash, tokensOf } from './prompt.ts';

/** Content block types that an encoder turns into embeddings. */
const MEDIA_TYPES = new Set([
  'image_url',
  'audio_url',
  'video_url',
  'input_audio',
  'image',
  'input_image',
  'input_file',
]);

/** Tokens an image or a sound stands for. */
const ASSET_TOKENS = 64;

/** A JSON object whose fields nobody has checked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** True for what JSON writes in braces. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a content block has to go through an encoder. */
export function isMedia(block: JsonObject): boolean {
  return typeof block['type'] === 'string' && MEDIA_TYPES.has(block['type']);
}

/** Name of an asset in encoder caches: equal blocks have equal names. */
export function assetKey(block: JsonObject): string {
  const hash = new PrefixHash('');
  for (const token of tokensOf([JSON.stringify(block)])) hash.add(token);
  return hash.value.toString(36);
}

/** What an asset is in a prompt: a fixed number of tokens that depend on the whole asset. */
export function assetText(key: string): string {
  return key.padEnd(ASSET_TOKENS * 4, key);
}

/**
 * Media items of a chat in their order, those of one URL once. Inline items are kept as often as they occur.
 * Source: `llm-d-router: pkg/sidecar/proxy/connector_ec_common.go`.
 */
export function distinctMedia(body: JsonObject): JsonObject[] {
  const items: JsonObject[] = [];
  const seen = new Set<string>();
  const messages: readonly unknown[] = Array.isArray(body['messages']) ? body['messages'] : [];
  for (const message of messages) {
    if (!isObject(message) || !Array.isArray(message['content'])) continue;
    for (const block of message['content'] as readonly unknown[]) {
      if (!isObject(block) || !isMedia(block)) continue;
      const url = urlOf(block);
      if (url !== undefined && seen.has(url)) continue;
      if (url !== undefined) seen.add(url);
      items.push(block);
    }
  }
  return items;
}

function urlOf(block: JsonObject): string | undefined {
  const inner = block[String(block['type'])];
  return isObject(inner) && typeof inner['url'] === 'string' ? inner['url'] : undefined;
}
