import type { Api } from '../api-request.ts';
import { isObject, type JsonObject } from '../media.ts';

/** What a prefill request of `nixlv2` asks for: nothing is known of the blocks yet. */
const REMOTE_DECODE = {
  do_remote_decode: true,
  do_remote_prefill: false,
  remote_engine_id: null,
  remote_block_ids: null,
  remote_host: null,
  remote_port: null,
};

/** The body with an answer of one token, in one piece. */
export function oneToken(api: Api, body: JsonObject): JsonObject {
  const { stream_options: _, ...rest } = body;
  return { ...rest, stream: false, ...caps(api, body) };
}

/** The prefill request of `nixlv2`. */
export function nixlPrefillBody(api: Api, body: JsonObject): JsonObject {
  return { ...oneToken(api, body), kv_transfer_params: REMOTE_DECODE };
}

/** The body of the encode request for one image or sound of a chat. */
export function encodeBody(body: JsonObject, item: JsonObject): JsonObject {
  return { ...oneToken('chat', body), messages: [{ role: 'user', content: [item] }] };
}

/** Prompt tokens that the answer's usage says were cached; undefined when it does not say. */
export function cachedTokensOf(answer: JsonObject): number | undefined {
  const usage = isObject(answer['usage']) ? answer['usage'] : {};
  const details = usage['prompt_tokens_details'] ?? usage['input_tokens_details'];
  const cached = isObject(details) ? details['cached_tokens'] : usage['cache_read_input_tokens'];
  return typeof cached === 'number' ? cached : undefined;
}

function caps(api: Api, body: JsonObject): JsonObject {
  switch (api) {
    case 'chat':
    case 'completions':
    case 'messages':
      return { max_tokens: 1, max_completion_tokens: 1, min_tokens: 1 };
    case 'responses':
      return { max_output_tokens: 1 };
    case 'generate': {
      const sampling = isObject(body['sampling_params']) ? body['sampling_params'] : {};
      return { sampling_params: { ...sampling, max_tokens: 1, min_tokens: 1 } };
    }
  }
}
