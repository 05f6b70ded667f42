import type { Api } from './api-request.ts';
import { json } from './ascii-json.ts';
import { GenerateFormat } from './generate-format.ts';
import type { JsonObject } from './media.ts';
import { MessagesFormat } from './messages-format.ts';
import { ResponsesFormat } from './responses-format.ts';
import { counts, wholeUsage } from './usage-fields.ts';

/** Tokens of a request, summed over its prompts and answers. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  /** Prompt tokens that were put into the cache. */
  readonly createdCacheTokens: number;
}

/** A finished answer. */
export interface Answer {
  readonly text: string;
  readonly finishReason: FinishReason;
}

/** `cache_threshold`: too little of the prompt was cached for the request to run. */
export type FinishReason = 'stop' | 'length' | 'cache_threshold';

/** What an answer tells other servers, in the fields of the body; null: nothing. */
export interface TransferAnswer {
  readonly kv: JsonObject | null;
  readonly ec: JsonObject | null;
}

/** What a format knows of the request it answers. */
export interface ReplyHead {
  /** Without the API's prefix. */
  readonly id: string;
  readonly model: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly hasUsage: boolean;
  readonly hasContinuousUsage: boolean;
  /** Most tokens asked for. */
  readonly maxTokens: number | undefined;
}

/** How an API writes answers; all strings are ASCII. */
export interface ReplyFormat {
  /** Events before the first token of a stream; `answers`: number of choices. */
  begin(answers: number, usage: Usage): string;
  /** Events of one token; `finishReason` on the last one of a choice. */
  token(choice: number, text: string, finishReason: FinishReason | undefined, usage: Usage): string;
  /** Events after the last token of a stream. */
  end(usage: Usage, finishReason: FinishReason): string;
  /** The body of an answer that is not streamed. */
  whole(answers: readonly Answer[], usage: Usage, transfer: TransferAnswer): string;
}

const FINGERPRINT = 'vllm-0.32.0-simulated';
const DONE = 'data: [DONE]\n\n';

/** The format of an API for one request. */
export function replyFormat(api: Api, head: ReplyHead): ReplyFormat {
  switch (api) {
    case 'chat':
      return new ChatFormat(head);
    case 'completions':
      return new CompletionsFormat(head);
    case 'messages':
      return new MessagesFormat(head);
    case 'responses':
      return new ResponsesFormat(head);
    case 'generate':
      return new GenerateFormat(head);
  }
}

function event(data: unknown): string {
  return `data: ${json(data)}\n\n`;
}

function reason(finishReason: FinishReason | undefined): string {
  return finishReason === undefined ? 'null' : `"${finishReason}","stop_reason":null`;
}

function continuous(head: ReplyHead, usage: Usage): string {
  if (!head.hasContinuousUsage) return '';
  return `,"usage":${json({ ...counts(usage), completion_tokens_details: null })}`;
}

class ChatFormat implements ReplyFormat {
  readonly #head: ReplyHead;
  readonly #chunk: object;
  /** The constant start of every event. */
  readonly #prefix: string;

  constructor(head: ReplyHead) {
    this.#head = head;
    this.#chunk = {
      id: `chatcmpl-${head.id}`,
      object: 'chat.completion.chunk',
      created: head.created,
      model: head.model,
    };
    this.#prefix = `data: ${json(this.#chunk).slice(0, -1)},"choices":[{"index":`;
  }

  begin(answers: number, usage: Usage): string {
    let text = '';
    const delta = '"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]';
    const before = continuous(this.#head, { ...usage, completionTokens: 0 });
    for (let choice = 0; choice < answers; choice += 1) {
      text += `${this.#prefix}${choice},${delta}${before},"prompt_token_ids":null,"prompt_text":null}\n\n`;
    }
    return text;
  }

  token(choice: number, text: string, finishReason: FinishReason | undefined, usage: Usage): string {
    const { hasUsage } = this.#head;
    const fingerprint =
      finishReason === undefined || hasUsage ? '' : `,"system_fingerprint":"${FINGERPRINT}"`;
    return (
      `${this.#prefix}${choice},"delta":{"content":"${text}"},"logprobs":null,"finish_reason":` +
      `${reason(finishReason)},"token_ids":null}]${continuous(this.#head, usage)}${fingerprint}}\n\n`
    );
  }

  end(usage: Usage): string {
    if (!this.#head.hasUsage) return DONE;
    const details = { cached_tokens: usage.cachedTokens, created_cache_tokens: usage.createdCacheTokens };
    const last = {
      ...this.#chunk,
      choices: [],
      usage: { ...counts(usage), prompt_tokens_details: details },
      system_fingerprint: FINGERPRINT,
    };
    return event(last) + DONE;
  }

  whole(answers: readonly Answer[], usage: Usage, transfer: TransferAnswer): string {
    return json({
      id: `chatcmpl-${this.#head.id}`,
      object: 'chat.completion',
      created: this.#head.created,
      model: this.#head.model,
      choices: answers.map(({ text, finishReason }, index) => ({
        index,
        message: {
          role: 'assistant',
          content: text,
          refusal: null,
          annotations: null,
          audio: null,
          function_call: null,
          reasoning: null,
        },
        logprobs: null,
        finish_reason: finishReason,
        stop_reason: null,
        token_ids: null,
        routed_experts: null,
      })),
      service_tier: null,
      system_fingerprint: FINGERPRINT,
      usage: wholeUsage(usage, usage.createdCacheTokens),
      prompt_logprobs: null,
      prompt_token_ids: null,
      prompt_text: null,
      kv_transfer_params: transfer.kv,
      ec_transfer_params: transfer.ec,
      metrics: null,
    });
  }
}

class CompletionsFormat implements ReplyFormat {
  readonly #head: ReplyHead;
  readonly #chunk: object;
  readonly #prefix: string;

  constructor(head: ReplyHead) {
    this.#head = head;
    this.#chunk = {
      id: `cmpl-${head.id}`,
      object: 'text_completion',
      created: head.created,
      model: head.model,
    };
    this.#prefix = `data: ${json(this.#chunk).slice(0, -1)},"choices":[{"index":`;
  }

  begin(): string {
    return '';
  }

  token(choice: number, text: string, finishReason: FinishReason | undefined, usage: Usage): string {
    const finished = finishReason === undefined ? 'null' : `"${finishReason}"`;
    return (
      `${this.#prefix}${choice},"text":"${text}","logprobs":null,"finish_reason":${finished},"stop_reason":null,` +
      `"prompt_token_ids":null,"token_ids":null}]${continuous(this.#head, usage)}}\n\n`
    );
  }

  end(usage: Usage): string {
    if (!this.#head.hasUsage) return DONE;
    const last = {
      ...this.#chunk,
      choices: [],
      usage: { ...counts(usage), prompt_tokens_details: { cached_tokens: usage.cachedTokens } },
      system_fingerprint: FINGERPRINT,
    };
    return event(last) + DONE;
  }

  whole(answers: readonly Answer[], usage: Usage, transfer: TransferAnswer): string {
    return json({
      ...this.#chunk,
      choices: answers.map(({ text, finishReason }, index) => ({
        index,
        text,
        logprobs: null,
        finish_reason: finishReason,
        stop_reason: null,
        token_ids: null,
        prompt_logprobs: null,
        prompt_token_ids: null,
        routed_experts: null,
      })),
      service_tier: null,
      system_fingerprint: FINGERPRINT,
      usage: wholeUsage(usage, null),
      kv_transfer_params: transfer.kv,
      ec_transfer_params: transfer.ec,
      metrics: null,
    });
  }
}
