import type { PageScanner } from '../../../util/prometheus-text.ts';
import { type Combination, type SeriesPick, timestampOf } from '../series/scalar-pick.ts';

const RUNNING_ADAPTERS = Buffer.from('running_lora_adapters');
const WAITING_ADAPTERS = Buffer.from('waiting_lora_adapters');
const MAX_ADAPTERS = Buffer.from('max_lora');

/** The LoRA series with the highest value, which is the time at which it was written; the first of equals. */
export class LoraPick implements SeriesPick {
  isFound = false;
  /** Comma-separated adapter names. */
  running = '';
  waiting = '';
  /** NaN when the label is missing or no integer. */
  maxAdapters = Number.NaN;
  #writtenAt = Number.NEGATIVE_INFINITY;

  reset(): void {
    this.isFound = false;
    this.#writtenAt = Number.NEGATIVE_INFINITY;
  }

  offer(scanner: PageScanner): void {
    if (this.isFound ? !(scanner.value > this.#writtenAt) : !Number.isFinite(scanner.value)) return;
    this.isFound = true;
    this.#writtenAt = scanner.value;
    this.running = scanner.label(RUNNING_ADAPTERS) ?? '';
    this.waiting = scanner.label(WAITING_ADAPTERS) ?? '';
    this.maxAdapters = count(scanner.label(MAX_ADAPTERS));
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
