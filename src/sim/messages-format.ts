import { json } from './ascii-json.ts';
import type { Answer, FinishReason, ReplyFormat, ReplyHead, TransferAnswer, Usage } from './reply-format.ts';

/** `/v1/messages`, Anthropic's form. */
export class MessagesFormat implements ReplyFormat {
  readonly #head: ReplyHead;

  constructor(head: ReplyHead) {
    this.#head = head;
  }

  begin(_answers: number, usage: Usage): string {
    const message = {
      id: `chatcmpl-${this.#head.id}`,
      type: 'message',
      role: 'assistant',
      content: [],
      model: this.#head.model,
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: usage.promptTokens, output_tokens: 0 },
    };
    return (
      named('message_start', { message }) +
      named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } })
    );
  }

  token(_choice: number, text: string): string {
    if (text === '') return '';
    const delta = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${text}"}}`;
    return `event: content_block_delta\ndata: ${delta}\n\n`;
  }

  end(usage: Usage, finishReason: FinishReason): string {
    const delta = { stop_reason: stopReason(finishReason), stop_sequence: null };
    return (
      named('content_block_stop', { index: 0 }) +
      named('message_delta', { delta, usage: messageUsage(usage) }) +
      named('message_stop', {})
    );
  }

  whole(answers: readonly Answer[], usage: Usage, transfer: TransferAnswer): string {
    const answer = answers[0] ?? { text: '', finishReason: 'stop' };
    return json({
      id: `chatcmpl-${this.#head.id}`,
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: answer.text }],
      model: this.#head.model,
      stop_reason: stopReason(answer.finishReason),
      usage: messageUsage(usage),
      ...(transfer.kv === null ? {} : { kv_transfer_params: transfer.kv }),
      ...(transfer.ec === null ? {} : { ec_transfer_params: transfer.ec }),
    });
  }
}

function named(type: string, fields: object): string {
  return `event: ${type}\ndata: ${json({ type, ...fields })}\n\n`;
}

function stopReason(finishReason: FinishReason): string {
  return finishReason === 'stop' ? 'end_turn' : 'max_tokens';
}

function messageUsage(usage: Usage): object {
  return {
    input_tokens: usage.promptTokens,
    output_tokens: usage.completionTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cachedTokens,
  };
}
