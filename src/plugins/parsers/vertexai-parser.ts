import { z } from 'zod';
import { NO_BODY, type ParsedBody } from '../../framework/body.ts';
import { RejectionError } from '../../framework/errors.ts';
import type { Headers } from '../../framework/headers.ts';
import type { Parser, ResponseReader } from '../../framework/parser.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { InferenceResponse } from '../../framework/response.ts';
import { FieldReader } from '../../util/protobuf-read.ts';
import { GrpcMessageReader, isGrpc } from './grpc-body/message-reader.ts';
import { decoded, requestMessage } from './grpc-body/request-message.ts';
import { parseOpenAiBody } from './json-body/openai-body.ts';
import { WrappedUsageReader } from './vertexai-parser/wrapped-usage.ts';

/** Field numbers, as in `proto/vertexai.proto`. */
const REQUEST_HTTP_BODY = 2;
const HTTP_BODY_DATA = 2;

/** What is inside the messages of one method. */
interface Method {
  readonly name: string;
  /** Message that it takes. */
  readonly message: string;
  /** Path under which the OpenAI API has the inner JSON. */
  readonly path: string;
  /** Whatever the inner JSON asks for. */
  readonly isStreaming: boolean;
}

const METHODS: readonly Method[] = [
  {
    name: 'PredictionService/ChatCompletions',
    message: 'ChatCompletionsRequest',
    path: '/chat/completions',
    isStreaming: false,
  },
  {
    name: 'PredictionService/StreamRawPredict',
    message: 'StreamRawPredictRequest',
    path: '/responses',
    isStreaming: true,
  },
  {
    name: 'PredictionService/RawPredict',
    message: 'RawPredictRequest',
    path: '/responses',
    isStreaming: false,
  },
];

/** Understands Vertex AI's prediction service over gRPC: OpenAI JSON inside protobuf, which goes on as it came. */
class VertexAiParser implements Parser {
  readonly pathSuffixes = METHODS.map(({ name }) => name);
  readonly protocols = ['kubernetes.io/h2c'] as const;
  readonly readsResponse = true;
  readonly errorShape = 'openai';

  parse(bytes: Buffer, path: string, headers?: Headers): ParsedBody {
    // `StreamRawPredict` does not end like `PredictionService/RawPredict`, so the first match is the only one
    const method = METHODS.find(({ name }) => path.endsWith(name));
    if (method === undefined) return { ...NO_BODY, skipsResponse: true };
    const message = requestMessage(bytes, headers);
    const inner = openAiBody(message, method);
    return {
      ...inner,
      isStreaming: inner.isStreaming || method.isStreaming,
      canRewriteModel: false,
      requiresModel: false,
    };
  }

  /** Answers are no JSON themselves. */
  readUsage(): void {}

  createResponseReader(_request: InferenceRequest, response: InferenceResponse): ResponseReader | undefined {
    if (!isGrpc(response)) return undefined;
    const wrapped = new WrappedUsageReader(response.usage);
    return new GrpcMessageReader(
      response,
      (message) => wrapped.push(bytesField(message, HTTP_BODY_DATA)),
      () => wrapped.finish(),
    );
  }
}

function openAiBody(message: Buffer, method: Method): ParsedBody {
  const data = decoded(method.message, () => innerData(message, method.message));
  try {
    return parseOpenAiBody(data, method.path);
  } catch (error) {
    if (!(error instanceof RejectionError)) throw error;
    throw new RejectionError(error.code, `parsing ${method.message}: ${error.message}`);
  }
}

/** `data` of the request's `http_body`, empty when that has none. */
function innerData(message: Buffer, name: string): Buffer {
  let body: Buffer | undefined;
  const reader = new FieldReader(message);
  while (reader.next()) {
    if (reader.isBytes(REQUEST_HTTP_BODY)) body = message.subarray(reader.start, reader.end);
  }
  if (body === undefined) throw new RejectionError('bad-request', `${name} has no HttpBody`);
  return bytesField(body, HTTP_BODY_DATA);
}

/** Content of a length-delimited field, a view of `message`; empty when it is absent. */
function bytesField(message: Buffer, field: number): Buffer {
  let content = message.subarray(0, 0);
  const reader = new FieldReader(message);
  while (reader.next()) if (reader.isBytes(field)) content = message.subarray(reader.start, reader.end);
  return content;
}

/** `vertexai-parser`. */
export const vertexaiParser = definePlugin({
  type: 'vertexai-parser',
  kinds: ['parser'],
  stability: 'beta',
  summary: "Reads requests and responses of Vertex AI's prediction service over gRPC.",
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new VertexAiParser(),
});
