import type { Usage } from './reply-format.ts';

/** The three numbers that every usage object of OpenAI's form has. */
export function counts(usage: Usage): object {
  return {
    prompt_tokens: usage.promptTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    completion_tokens: usage.completionTokens,
  };
}

/** Usage of an answer that is not streamed; `created` is null where the API does not tell. */
export function wholeUsage(usage: Usage, created: number | null): object {
  const details = {
    cached_tokens: usage.cachedTokens,
    created_cache_tokens: created,
    multimodal_tokens: null,
  };
  return { ...counts(usage), prompt_tokens_details: details, completion_tokens_details: null };
}
