import { json } from './ascii-json.ts';
import type { Answer, FinishReason, ReplyFormat, ReplyHead, TransferAnswer, Usage } from './reply-format.ts';

const NO_TRANSFER: TransferAnswer = { kv: null, ec: null };

/** `/v1/responses`, one message item per answer. */
export class ResponsesFormat implements ReplyFormat {
  readonly #head: ReplyHead;
  readonly #itemId: string;
  #text = '';
  #sequenceNumber = 0;

  constructor(head: ReplyHead) {
    this.#head = head;
    this.#itemId = `msg_${head.id}`;
  }

  begin(): string {
    const response = this.#response([], undefined, undefined, NO_TRANSFER);
    const item = this.#item([], 'in_progress');
    return (
      this.#event('response.created', { response }) +
      this.#event('response.in_progress', { response }) +
      this.#event('response.output_item.added', { item, output_index: 0 }) +
      this.#event('response.content_part.added', { ...this.#place(), part: part('', []) })
    );
  }

  token(_choice: number, text: string): string {
    this.#text += text;
    if (text === '') return '';
    const { content_index, item_id, output_index } = this.#place();
    return this.#event('response.output_text.delta', {
      content_index,
      delta: text,
      item_id,
      logprobs: [],
      output_index,
    });
  }

  end(usage: Usage, finishReason: FinishReason): string {
    const item = this.#item([part(this.#text, null)], 'completed');
    const response = this.#response([item], usage, finishReason, NO_TRANSFER);
    const done = { ...this.#place(), logprobs: [], text: this.#text };
    return (
      this.#event('response.output_text.done', done) +
      this.#event('response.content_part.done', { ...this.#place(), part: part(this.#text, null) }) +
      this.#event('response.output_item.done', { item, output_index: 0 }) +
      this.#event('response.completed', { response })
    );
  }

  whole(answers: readonly Answer[], usage: Usage, transfer: TransferAnswer): string {
    const { text, finishReason } = answers[0] ?? { text: '', finishReason: 'stop' };
    const content = text === '' ? [] : [part(text, null)];
    return json(this.#response([this.#item(content, 'completed')], usage, finishReason, transfer));
  }

  #event(type: string, fields: object): string {
    const data = json({ ...fields, sequence_number: this.#sequenceNumber, type });
    this.#sequenceNumber += 1;
    return `event: ${type}\ndata: ${data}\n\n`;
  }

  #place(): { content_index: number; item_id: string; output_index: number } {
    return { content_index: 0, item_id: this.#itemId, output_index: 0 };
  }

  #item(content: readonly object[], status: string): object {
    return { id: this.#itemId, content, role: 'assistant', status, type: 'message', phase: null };
  }

  /** Without `finishReason` the response is under way. */
  #response(
    output: readonly object[],
    usage: Usage | undefined,
    finishReason: FinishReason | undefined,
    transfer: TransferAnswer,
  ): object {
    const isCut = finishReason === 'length';
    const ended = isCut ? 'incomplete' : 'completed';
    return {
      id: `resp_${this.#head.id}`,
      created_at: this.#head.created,
      incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
      instructions: null,
      metadata: null,
      model: this.#head.model,
      object: 'response',
      output,
      parallel_tool_calls: true,
      temperature: 1,
      tool_choice: 'none',
      tools: [],
      top_p: 1,
      background: false,
      max_output_tokens: this.#head.maxTokens ?? null,
      max_tool_calls: null,
      previous_response_id: null,
      prompt: null,
      reasoning: null,
      service_tier: 'auto',
      status: finishReason === undefined ? 'in_progress' : ended,
      text: null,
      top_logprobs: null,
      truncation: 'disabled',
      usage: usage === undefined ? null : responseUsage(usage),
      user: null,
      presence_penalty: 0,
      frequency_penalty: 0,
      kv_transfer_params: transfer.kv,
      ec_transfer_params: transfer.ec,
      input_messages: null,
      output_messages: null,
    };
  }
}

function part(text: string, logprobs: [] | null): object {
  return { annotations: [], text, type: 'output_text', logprobs };
}

function responseUsage(usage: Usage): object {
  return {
    input_tokens: usage.promptTokens,
    input_tokens_details: {
      cached_tokens: usage.cachedTokens,
      cache_write_tokens: 0,
      input_tokens_per_turn: [],
      cached_tokens_per_turn: [],
    },
    output_tokens: usage.completionTokens,
    output_tokens_details: {
      reasoning_tokens: 0,
      tool_output_tokens: 0,
      output_tokens_per_turn: [],
      tool_output_tokens_per_turn: [],
    },
    total_tokens: usage.promptTokens + usage.completionTokens,
  };
}
