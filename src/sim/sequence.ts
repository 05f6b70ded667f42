import { type PrefixHash, type Prompt, WordSource } from './prompt.ts';

/** Receives what an engine makes; called synchronously from the end of a step. */
export interface SequenceSink {
  /** The next token; `text` has 4 characters. With `isLast` the sequence is over. */
  onToken(sequence: Sequence, text: string, isLast: boolean): void;
}

/** What is asked of a sequence. */
export interface SequenceRequest {
  readonly prompt: Prompt;
  /** LoRA adapter, '' for the base model. */
  readonly adapter: string;
  /** Tokens to generate, at least 1. */
  readonly outputTokens: number;
  /** Why it ends after them. */
  readonly finishReason: 'stop' | 'length';
  readonly seed: number;
  readonly sink: SequenceSink;
  /** Milliseconds it takes to encode the images and sounds that no encoder has encoded. */
  readonly encodeMs: number;
  /** The blocks of its prompt stay readable for another server. */
  readonly isForRemoteDecode: boolean;
  /** Keys and values that come from another server; undefined: none. */
  readonly remote: RemoteKv | undefined;
}

/** Keys and values of a prompt that another server computes. */
export interface RemoteKv {
  /** Leading prompt tokens that come; infinite: all of them. */
  readonly tokens: number;
  /** The other server has not computed them yet. */
  readonly isPending: boolean;
}

/** One answer in the making: a prompt and what has been generated so far. */
export class Sequence {
  readonly request: SequenceRequest;
  readonly arrivedMs: number;
  state: 'arriving' | 'waiting' | 'running' | 'finished' = 'waiting';
  /** Prompt and generated tokens. */
  length: number;
  generated = 0;
  /** Tokens whose keys and values are in the cache. */
  computed = 0;
  /** Tokens the current step computes. */
  scheduled = 0;
  /** Prompt tokens that need not be computed, cached here or come from another server; -1 before the first look. */
  cachedTokens = -1;
  /** Those of `cachedTokens` that come from another server. */
  remoteTokens = 0;
  /** Blocks that another server may read, once it is finished. */
  sentBlocks: readonly number[] = [];
  firstTokenMs = 0;
  lastTokenMs = 0;
  /** Blocks held, in the order of the tokens. */
  readonly blocks: number[] = [];
  readonly #words: WordSource;
  readonly #hash: PrefixHash;
  /** Hashes of full blocks past those of the prompt. */
  readonly #grown: number[] = [];

  constructor(request: SequenceRequest, arrivedMs: number) {
    this.request = request;
    this.arrivedMs = arrivedMs;
    this.length = request.prompt.length;
    this.#words = new WordSource(request.seed);
    this.#hash = request.prompt.end.clone();
  }

  /** Generates a token and returns its text. */
  grow(blockSize: number): string {
    const word = this.#words.next();
    this.#hash.add(WordSource.token(word));
    this.length += 1;
    this.generated += 1;
    if (this.length % blockSize === 0) this.#grown.push(this.#hash.value);
    return WordSource.text(word);
  }

  /** Full blocks of all tokens so far. */
  get fullBlocks(): number {
    return this.request.prompt.hashes.length + this.#grown.length;
  }

  /** Hash of full block `i`. */
  hashOf(i: number): number {
    const { hashes } = this.request.prompt;
    return (i < hashes.length ? hashes[i] : this.#grown[i - hashes.length]) ?? Number.NaN;
  }
}
