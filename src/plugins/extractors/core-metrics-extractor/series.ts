import type { PageScanner } from '../../../util/prometheus-text.ts';

/** What the values of several engines on one page amount to; `first` looks at one series only. */
export type Combination = 'sum' | 'mean' | 'first';

/** Takes the samples of one metric and keeps what is wanted of them; `reset` before each page. */
export interface SeriesPick {
  reset(): void;
  /** The scanner stands on a sample that matches. */
  offer(scanner: PageScanner): void;
}

/** Labels that tell the engines of one server apart: vLLM, SGLang. */
const ENGINE_LABELS: readonly Buffer[] = [Buffer.from('engine'), Buffer.from('dp_rank')];

function engineOf(scanner: PageScanner): string {
  for (const label of ENGINE_LABELS) {
    const engine = scanner.label(label);
    if (engine !== undefined) return engine;
  }
  return '';
}

/** Without a timestamp a sample is older than every sample that has one. */
function timestampOf(scanner: PageScanner): number {
  return Number.isNaN(scanner.timestamp) ? Number.NEGATIVE_INFINITY : scanner.timestamp;
}

/**
 * One number. Of the series of one engine the one with the largest timestamp counts, the first of equals; then the
 * engines are combined. NaN and infinite samples count as missing.
 * (llm-d-router: pkg/epp/framework/plugins/datalayer/extractor/metrics; it looks at one series only)
 */
export class ScalarPick implements SeriesPick {
  readonly #combination: Combination;
  readonly #engines: string[] = [];
  readonly #values: number[] = [];
  readonly #timestamps: number[] = [];

  constructor(combination: Combination) {
    this.#combination = combination;
  }

  reset(): void {
    this.#engines.length = 0;
    this.#values.length = 0;
    this.#timestamps.length = 0;
  }

  offer(scanner: PageScanner): void {
    if (!Number.isFinite(scanner.value)) return;
    const engine = this.#combination === 'first' ? '' : engineOf(scanner);
    const timestamp = timestampOf(scanner);
    const i = this.#engines.indexOf(engine);
    if (i < 0) {
      this.#engines.push(engine);
      this.#values.push(scanner.value);
      this.#timestamps.push(timestamp);
    } else if (timestamp > (this.#timestamps[i] ?? 0)) {
      this.#values[i] = scanner.value;
      this.#timestamps[i] = timestamp;
    }
  }

  /** NaN when there was no usable sample. */
  get value(): number {
    if (this.#values.length === 0) return Number.NaN;
    let sum = 0;
    for (const value of this.#values) sum += value;
    return this.#combination === 'mean' ? sum / this.#values.length : sum;
  }
}

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
