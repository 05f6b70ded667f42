import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { VLLM } from './grpc-bodies.ts';

/** `GenerateRequest` and `EmbedRequest`, as far as tests look. */
export interface EngineRequest {
  readonly text?: string;
  readonly stream?: boolean;
  readonly tokenized?: { readonly input_ids: readonly number[] } | null;
}

/**
 * vLLM's gRPC server as clients see it: remembers what it was asked, counts tokens, and generates nothing. `Generate`
 * tells in `finish_reason` where it ran; streamed, three chunks come first.
 */
export class GrpcEngine implements AsyncDisposable {
  readonly requests: EngineRequest[] = [];
  /** `host:port`. */
  address = '';
  readonly #server = new Server();

  /** One that listens on a free port. */
  static async start(): Promise<GrpcEngine> {
    const engine = new GrpcEngine();
    await engine.#listen();
    return engine;
  }

  async #listen(): Promise<void> {
    this.#server.addService(VLLM, {
      Generate: (call: ServerWritableStream<EngineRequest, object>) => this.#generate(call),
      Embed: (call: ServerUnaryCall<EngineRequest, object>, done: sendUnaryData<object>) => {
        this.requests.push(call.request);
        done(null, { embedding: [0.5, 0.25], prompt_tokens: promptTokens(call.request), embedding_dim: 2 });
      },
    });
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    this.address = `127.0.0.1:${port}`;
  }

  #generate(call: ServerWritableStream<EngineRequest, object>): void {
    this.requests.push(call.request);
    const prompt_tokens = promptTokens(call.request);
    if (call.request.text === 'fail') {
      call.emit('error', { code: 3, details: 'told to fail' });
      return;
    }
    if (call.request.stream === true) {
      for (const completion_tokens of [1, 2, 3]) {
        call.write({ chunk: { token_ids: [completion_tokens], prompt_tokens, completion_tokens } });
      }
    }
    const counts = { prompt_tokens, completion_tokens: 4, cached_tokens: 2 };
    call.write({ complete: { output_ids: [1, 2, 3, 4], finish_reason: this.address, ...counts } });
    call.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

function promptTokens({ text, tokenized }: EngineRequest): number {
  return tokenized?.input_ids.length ?? text?.length ?? 0;
}
