import { json } from './ascii-json.ts';
import type { Answer, FinishReason, ReplyFormat, ReplyHead, TransferAnswer, Usage } from './reply-format.ts';
import { wholeUsage } from './usage-fields.ts';

/** `/inference/v1/generate`: token ids in, token ids out. */
export class GenerateFormat implements ReplyFormat {
  readonly #head: ReplyHead;
  readonly #id: string;

  constructor(head: ReplyHead) {
    this.#head = head;
    this.#id = `generate-tokens-${head.id}`;
  }

  begin(): string {
    return '';
  }

  token(choice: number, text: string, finishReason: FinishReason | undefined): string {
    const chosen = {
      index: choice,
      logprobs: null,
      finish_reason: finishReason ?? null,
      token_ids: tokenIds(text),
      routed_experts: null,
    };
    return `data: ${json({ request_id: this.#id, choices: [chosen], usage: null })}\n\n`;
  }

  end(usage: Usage): string {
    const last = { request_id: this.#id, choices: [], usage: wholeUsage(usage, null) };
    return `${this.#head.hasUsage ? `data: ${json(last)}\n\n` : ''}data: [DONE]\n\n`;
  }

  whole(answers: readonly Answer[], usage: Usage, transfer: TransferAnswer): string {
    return json({
      request_id: this.#id,
      model: this.#head.model,
      created: this.#head.created,
      usage: wholeUsage(usage, null),
      prompt_logprobs: null,
      prompt_token_id_logprobs: null,
      prompt_token_ids: null,
      mm_placeholders: null,
      metrics: null,
      kv_transfer_params: transfer.kv,
      ec_transfer_params: transfer.ec,
      output_mode: 'tokens',
      choices: answers.map(({ text, finishReason }, index) => ({
        index,
        finish_reason: finishReason,
        stop_reason: null,
        token_ids: tokenIds(text),
        routed_experts: null,
        sampling_mask: null,
        weight_versions: [{ version: 'default', start: 0, end: text.length / 4 }],
        logprobs: null,
      })),
    });
  }
}

/** Four bytes of an answer are one token. */
function tokenIds(text: string): number[] {
  const bytes = Buffer.from(text, 'latin1');
  return Array.from({ length: bytes.length >> 2 }, (_, i) => bytes.readUInt32LE(i * 4));
}
