import { RejectionError } from '../../../framework/errors.ts';
import type { Headers } from '../../../framework/headers.ts';
import { firstGrpcMessage, GrpcMessageError } from '../../../util/grpc-messages.ts';
import { ProtobufError } from '../../../util/protobuf-read.ts';

/** What a compressed request may grow to: inflating it holds everything else up. */
const MAX_INFLATED_BYTES = 16 * 1024 * 1024;

/**
 * The first message of a gRPC request body, decompressed where `grpc-encoding` says how. Throws `bad-request` for
 * bytes that are no frame, `too-large` for a message that grows beyond 16 MiB.
 */
export function requestMessage(body: Buffer, headers: Headers | undefined): Buffer {
  try {
    return firstGrpcMessage(body, headers?.get('grpc-encoding') ?? '', MAX_INFLATED_BYTES);
  } catch (error) {
    if (!(error instanceof GrpcMessageError)) throw error;
    const code = error.isTooLong ? 'too-large' : 'bad-request';
    throw new RejectionError(code, `invalid or unsupported gRPC payload: ${error.message}`);
  }
}

/** What `decode` gives; bytes that are no protobuf message are refused as `unmarshaling <name>`. */
export function decoded<T>(name: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    throw new RejectionError('bad-request', `unmarshaling ${name}: ${error.message}`);
  }
}
