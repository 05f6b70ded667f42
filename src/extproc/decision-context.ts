import type { BodyView, ExchangeContext } from './exchange.ts';

/** What one decision knows of its exchange. Costs no AbortController unless somebody asks for the signal. */
export class DecisionContext implements ExchangeContext {
  readonly bodyView: BodyView;
  readonly subset: readonly string[] | undefined;
  #isAborted = false;
  #controller: AbortController | undefined = undefined;

  constructor(bodyView: BodyView, subset: readonly string[] | undefined) {
    this.bodyView = bodyView;
    this.subset = subset;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  /** The client left or the data plane answered by itself. */
  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort();
  }
}
