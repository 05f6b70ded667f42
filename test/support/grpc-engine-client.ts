import { connect, type IncomingHttpHeaders } from 'node:http2';
import {
  type CallOptions,
  type Client,
  compressionAlgorithms,
  credentials,
  makeGenericClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { VLLM } from './grpc-bodies.ts';
import type { EngineRequest } from './grpc-engine.ts';

/** What a stub made of the service's definition has. */
interface EngineStub extends Client {
  Generate(request: EngineRequest, options: CallOptions): AsyncIterable<EngineAnswer>;
  Embed(request: EngineRequest, done: (error: ServiceError | null, answer?: EmbedAnswer) => void): void;
}

/** `GenerateResponse`. */
export interface EngineAnswer {
  readonly response: 'chunk' | 'complete';
  readonly complete?: { readonly finish_reason: string };
}

interface EmbedAnswer {
  readonly embedding: readonly number[];
  readonly prompt_tokens: number;
}

/** A gRPC client of the engine. Disposing closes its connection. */
export class EngineClient implements Disposable {
  readonly #stub: EngineStub;

  /** `url`: where Envoy listens. `compresses`: requests leave with gzip. */
  constructor(url: string, { compresses = false }: { readonly compresses?: boolean } = {}) {
    const Stub = makeGenericClientConstructor(VLLM, 'VllmEngine');
    this.#stub = new Stub(url.replace('http://', ''), credentials.createInsecure(), {
      ...(compresses && { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip }),
    }) as unknown as EngineStub; // methods come from the definition
  }

  /** All messages of an answer. Rejects with the gRPC status of a refusal. */
  async generate(request: EngineRequest): Promise<EngineAnswer[]> {
    const answers: EngineAnswer[] = [];
    for await (const answer of this.#stub.Generate(request, { deadline: Date.now() + 10_000 })) {
      answers.push(answer);
    }
    return answers;
  }

  /** `host:port` of the engine that generated. */
  async servedBy(request: EngineRequest): Promise<string> {
    return (await this.generate(request)).at(-1)?.complete?.finish_reason ?? '';
  }

  embed(request: EngineRequest): Promise<EmbedAnswer> {
    return new Promise((resolve, reject) => {
      this.#stub.Embed(request, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer);
        else reject(error ?? new Error('no answer'));
      });
    });
  }

  [Symbol.dispose](): void {
    this.#stub.close();
  }
}

/** Sends `body` as a gRPC request whatever it is; resolves with headers and trailers of the answer taken together. */
export async function sendRawGrpc(url: string, path: string, body: Buffer): Promise<IncomingHttpHeaders> {
  const session = connect(url);
  try {
    return await new Promise<IncomingHttpHeaders>((resolve, reject) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const answer: IncomingHttpHeaders = {};
      stream.on('response', (headers) => Object.assign(answer, headers));
      stream.on('trailers', (trailers: IncomingHttpHeaders) => Object.assign(answer, trailers));
      stream.on('error', reject);
      stream.on('close', () => resolve(answer));
      stream.resume();
      stream.end(body);
    });
  } finally {
    session.destroy();
  }
}
