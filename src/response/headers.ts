import type { InferenceRequest } from '../framework/request.ts';
import type { InferenceResponse } from '../framework/response.ts';

/** How the bytes of a body are to be understood. */
export type BodyKind = 'events' | 'document' | 'opaque';

/** Kind of the response body: by its content type, and by what the client asked for only where it has none. */
export function bodyKind(request: InferenceRequest, response: InferenceResponse): BodyKind {
  const { headers } = response;
  if (headers === undefined) return request.body.isStreaming ? 'events' : 'document';
  const encoding = headers.get('content-encoding') ?? '';
  const isPlain = encoding === '' || encoding.toLowerCase() === 'identity';
  const type = headers.get('content-type') ?? '';
  if (type === '') return !isPlain ? 'opaque' : request.body.isStreaming ? 'events' : 'document';
  if (type.toLowerCase().includes('text/event-stream')) return isPlain ? 'events' : 'opaque';
  return isPlain && type.toLowerCase().includes('json') ? 'document' : 'opaque';
}

/** Whether the response is a stream, readable or not: of events, or of messages where the client asked for that. */
export function isEventStream(request: InferenceRequest, response: InferenceResponse): boolean {
  const type = response.headers?.get('content-type') ?? '';
  const isUntold = type === '' || type.startsWith('application/grpc');
  return isUntold ? request.body.isStreaming : type.toLowerCase().includes('text/event-stream');
}

/**
 * Whether Envoy answered in place of an endpoint it could not reach. Its own 503 for a failed connection carries
 * content type `text/plain` exactly and no `x-envoy-upstream-service-time`, which it adds to whatever an upstream
 * answered; `x-envoy-overloaded` marks one of its own limits, which says nothing about the endpoint. A proxy that
 * rewrites its local replies hides them from this rule; then only scraping finds out.
 */
export function isRefusal(response: InferenceResponse): boolean {
  const { headers } = response;
  return (
    response.status === 503 &&
    headers !== undefined &&
    !headers.has('x-envoy-upstream-service-time') &&
    !headers.has('x-envoy-overloaded') &&
    (headers.get('content-type') ?? '').trim().toLowerCase() === 'text/plain'
  );
}
