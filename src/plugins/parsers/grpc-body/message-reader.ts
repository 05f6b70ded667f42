import type { ResponseReader } from '../../../framework/parser.ts';
import type { InferenceResponse } from '../../../framework/response.ts';
import { decompressGrpc, GrpcFrameAssembler, GrpcMessageError } from '../../../util/grpc-messages.ts';
import { ProtobufError } from '../../../util/protobuf-read.ts';

/** Longer messages are passed over: what is read of answers is a few numbers. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** Whether a response is a gRPC one, whose body is frames. */
export function isGrpc({ headers }: InferenceResponse): boolean {
  return headers?.get('content-type')?.startsWith('application/grpc') === true;
}

/** Hands every message of a gRPC answer to `read`, decompressed. A message that cannot be read counts for nothing. */
export class GrpcMessageReader implements ResponseReader {
  readonly #frames: GrpcFrameAssembler;
  readonly #finish: () => void;

  /** `read` may throw `ProtobufError`; what it is given is valid during the call. `finish`: the body is over. */
  constructor(response: InferenceResponse, read: (message: Buffer) => void, finish: () => void = () => {}) {
    const encoding = response.headers?.get('grpc-encoding') ?? '';
    this.#finish = finish;
    this.#frames = new GrpcFrameAssembler(MAX_MESSAGE_BYTES, (message, isCompressed) => {
      try {
        read(isCompressed ? decompressGrpc(message, encoding, MAX_MESSAGE_BYTES) : message);
      } catch (error) {
        if (!(error instanceof ProtobufError || error instanceof GrpcMessageError)) throw error;
      }
    });
  }

  push(chunk: Buffer): void {
    this.#frames.push(chunk);
  }

  finish(): void {
    this.#finish();
  }
}
