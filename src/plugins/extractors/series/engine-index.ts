import { PageError, type PageScanner } from '../../../util/prometheus-text.ts';

/** Labels that tell the engines of one server apart: vLLM, SGLang. */
const ENGINE_LABELS: readonly Buffer[] = [Buffer.from('engine'), Buffer.from('dp_rank')];

/** Most engines of one metric on a page; no server has as many, and a page is read on the event loop. */
const MAX_ENGINES = 1024;

/** Numbers the engines of one metric on one page, in order of appearance. */
export class EngineIndex {
  readonly #isFirstOnly: boolean;
  /** Number 0; most pages have no other. */
  #first: string | undefined = undefined;
  /** Numbers of the others. */
  readonly #positions = new Map<string, number>();

  /** `isFirstOnly`: all samples are of one engine. */
  constructor(isFirstOnly: boolean) {
    this.#isFirstOnly = isFirstOnly;
  }

  reset(): void {
    this.#first = undefined;
    if (this.#positions.size > 0) this.#positions.clear();
  }

  /** Number of the engine whose sample the scanner stands on. Throws `PageError` when there are too many. */
  of(scanner: PageScanner): number {
    const engine = this.#isFirstOnly ? '' : engineOf(scanner);
    this.#first ??= engine;
    if (engine === this.#first) return 0;
    const known = this.#positions.get(engine);
    if (known !== undefined) return known;
    const position = this.#positions.size + 1;
    if (position >= MAX_ENGINES) {
      throw new PageError(`metrics page: more than ${MAX_ENGINES} engines in one metric`);
    }
    this.#positions.set(engine, position);
    return position;
  }
}

function engineOf(scanner: PageScanner): string {
  for (const label of ENGINE_LABELS) {
    const engine = scanner.label(label);
    if (engine !== undefined) return engine;
  }
  return '';
}
