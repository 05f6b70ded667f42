import { gzipSync } from 'node:zlib';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';

type Method = MethodDefinition<object, object>;

/** Methods of a vendored service by their names, as `@grpc/grpc-js` takes them. */
export function serviceOf(file: string, name: string): Record<string, Method> {
  const found = loadSync(`proto/${file}`, { keepCase: true, defaults: true, oneofs: true })[name];
  if (found === undefined) throw new Error(`${file} has no ${name}`);
  return found as ServiceDefinition as Record<string, Method>; // a service's entry is its methods
}

export const VLLM = serviceOf('vllm_engine.proto', 'vllm.grpc.engine.VllmEngine');
export const VERTEX = serviceOf('vertexai.proto', 'google.cloud.aiplatform.v1beta1.PredictionService');

/** The request message of a method as bytes. */
export function requestBytes(service: Record<string, Method>, method: string, message: object): Buffer {
  return definition(service, method).requestSerialize(message);
}

/** An answer of a method as bytes. */
export function responseBytes(service: Record<string, Method>, method: string, message: object): Buffer {
  return definition(service, method).responseSerialize(message);
}

function definition(service: Record<string, Method>, method: string): Method {
  const found = service[method];
  if (found === undefined) throw new Error(`no method ${method}`);
  return found;
}

/** A message in its gRPC frame; `compress` sets the flag and says how. */
export function frame(message: Uint8Array, compress?: (bytes: Uint8Array) => Buffer): Buffer {
  const content = compress === undefined ? Buffer.from(message) : compress(message);
  const head = Buffer.alloc(5);
  head[0] = compress === undefined ? 0 : 1;
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}

/** What `frame` takes for `grpc-encoding: gzip`. */
export const GZIP = (bytes: Uint8Array): Buffer => gzipSync(bytes);
