import type { ServerResponse } from 'node:http';
import type { Engine } from './engine.ts';
import { sendError } from './http-io.ts';
import type { Answer, FinishReason, ReplyFormat, TransferAnswer } from './reply-format.ts';
import type { Sequence, SequenceRequest, SequenceSink } from './sequence.ts';

const NO_TRANSFER: TransferAnswer = { kv: null, ec: null };

/** What a reply needs besides its format. */
export interface ReplyOptions {
  readonly response: ServerResponse;
  readonly engine: Engine;
  readonly isStream: boolean;
  /** Prompt tokens of all prompts, each counted once. */
  readonly promptTokens: number;
  readonly createdCacheTokens: number;
  /** What the usage says of cached tokens; undefined: what the engine found. */
  readonly cachedTokens: number | undefined;
  /** What a whole answer tells other servers, once its first sequence is over; undefined: nothing. */
  readonly transfer: ((sequence: Sequence) => TransferAnswer) | undefined;
  /** Tokens after which the connection is cut; infinite normally. */
  readonly dieAfterTokens: number;
  /** Called with the first token of each sequence, when its prompt has been computed. */
  onFirstToken(sequence: Sequence): void;
  /** Called when the first token since the last flush is there. */
  markDirty(reply: Reply): void;
}

/** One HTTP answer, made of one or several sequences. What steps produce is collected and written once a turn. */
export class Reply implements SequenceSink {
  readonly #format: ReplyFormat;
  readonly #options: ReplyOptions;
  readonly #sequences: Sequence[] = [];
  readonly #texts: string[] = [];
  #unfinished = 0;
  #pending = '';
  #isDirty = false;
  #hasBegun = false;
  #isOver = false;
  readonly #usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0, createdCacheTokens: 0 };

  constructor(format: ReplyFormat, options: ReplyOptions) {
    this.#format = format;
    this.#options = options;
    this.#usage.promptTokens = options.promptTokens;
    this.#usage.createdCacheTokens = options.createdCacheTokens;
  }

  /** The sequences that make the answer. */
  get sequences(): readonly Sequence[] {
    return this.#sequences;
  }

  /** Sends the head of a stream and queues the sequences; all of them have this reply as their sink. */
  start(requests: readonly SequenceRequest[]): void {
    const { response, engine } = this.#options;
    response.on('close', () => this.#abort());
    this.#writeHead();
    this.#unfinished = requests.length;
    for (const request of requests) {
      this.#texts.push('');
      this.#sequences.push(engine.submit(request));
    }
  }

  /** Answers at once with `choices` empty answers, none of which has run. */
  endEmpty(choices: number, finishReason: FinishReason): void {
    const { response, isStream } = this.#options;
    const usage = this.#usage;
    if (!isStream) {
      this.#sendWhole(Array.from({ length: choices }, () => ({ text: '', finishReason })));
      return;
    }
    this.#writeHead();
    let text = this.#format.begin(choices, usage);
    for (let i = 0; i < choices; i += 1) text += this.#format.token(i, '', finishReason, usage);
    response.end(text + this.#format.end(usage, finishReason), 'latin1');
  }

  /** Gives up: what the answer needs has not come. */
  fail(error: Error): void {
    this.#abort();
    sendError(this.#options.response, error);
  }

  onToken(sequence: Sequence, text: string, isLast: boolean): void {
    const choice = this.#sequences.indexOf(sequence);
    const usage = this.#usage;
    usage.completionTokens += 1;
    if (sequence.generated === 1) {
      this.#options.onFirstToken(sequence);
      usage.cachedTokens = this.#options.cachedTokens ?? usage.cachedTokens + sequence.cachedTokens;
      usage.createdCacheTokens = Math.max(0, usage.createdCacheTokens - sequence.cachedTokens);
    }
    const finishReason = isLast ? sequence.request.finishReason : undefined;
    if (isLast) this.#unfinished -= 1;
    if (this.#options.isStream) this.#stream(choice, text, finishReason);
    else this.#texts[choice] += text;
    if (usage.completionTokens >= this.#options.dieAfterTokens) this.#isOver = true;
    const hasOutput = this.#options.isStream || this.#unfinished === 0 || this.#isOver;
    if (!hasOutput || this.#isDirty) return;
    this.#isDirty = true;
    this.#options.markDirty(this);
  }

  /** Writes what has been collected. */
  flush(): void {
    const { response, isStream } = this.#options;
    this.#isDirty = false;
    if (this.#isOver) {
      if (isStream && this.#pending !== '') response.write(this.#pending, 'latin1');
      // A reset may overtake written bytes, a plain end of the connection does not.
      response.socket?.destroySoon();
      return;
    }
    if (this.#unfinished > 0) {
      response.write(this.#pending, 'latin1');
      this.#pending = '';
      return;
    }
    if (isStream) response.end(this.#pending, 'latin1');
    else this.#endWhole();
  }

  #stream(choice: number, text: string, finishReason: FinishReason | undefined): void {
    const usage = this.#usage;
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#pending += this.#format.begin(this.#sequences.length, usage);
    }
    this.#pending += this.#format.token(choice, text, finishReason, usage);
    if (this.#unfinished === 0) this.#pending += this.#format.end(usage, finishReason ?? 'stop');
  }

  #endWhole(): void {
    this.#sendWhole(
      this.#sequences.map((sequence, choice) => ({
        text: this.#texts[choice] ?? '',
        finishReason: sequence.request.finishReason,
      })),
    );
  }

  #writeHead(): void {
    const { response, isStream } = this.#options;
    if (!isStream) return;
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', Vary: 'Origin' });
    response.flushHeaders();
  }

  #sendWhole(answers: readonly Answer[]): void {
    const { transfer, response } = this.#options;
    const [first] = this.#sequences;
    const told = first === undefined ? undefined : transfer?.(first);
    const body = Buffer.from(this.#format.whole(answers, this.#usage, told ?? NO_TRANSFER), 'latin1');
    response.writeHead(200, {
      'Content-Length': body.length,
      'Content-Type': 'application/json',
      Vary: 'Origin',
    });
    response.end(body);
  }

  /** The client left, or everything has been sent. */
  #abort(): void {
    for (const sequence of this.#sequences) this.#options.engine.abort(sequence);
  }
}
