import type { ServerResponse } from 'node:http';
import type { Clock } from '../util/clock.ts';
import { SeededRng } from '../util/rng.ts';
import { ApiError, unknownModel } from './api-error.ts';
import type { GenerationRequest } from './api-request.ts';
import { Engine } from './engine.ts';
import { newUuid } from './ids.ts';
import { MetricsPage } from './metrics-page.ts';
import type { SimOptions } from './options.ts';
import { type Prompt, promptOf } from './prompt.ts';
import { Reply } from './reply.ts';
import { replyFormat, type TransferAnswer } from './reply-format.ts';
import type { RemoteKv, Sequence } from './sequence.ts';
import { checkLength, planSequences } from './sequence-plan.ts';
import { EncoderCache, type SharedStore } from './shared-store.ts';
import { ecTransferParams, kvTransferParams } from './transfer.ts';

/** What the servers of a simulator have in common, and what tells one from the other. */
export interface InferenceContext {
  readonly clock: Clock;
  readonly seed: number;
  readonly store: SharedStore;
}

/** A request on its way to the engine. */
export interface Submission {
  readonly response: ServerResponse;
  /** Without the API's prefix. */
  readonly id: string;
  /** Tokens after which the connection is cut; infinite normally. */
  readonly dieAfterTokens: number;
  /** Set for a request whose prompt a prefill server has computed or is about to. */
  readonly prefill: Prefill | undefined;
}

/** What a sidecar knows of the prefill stage. */
export interface Prefill {
  /** Prompt tokens that the prefill server had in its cache; undefined: it did not say. */
  readonly cachedTokens: number | undefined;
  /**
   * Settles when the prefill server is done; undefined: it is, or the engine finds out by itself. What it rejects with
   * fails the request.
   */
  readonly arrival: Promise<void> | undefined;
}

/** One life of a model server, from a start to the next: its engine, its metrics and the answers under way. */
export class Inference {
  readonly engine: Engine;
  readonly #options: SimOptions;
  readonly #clock: Clock;
  readonly #store: SharedStore;
  readonly #metrics: MetricsPage;
  readonly #encoded = new EncoderCache();
  readonly #aliases: readonly string[];
  /** The name under which other engines know this one. */
  readonly #engineId: string;
  readonly #dirty: Reply[] = [];
  /** Generation answers that are not over. */
  readonly #open = new Set<ServerResponse>();

  constructor(options: SimOptions, { clock, seed, store }: InferenceContext) {
    this.#options = options;
    this.#clock = clock;
    this.#store = store;
    this.#aliases = [options.model, ...options.loraModules];
    this.#engineId = newUuid(new SeededRng(seed + 1));
    this.engine = new Engine(options, {
      clock,
      seed,
      afterTurn: () => {
        for (const reply of this.#dirty) reply.flush();
        this.#dirty.length = 0;
      },
    });
    this.#metrics = new MetricsPage(this.engine, options, () => clock.wallMs());
  }

  /** Names of the base model and the adapters. */
  get aliases(): readonly string[] {
    return this.#aliases;
  }

  /** The page of `/metrics`. */
  renderMetrics(): string {
    return this.#metrics.render();
  }

  /** Ends this life: nothing is computed any more. With `isCut` running answers break off. */
  stop(isCut: boolean): void {
    this.engine.stop();
    this.#dirty.length = 0;
    if (isCut) for (const response of this.#open) response.destroy();
  }

  /** Answers a request; throws `ApiError` for what vLLM would refuse. */
  generate(request: GenerationRequest, submission: Submission): void {
    const { response, prefill } = submission;
    // The prefill server of SGLang makes one token, whatever the request says.
    const isBootstrap = request.transfer.bootstrapRoom !== undefined && prefill === undefined;
    const generation = isBootstrap ? { ...request, maxTokens: 1 } : request;
    const model = this.#modelOf(generation);
    const adapter = model === this.#options.model ? '' : model;
    if (adapter !== '') this.#metrics.noteLoraUse();
    const prompts = this.#prompts(generation);
    for (const prompt of prompts) checkLength(prompt, generation.maxTokens, this.engine.maxModelLen);
    const reply = this.#reply(generation, prompts, { ...submission, model });
    if (generation.cacheHitThreshold > this.#cachedShare(generation, prompts)) {
      reply.endEmpty(prompts.length * generation.answers, 'cache_threshold');
      return;
    }
    const remotes = prompts.map((prompt) => this.#remote(generation, prompt, prefill));
    this.#open.add(response);
    response.on('close', () => this.#open.delete(response));
    reply.start(
      planSequences({
        generation,
        prompts,
        remotes,
        encodeMs: this.#encodeMs(generation, remotes),
        adapter,
        sink: reply,
        options: this.#options,
        maxModelLen: this.engine.maxModelLen,
      }),
    );
    prefill?.arrival?.then(
      () => {
        for (const sequence of reply.sequences) this.engine.arrive(sequence);
      },
      (error: unknown) => reply.fail(prefillFailure(error)),
    );
  }

  /** Whether the share of the prompt is cached, here or in the store, that the request wants. */
  hasCached(generation: GenerationRequest): boolean {
    return this.#cachedShare(generation, this.#prompts(generation)) >= generation.cacheHitThreshold;
  }

  #modelOf({ model = this.#options.model }: GenerationRequest): string {
    if (!this.#aliases.includes(model)) throw unknownModel(model, this.#aliases);
    return model;
  }

  #prompts(generation: GenerationRequest): Prompt[] {
    const model = this.#modelOf(generation);
    const space = `${model === this.#options.model ? '' : model}\n${generation.cacheSalt}`;
    return generation.prompts.map((tokens) => promptOf(tokens, this.#options.blockSize, space));
  }

  #reply(
    generation: GenerationRequest,
    prompts: readonly Prompt[],
    submission: Submission & { readonly model: string },
  ): Reply {
    const { id, response, dieAfterTokens, prefill, model } = submission;
    const { hasUsage, hasContinuousUsage, maxTokens } = generation;
    const created = Math.floor(this.#clock.wallMs() / 1000);
    return new Reply(
      replyFormat(generation.api, { id, model, created, hasUsage, hasContinuousUsage, maxTokens }),
      {
        response,
        engine: this.engine,
        isStream: generation.isStream,
        promptTokens: sum(prompts, (prompt) => prompt.length),
        createdCacheTokens: sum(prompts, (prompt) => prompt.hashes.length * this.#options.blockSize),
        cachedTokens: prefill?.cachedTokens,
        transfer: (sequence) => this.#transferAnswer(generation, sequence, response),
        dieAfterTokens,
        onFirstToken: ({ request }) => this.#keep(request.prompt),
        markDirty: (dirty) => this.#dirty.push(dirty),
      },
    );
  }

  /** What of a prompt's keys and values comes from elsewhere. */
  #remote(
    { transfer }: GenerationRequest,
    { hashes }: Prompt,
    prefill: Prefill | undefined,
  ): RemoteKv | undefined {
    const { blockSize, kvConnector } = this.#options;
    if (prefill?.arrival !== undefined) return { tokens: Number.POSITIVE_INFINITY, isPending: true };
    if (transfer.remoteBlocks > 0) return { tokens: transfer.remoteBlocks * blockSize, isPending: false };
    if (kvConnector !== 'shared-storage') return undefined;
    let stored = 0;
    while (stored < hashes.length && this.#store.blocks.has(hashes[stored] ?? Number.NaN)) stored += 1;
    return stored === 0 ? undefined : { tokens: stored * blockSize, isPending: false };
  }

  /** Time to encode the images and sounds that have not been; none when the keys and values of the prompt come. */
  #encodeMs({ assets, transfer }: GenerationRequest, remotes: readonly (RemoteKv | undefined)[]): number {
    const { ecConnector, encodeMs } = this.#options;
    if (remotes.some((remote) => remote !== undefined)) return 0;
    const { stats } = this.engine;
    let missing = 0;
    for (const key of assets) {
      stats.assetQueries += 1;
      const isElsewhere =
        transfer.encodedAssets.has(key) || (ecConnector === 'ec-example' && this.#store.assets.has(key));
      if (this.#encoded.use(key)) stats.assetHits += 1;
      else if (!isElsewhere) missing += 1;
      if (ecConnector === 'ec-example') this.#store.assets.add(key);
    }
    stats.encodedAssets += missing;
    return missing * encodeMs;
  }

  /** Smallest share of a prompt that is cached here or in the store. */
  #cachedShare(generation: GenerationRequest, prompts: readonly Prompt[]): number {
    let least = 1;
    for (const prompt of prompts) {
      const remote = this.#remote(generation, prompt, undefined)?.tokens ?? 0;
      const cached = Math.max(remote, this.engine.cachedTokens(prompt));
      least = Math.min(least, cached / prompt.length);
    }
    return least;
  }

  /** Puts a computed prompt into the store. */
  #keep({ hashes }: Prompt): void {
    if (this.#options.kvConnector !== 'shared-storage') return;
    for (const hash of hashes) this.#store.blocks.add(hash);
  }

  #transferAnswer(
    { transfer, assets }: GenerationRequest,
    sequence: Sequence,
    { socket }: ServerResponse,
  ): TransferAnswer {
    const source = {
      engineId: this.#engineId,
      host: socket?.localAddress ?? this.#options.host,
      port: socket?.localPort ?? 0,
    };
    return {
      kv: transfer.isForRemoteDecode ? kvTransferParams(source, sequence.sentBlocks) : null,
      ec:
        this.#options.ecConnector === 'ec-nixl' && assets.length > 0
          ? ecTransferParams(source, assets)
          : null,
    };
  }
}

function prefillFailure(error: unknown): ApiError {
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError(500, { error: { message, type: 'InternalServerError', param: null, code: 500 } });
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
