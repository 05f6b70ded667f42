import { z } from 'zod';
import { type Api, type JsonObject, NO_BODY, type ParsedBody } from '../../framework/body.ts';
import { RejectionError } from '../../framework/errors.ts';
import type { Headers } from '../../framework/headers.ts';
import type { Parser, ResponseReader } from '../../framework/parser.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { InferenceResponse, Usage } from '../../framework/response.ts';
import { FieldReader, Uint32List } from '../../util/protobuf-read.ts';
import { GrpcMessageReader, isGrpc } from './grpc-body/message-reader.ts';
import { decoded, requestMessage } from './grpc-body/request-message.ts';
import { mergeCached, mergeCounts, sumOf } from './json-body/usage.ts';

/** Field numbers of `vllm.grpc.engine`, as in `proto/vllm_engine.proto`. */
const GENERATE = { tokenized: 2, text: 3, samplingParams: 4, stream: 5, media: 7 } as const;
const EMBED = { tokenized: 2 } as const;
const INPUT_IDS = 2;
const MAX_TOKENS = 8;
const MEDIA = { placeholders: 5, hashes: 6 } as const;
const PLACEHOLDER = { offset: 1, length: 2 } as const;
/** In `GenerateResponse`. */
const CHUNK = 1;
const COMPLETE = 2;
const CHUNK_COUNTS = { prompt: 2, completion: 3, cached: 4 } as const;
const COMPLETE_COUNTS = { prompt: 3, completion: 4, cached: 5 } as const;
const EMBED_PROMPT_TOKENS = 2;

/** Media beyond these are not looked at, as a client could send any number. */
const MAX_MEDIA = 1000;

/** Understands vLLM's gRPC engine service, unary and streamed. */
class VllmGrpcParser implements Parser {
  readonly pathSuffixes = ['vllm.grpc.engine.VllmEngine/Generate', 'vllm.grpc.engine.VllmEngine/Embed'];
  readonly protocols = ['kubernetes.io/h2c'] as const;
  readonly readsResponse = true;
  readonly errorShape = 'openai';

  parse(bytes: Buffer, path: string, headers?: Headers): ParsedBody {
    if (path.endsWith('VllmEngine/Generate')) {
      const message = requestMessage(bytes, headers);
      return decoded('GenerateRequest', () => generateBody(message));
    }
    if (path.endsWith('VllmEngine/Embed')) {
      const message = requestMessage(bytes, headers);
      return decoded('EmbedRequest', () => embedBody(message));
    }
    return { ...NO_BODY, skipsResponse: true };
  }

  /** Answers are no JSON. */
  readUsage(): void {}

  createResponseReader(request: InferenceRequest, response: InferenceResponse): ResponseReader | undefined {
    if (!isGrpc(response)) return undefined;
    const { usage } = response;
    const read = request.body.api === 'embeddings' ? readEmbedUsage : readGenerateUsage;
    return new GrpcMessageReader(response, (message) => read(message, usage));
  }
}

/** A body of this service; the model is the server's, and is neither named nor rewritten. */
function bodyOf(api: Api, hints: Partial<ParsedBody>): ParsedBody {
  return { ...NO_BODY, api, ...hints };
}

function generateBody(message: Buffer): ParsedBody {
  let ids: Uint32Array | undefined;
  let text: string | undefined;
  let maxOutputTokens = Number.NaN;
  let isStreaming = false;
  let features: JsonObject | undefined;
  const reader = new FieldReader(message);
  while (reader.next()) {
    const { start, end } = reader;
    // of the two kinds of input the last one counts
    if (reader.isBytes(GENERATE.tokenized)) {
      ids = inputIds(message, start, end);
      text = undefined;
    } else if (reader.isBytes(GENERATE.text)) {
      text = message.toString('utf8', start, end);
      ids = undefined;
    } else if (reader.isBytes(GENERATE.samplingParams)) {
      const limit = new FieldReader(message, start, end);
      while (limit.next()) if (limit.isVarint(MAX_TOKENS)) maxOutputTokens = limit.value;
    } else if (reader.isVarint(GENERATE.stream)) isStreaming = reader.value !== 0;
    else if (reader.isBytes(GENERATE.media)) features = mediaFeatures(message, start, end);
  }
  if (text !== undefined) {
    return bodyOf('completions', { json: { prompt: text }, maxOutputTokens, isStreaming });
  }
  if (ids === undefined) throw new RejectionError('bad-request', 'not supported request inputType');
  const json = features === undefined ? undefined : { features };
  return bodyOf('generate', { json, tokenIds: [ids], maxOutputTokens, isStreaming });
}

function embedBody(message: Buffer): ParsedBody {
  let ids: Uint32Array | undefined;
  const reader = new FieldReader(message);
  while (reader.next()) {
    if (reader.isBytes(EMBED.tokenized)) ids = inputIds(message, reader.start, reader.end);
  }
  if (ids === undefined) throw new RejectionError('bad-request', 'missing tokenized input in EmbedRequest');
  return bodyOf('embeddings', { tokenIds: [ids] });
}

function inputIds(message: Buffer, start: number, end: number): Uint32Array {
  const ids = new Uint32List();
  const reader = new FieldReader(message, start, end);
  while (reader.next()) if (reader.field === INPUT_IDS) ids.add(reader, message);
  return ids.toArray();
}

/**
 * Media as the token API of vLLM writes them in JSON, so that producers read one form. The hash of a placeholder is the
 * one at its place in the list, '' when there is none; what is not said to be anything else is an image.
 */
function mediaFeatures(message: Buffer, start: number, end: number): JsonObject {
  const places: { offset: number; length: number }[] = [];
  const hashes: string[] = [];
  const reader = new FieldReader(message, start, end);
  while (reader.next()) {
    if (reader.isBytes(MEDIA.placeholders) && places.length < MAX_MEDIA) {
      const place = { offset: 0, length: 0 };
      const range = new FieldReader(message, reader.start, reader.end);
      while (range.next()) {
        if (range.isVarint(PLACEHOLDER.offset)) place.offset = range.value;
        else if (range.isVarint(PLACEHOLDER.length)) place.length = range.value;
      }
      places.push(place);
    } else if (reader.isBytes(MEDIA.hashes) && hashes.length < MAX_MEDIA) {
      hashes.push(message.toString('utf8', reader.start, reader.end));
    }
  }
  return {
    mm_hashes: { image: places.map((_place, i) => hashes[i] ?? '') },
    mm_placeholders: { image: places },
  };
}

/** Counts of one `GenerateResponse`. A chunk tells them as of then, the last message those of the whole. */
function readGenerateUsage(message: Buffer, usage: Usage): void {
  const reader = new FieldReader(message);
  while (reader.next()) {
    if (reader.isBytes(CHUNK)) merge(new FieldReader(message, reader.start, reader.end), CHUNK_COUNTS, usage);
    else if (reader.isBytes(COMPLETE)) {
      merge(new FieldReader(message, reader.start, reader.end), COMPLETE_COUNTS, usage);
    }
  }
}

function merge(
  reader: FieldReader,
  fields: { readonly prompt: number; readonly completion: number; readonly cached: number },
  usage: Usage,
): void {
  let prompt = 0;
  let completion = 0;
  let cached = 0;
  while (reader.next()) {
    if (reader.isVarint(fields.prompt)) prompt = reader.value;
    else if (reader.isVarint(fields.completion)) completion = reader.value;
    else if (reader.isVarint(fields.cached)) cached = reader.value;
  }
  if (prompt === 0 && completion === 0) return;
  mergeCounts(usage, prompt, completion);
  mergeCached(usage, cached);
  usage.totalTokens = sumOf(usage.promptTokens, usage.completionTokens);
}

function readEmbedUsage(message: Buffer, usage: Usage): void {
  let prompt = 0;
  const reader = new FieldReader(message);
  while (reader.next()) if (reader.isVarint(EMBED_PROMPT_TOKENS)) prompt = reader.value;
  if (prompt === 0) return;
  usage.promptTokens = prompt;
  usage.totalTokens = prompt;
}

/** `vllmgrpc-parser`. */
export const vllmgrpcParser = definePlugin({
  type: 'vllmgrpc-parser',
  kinds: ['parser'],
  stability: 'beta',
  summary: "Reads requests and responses of vLLM's gRPC engine service.",
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new VllmGrpcParser(),
});
