import type { JsonObject } from '../../../framework/body.ts';
import type { Usage } from '../../../framework/response.ts';
import { isObject } from './decode.ts';

/** Event types whose `response` carries the final usage of the Responses API. */
const FINAL_RESPONSE_EVENTS: ReadonlySet<unknown> = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
]);

/**
 * Merges the usage of one OpenAI response or event. Prompt and completion counts are replaced by non-zero values,
 * the cached count by any that is present; the total is the server's when all three counts are non-zero, else the
 * sum (llm-d-router: pkg/epp/framework/plugins/requesthandling/parsers/openai).
 */
export function readOpenAiUsage(document: JsonObject, isEvent: boolean, usage: Usage): void {
  const block = usageBlock(document, isEvent);
  if (block === undefined) return;
  const prompt = count(block['prompt_tokens'] ?? block['input_tokens']);
  const completion = count(block['completion_tokens'] ?? block['output_tokens']);
  const total = count(block['total_tokens']);
  mergeCounts(usage, prompt, completion);
  mergeCached(usage, cachedTokens(block));
  usage.totalTokens =
    prompt > 0 && completion > 0 && total > 0 ? total : sumOf(usage.promptTokens, usage.completionTokens);
}

function usageBlock(document: JsonObject, isEvent: boolean): JsonObject | undefined {
  const block = document['usage'];
  if (isObject(block)) return block;
  if (!isEvent || !FINAL_RESPONSE_EVENTS.has(document['type'])) return undefined;
  const response = document['response'];
  const nested = isObject(response) ? response['usage'] : undefined;
  return isObject(nested) ? nested : undefined;
}

/** `input_tokens_details` wins where a server sends both. */
function cachedTokens(block: JsonObject): number {
  const input = block['input_tokens_details'];
  const cached = isObject(input) ? input['cached_tokens'] : undefined;
  if (cached !== undefined && cached !== null) return count(cached);
  const prompt = block['prompt_tokens_details'];
  return isObject(prompt) ? count(prompt['cached_tokens']) : Number.NaN;
}

/** NaN when absent; a number is truncated, a numeric string parsed, anything else counts 0. */
function count(value: unknown): number {
  if (value === undefined || value === null) return Number.NaN;
  const parsed = typeof value === 'number' ? value : typeof value === 'string' ? Number(value) : 0;
  return Number.isFinite(parsed) && parsed > 0 ? Math.trunc(parsed) : 0;
}

/** A non-zero count replaces what is known; a zero only stands where nothing is known. NaN changes nothing. */
export function mergeCounts(usage: Usage, prompt: number, completion: number): void {
  if (prompt > 0 || (prompt === 0 && Number.isNaN(usage.promptTokens))) usage.promptTokens = prompt;
  if (completion > 0 || (completion === 0 && Number.isNaN(usage.completionTokens))) {
    usage.completionTokens = completion;
  }
}

/** Replaces the cached count unless `cached` is NaN. */
export function mergeCached(usage: Usage, cached: number): void {
  if (!Number.isNaN(cached)) usage.cachedTokens = cached;
}

/** Sum of counts of which either may be unknown; NaN when both are. */
export function sumOf(prompt: number, completion: number): number {
  if (Number.isNaN(prompt)) return completion;
  return Number.isNaN(completion) ? prompt : prompt + completion;
}
