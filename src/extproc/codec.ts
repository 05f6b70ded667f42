import { fileURLToPath } from 'node:url';
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';

/** A message that is not what its type says. */
export class CodecError extends Error {
  override readonly name = 'CodecError';
}

export interface HeaderValue {
  readonly key?: string;
  readonly value?: string;
  readonly rawValue?: Uint8Array;
}

export interface HeaderMap {
  readonly headers?: readonly HeaderValue[];
}

/** `google.protobuf.Value`; one member is set. */
export interface Value {
  readonly nullValue?: number;
  readonly numberValue?: number;
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly structValue?: Struct;
  readonly listValue?: { readonly values?: readonly Value[] };
}

/** `google.protobuf.Struct`; the keys come from the peer. */
export interface Struct {
  readonly fields?: { readonly [key: string]: Value };
}

/** `envoy.config.core.v3.Metadata`, without its typed half. */
export interface Metadata {
  readonly filterMetadata?: { readonly [namespace: string]: Struct };
}

export interface HttpHeaders {
  readonly headers?: HeaderMap;
  readonly endOfStream?: boolean;
}

export interface HttpBody {
  readonly body?: Buffer;
  readonly endOfStream?: boolean;
}

export interface HttpTrailers {
  readonly trailers?: HeaderMap;
}

/** Values of `BodySendMode` on the wire. */
export const BODY_SEND_MODE = {
  NONE: 0,
  STREAMED: 1,
  BUFFERED: 2,
  BUFFERED_PARTIAL: 3,
  FULL_DUPLEX_STREAMED: 4,
  GRPC: 5,
} as const;

export interface ProtocolConfiguration {
  /** A `BODY_SEND_MODE`, or a number of the future. */
  readonly requestBodyMode?: number;
  readonly responseBodyMode?: number;
  readonly sendBodyWithoutWaitingForHeaderResponse?: boolean;
}

/** Data plane to picker; at most one of the six parts is set. Absent members have their default value. */
export interface ProcessingRequest {
  readonly requestHeaders?: HttpHeaders;
  readonly responseHeaders?: HttpHeaders;
  readonly requestBody?: HttpBody;
  readonly responseBody?: HttpBody;
  readonly requestTrailers?: HttpTrailers;
  readonly responseTrailers?: HttpTrailers;
  readonly metadataContext?: Metadata;
  /** What was configured as `request_attributes`, below the name of the filter. */
  readonly attributes?: { readonly [filter: string]: Struct };
  readonly observabilityMode?: boolean;
  readonly protocolConfig?: ProtocolConfiguration;
}

/** Values of `HeaderAppendAction` the picker uses. */
export const OVERWRITE_IF_EXISTS_OR_ADD = 2;

export interface HeaderValueOption {
  readonly header: HeaderValue;
  readonly appendAction: number;
  readonly keepEmptyValue?: boolean;
}

export interface HeaderMutation {
  readonly setHeaders?: readonly HeaderValueOption[];
  readonly removeHeaders?: readonly string[];
}

/** One member is set. */
export interface BodyMutation {
  readonly body?: Uint8Array;
  readonly clearBody?: boolean;
  readonly streamedResponse?: { readonly body?: Uint8Array; readonly endOfStream?: boolean };
}

export interface CommonResponse {
  readonly headerMutation?: HeaderMutation;
  readonly bodyMutation?: BodyMutation;
  readonly clearRouteCache?: boolean;
}

export interface ImmediateResponse {
  readonly status: { readonly code: number };
  readonly headers?: HeaderMutation;
  readonly body?: Uint8Array;
  readonly grpcStatus?: { readonly status: number };
  readonly details?: string;
}

/** Picker to data plane; at most one of the seven answers is set. */
export interface ProcessingResponse {
  readonly requestHeaders?: { readonly response?: CommonResponse };
  readonly responseHeaders?: { readonly response?: CommonResponse };
  readonly requestBody?: { readonly response?: CommonResponse };
  readonly responseBody?: { readonly response?: CommonResponse };
  readonly requestTrailers?: { readonly headerMutation?: HeaderMutation };
  readonly responseTrailers?: { readonly headerMutation?: HeaderMutation };
  readonly immediateResponse?: ImmediateResponse;
  readonly dynamicMetadata?: Struct;
  readonly overrideMessageTimeout?: { readonly seconds: number; readonly nanos?: number };
}

/** The one method of the service. */
export const PROCESS_PATH = '/envoy.service.ext_proc.v3.ExternalProcessor/Process';

/** Full name of the service, also its name in health checks. */
export const EXT_PROC_SERVICE = 'envoy.service.ext_proc.v3.ExternalProcessor';

interface Codec {
  readonly request: MessageTypeDefinition<ProcessingRequest, ProcessingRequest>;
  readonly response: MessageTypeDefinition<ProcessingResponse, ProcessingResponse>;
}

let loaded: Codec | undefined;

/** Loads the proto file on first use, so that importing this module costs nothing. */
function codec(): Codec {
  if (loaded === undefined) {
    const file = fileURLToPath(new URL('../../proto/ext_proc.proto', import.meta.url));
    const messages = loadSync(file, { longs: Number });
    const find = (name: string) => {
      const found = messages[`envoy.service.ext_proc.v3.${name}`];
      if (found === undefined) throw new Error(`${file}: no message ${name}`);
      return found;
    };
    // The interfaces above spell out the file; the codec tests prove it.
    loaded = {
      request: find('ProcessingRequest') as Codec['request'],
      response: find('ProcessingResponse') as Codec['response'],
    };
  }
  return loaded;
}

/** Reads a message of the data plane; bodies are views of `bytes`. Throws `CodecError`. */
export function decodeRequest(bytes: Buffer): ProcessingRequest {
  return decode(codec().request, bytes);
}

/** Writes a message for the data plane. */
export function encodeResponse(message: ProcessingResponse): Buffer {
  return codec().response.serialize(message);
}

/** Writes a message as a data plane does. */
export function encodeRequest(message: ProcessingRequest): Buffer {
  return codec().request.serialize(message);
}

/** Reads the picker's message as a data plane does. Throws `CodecError`. */
export function decodeResponse(bytes: Buffer): ProcessingResponse {
  return decode(codec().response, bytes);
}

function decode<T extends object>(type: MessageTypeDefinition<T, T>, bytes: Buffer): T {
  try {
    return type.deserialize(bytes);
  } catch (error) {
    throw new CodecError(`malformed message of ${bytes.length} bytes`, { cause: error });
  }
}
