import { expect, test } from 'vitest';
import { request } from '../../test/support/builders.ts';
import { Headers } from '../framework/headers.ts';
import { InferenceResponse } from '../framework/response.ts';
import { bodyKind, isEventStream, isRefusal } from './headers.ts';

function response(status: number, headers: Record<string, string> | undefined): InferenceResponse {
  const built = new InferenceResponse();
  built.status = status;
  if (headers === undefined) return built;
  built.headers = new Headers();
  for (const [name, value] of Object.entries(headers)) built.headers.receive(name, value);
  return built;
}

test.each([
  { headers: { 'content-type': 'application/json' }, asked: true, kind: 'document', stream: false },
  {
    headers: { 'content-type': 'Application/Problem+JSON; charset=utf-8' },
    asked: false,
    kind: 'document',
    stream: false,
  },
  {
    headers: { 'content-type': 'Text/Event-Stream; charset=utf-8' },
    asked: false,
    kind: 'events',
    stream: true,
  },
  { headers: {}, asked: true, kind: 'events', stream: true },
  { headers: {}, asked: false, kind: 'document', stream: false },
  { headers: { 'content-type': '' }, asked: true, kind: 'events', stream: true },
  { headers: { 'content-type': 'audio/mpeg' }, asked: true, kind: 'opaque', stream: false },
  { headers: { 'content-type': 'application/grpc' }, asked: true, kind: 'opaque', stream: true },
  { headers: { 'content-type': 'application/grpc' }, asked: false, kind: 'opaque', stream: false },
  {
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    asked: false,
    kind: 'opaque',
    stream: false,
  },
  {
    headers: { 'content-type': 'text/event-stream', 'content-encoding': 'br' },
    asked: false,
    kind: 'opaque',
    stream: true,
  },
  { headers: { 'content-encoding': 'gzip' }, asked: true, kind: 'opaque', stream: true },
  {
    headers: { 'content-type': 'application/json', 'content-encoding': 'Identity' },
    asked: false,
    kind: 'document',
    stream: false,
  },
  { headers: undefined, asked: false, kind: 'document', stream: false },
  { headers: undefined, asked: true, kind: 'events', stream: true },
])('$headers, stream asked for: $asked → $kind', ({ headers, asked, kind, stream }) => {
  const answered = response(200, headers);
  const asking = request({ body: { isStreaming: asked } });
  expect(bodyKind(asking, answered)).toBe(kind);
  expect(isEventStream(asking, answered)).toBe(stream);
});

test.each([
  { name: 'Envoy could not connect', status: 503, headers: { 'content-type': 'text/plain' }, want: true },
  {
    name: 'an upstream answered',
    status: 503,
    headers: { 'content-type': 'text/plain', 'x-envoy-upstream-service-time': '3' },
    want: false,
  },
  {
    name: 'a model server says 503',
    status: 503,
    headers: { 'content-type': 'application/json' },
    want: false,
  },
  {
    name: 'a model server says 503 in text',
    status: 503,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    want: false,
  },
  {
    name: 'circuit breaker',
    status: 503,
    headers: { 'content-type': 'text/plain', 'x-envoy-overloaded': 'true' },
    want: false,
  },
  { name: 'timeout', status: 504, headers: { 'content-type': 'text/plain' }, want: false },
  { name: 'no type', status: 503, headers: {}, want: false },
  { name: 'no headers', status: 503, headers: undefined, want: false },
])('refusal: $name', ({ status, headers, want }) => {
  expect(isRefusal(response(status, headers))).toBe(want);
});
