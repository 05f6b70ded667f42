import type { Decision, ExchangeContext, RequestStage, ResponseStage } from '../../src/extproc/exchange.ts';
import type { InferenceRequest } from '../../src/framework/request.ts';
import type { InferenceResponse, MetadataEntry } from '../../src/framework/response.ts';

/** A decision for `destination` that changes nothing else. */
export function decision(destination = '10.0.0.1:8000', more: Partial<Decision> = {}): Decision {
  return { destination, scores: undefined, body: undefined, skipsResponse: false, ...more };
}

/** The stages behind the wire with what a test wants of them; records what reaches them. */
export class FakeStages implements RequestStage, ResponseStage {
  readonly requests: InferenceRequest[] = [];
  readonly bodies: Buffer[] = [];
  readonly contexts: ExchangeContext[] = [];
  readonly chunks: string[] = [];
  readonly responses: InferenceResponse[] = [];
  /** Causes in the order in which exchanges ended. */
  readonly causes: string[] = [];
  onAccept: (request: InferenceRequest) => void = () => {};
  onDecide: (
    context: ExchangeContext,
    request: InferenceRequest,
    body: Buffer,
  ) => Decision | Promise<Decision> = () => decision();
  onHeaders: (response: InferenceResponse) => void = () => {};
  onChunk: (chunk: Buffer, isLast: boolean) => Buffer = (chunk) => chunk;
  /** What the data plane is told at the end of a response. */
  metadata: readonly MetadataEntry[] = [];
  onEnd: () => void = () => {};
  #waiting: { readonly until: () => boolean; readonly resolve: () => void }[] = [];

  accept(request: InferenceRequest): void {
    this.requests.push(request);
    this.onAccept(request);
  }

  decide(request: InferenceRequest, body: Buffer, context: ExchangeContext): Decision | Promise<Decision> {
    this.bodies.push(body);
    this.contexts.push(context);
    try {
      return this.onDecide(context, request, body);
    } finally {
      this.#notify();
    }
  }

  headers(_request: InferenceRequest, response: InferenceResponse): void {
    this.onHeaders(response);
  }

  chunk(_request: InferenceRequest, _response: InferenceResponse, chunk: Buffer, isLast: boolean): Buffer {
    this.chunks.push(`${chunk.toString()}${isLast ? '|' : ''}`);
    return this.onChunk(chunk, isLast);
  }

  finalMetadata(): readonly MetadataEntry[] {
    return this.metadata;
  }

  end(_request: InferenceRequest, response: InferenceResponse): void {
    this.responses.push(response);
    this.causes.push(response.cause);
    this.#notify();
    this.onEnd();
  }

  /** Resolves when `count` decisions were asked for. */
  decided(count = 1): Promise<void> {
    return this.#when(() => this.contexts.length >= count);
  }

  /** Resolves when `count` exchanges ended. */
  ended(count = 1): Promise<void> {
    return this.#when(() => this.causes.length >= count);
  }

  #when(until: () => boolean): Promise<void> {
    if (until()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push({ until, resolve });
    });
  }

  #notify(): void {
    const ready = this.#waiting.filter(({ until }) => until());
    this.#waiting = this.#waiting.filter((entry) => !ready.includes(entry));
    for (const { resolve } of ready) resolve();
  }
}
