import type { PageScanner } from '../../../util/prometheus-text.ts';
import { EngineIndex } from '../series/engine-index.ts';
import { type Combination, type SeriesPick, timestampOf } from '../series/scalar-pick.ts';

const RUNNING_ADAPTERS = Buffer.from('running_lora_adapters');
const WAITING_ADAPTERS = Buffer.from('waiting_lora_adapters');
const MAX_ADAPTERS = Buffer.from('max_lora');

/**
 * Of the LoRA series of one engine the one with the highest value, which is the time at which it was written; the first of
 * equals. Then the adapters of the engines are put together.
 */
export class LoraPick implements SeriesPick {
  readonly #engines: EngineIndex;
  /** By number of the engine, all of them. */
  readonly #writtenAt: number[] = [];
  readonly #running: string[] = [];
  readonly #waiting: string[] = [];
  readonly #maxAdapters: number[] = [];

  constructor(combination: 'union' | 'first') {
    this.#engines = new EngineIndex(combination === 'first');
  }

  reset(): void {
    this.#engines.reset();
    this.#writtenAt.length = 0;
    this.#running.length = 0;
    this.#waiting.length = 0;
    this.#maxAdapters.length = 0;
  }

  offer(scanner: PageScanner): void {
    if (!Number.isFinite(scanner.value)) return;
    const i = this.#engines.of(scanner);
    if (i < this.#writtenAt.length && !(scanner.value > (this.#writtenAt[i] ?? 0))) return;
    this.#writtenAt[i] = scanner.value;
    this.#running[i] = scanner.label(RUNNING_ADAPTERS) ?? '';
    this.#waiting[i] = scanner.label(WAITING_ADAPTERS) ?? '';
    this.#maxAdapters[i] = count(scanner.label(MAX_ADAPTERS));
  }

  get isFound(): boolean {
    return this.#writtenAt.length > 0;
  }

  /** Comma-separated adapter names; some may be there twice or be empty. */
  get running(): string {
    return this.#running.join();
  }

  /** Likewise. */
  get waiting(): string {
    return this.#waiting.join();
  }

  /** Of all engines together; NaN when no engine shows it as an integer. */
  get maxAdapters(): number {
    let sum = Number.NaN;
    for (const max of this.#maxAdapters) {
      if (!Number.isNaN(max)) sum = Number.isNaN(sum) ? max : sum + max;
    }
    return sum;
  }
}

/**
 * Cache settings that a server shows as labels. Each engine of one vLLM server shows the blocks of all its engines
 * together, so engines are not summed: the largest number counts, unless only the first series is wanted.
 */
export class CachePick implements SeriesPick {
  /** Tokens in one block; NaN when missing or no positive integer (`None`). */
  blockSize = Number.NaN;
  /** NaN likewise. */
  blocks = Number.NaN;
  readonly #blockSizeLabel: Buffer;
  readonly #blocksLabel: Buffer;
  readonly #isFirstOnly: boolean;
  #timestamp = Number.NaN;

  constructor(blockSizeLabel: string, blocksLabel: string, combination: Combination) {
    this.#blockSizeLabel = Buffer.from(blockSizeLabel);
    this.#blocksLabel = Buffer.from(blocksLabel);
    this.#isFirstOnly = combination === 'first';
  }

  reset(): void {
    this.blockSize = Number.NaN;
    this.blocks = Number.NaN;
    this.#timestamp = Number.NaN;
  }

  offer(scanner: PageScanner): void {
    const timestamp = timestampOf(scanner);
    const isBetter = !(timestamp <= this.#timestamp);
    if (isBetter) {
      this.#timestamp = timestamp;
      this.blockSize = count(scanner.label(this.#blockSizeLabel));
    } else if (this.#isFirstOnly) {
      return;
    }
    const blocks = count(scanner.label(this.#blocksLabel));
    if (this.#isFirstOnly || !(blocks <= this.blocks)) this.blocks = blocks;
  }
}

/** A label's text as a positive integer; NaN for anything else. */
function count(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) && Number(text) > 0 ? Number(text) : Number.NaN;
}
