import { SeededRng } from '../util/rng.ts';
import { answerTooLong, promptTooLong } from './api-error.ts';
import type { GenerationRequest } from './api-request.ts';
import type { SimOptions } from './options.ts';
import type { Prompt } from './prompt.ts';
import type { RemoteKv, SequenceRequest, SequenceSink } from './sequence.ts';

/** What the sequences of a request are made from. */
export interface SequencePlan {
  readonly generation: GenerationRequest;
  /** Each of them has passed `checkLength`. */
  readonly prompts: readonly Prompt[];
  /** What of each prompt comes from another server; nothing unless given. */
  readonly remotes?: readonly (RemoteKv | undefined)[];
  /** Milliseconds for the images and sounds of the request, which the first sequence pays; 0 unless given. */
  readonly encodeMs?: number;
  /** '' for the base model. */
  readonly adapter: string;
  readonly sink: SequenceSink;
  readonly options: SimOptions;
  readonly maxModelLen: number;
}

/** Throws `ApiError` when a prompt and the answer asked for do not fit the context of `maxModelLen` tokens. */
export function checkLength(prompt: Prompt, maxTokens: number | undefined, maxModelLen: number): void {
  if (prompt.length >= maxModelLen) throw promptTooLong(prompt.length, maxModelLen);
  if (maxTokens !== undefined && prompt.length + maxTokens > maxModelLen) {
    throw answerTooLong(maxTokens, prompt.length, maxModelLen);
  }
}

/** One sequence per choice, those of the first prompt first. The prompt and the simulator's seed decide each answer. */
export function planSequences(plan: SequencePlan): SequenceRequest[] {
  const { generation, prompts, remotes, adapter, sink, options } = plan;
  const { isForRemoteDecode } = generation.transfer;
  const requests: SequenceRequest[] = [];
  prompts.forEach((prompt, i) => {
    for (let answer = 0; answer < generation.answers; answer += 1) {
      const seed = prompt.end.value + options.seed * 7919 + answer;
      const encodeMs = requests.length === 0 ? (plan.encodeMs ?? 0) : 0;
      const remote = remotes?.[i];
      const length = answerLength(plan, prompt, seed);
      requests.push({ prompt, adapter, seed, sink, encodeMs, isForRemoteDecode, remote, ...length });
    }
  });
  return requests;
}

/** As many tokens as asked for; without a limit an exponentially distributed number, as far as the context reaches. */
function answerLength(
  { generation, options, maxModelLen }: SequencePlan,
  prompt: Prompt,
  seed: number,
): Pick<SequenceRequest, 'outputTokens' | 'finishReason'> {
  const { maxTokens } = generation;
  if (maxTokens !== undefined) return { outputTokens: maxTokens, finishReason: 'length' };
  const chance = new SeededRng(seed % 0xffff_ffff).next();
  const drawn = Math.ceil(-options.outputTokens * Math.log(1 - chance));
  const room = maxModelLen - prompt.length;
  if (drawn > room) return { outputTokens: room, finishReason: 'length' };
  return { outputTokens: Math.max(1, drawn), finishReason: 'stop' };
}
