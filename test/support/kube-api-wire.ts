import type { IncomingMessage, ServerResponse } from 'node:http';
import type { KubeObject, Resource } from '../../src/kube/objects.ts';

/** What the server does with a request instead of answering it. */
export type Fault =
  /** Refuses with a Status object. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterS?: number }
  /** Answers 200 with this text. */
  | { readonly kind: 'text'; readonly text: string }
  /** Sends this much of the answer, says that more comes, and closes the connection. */
  | { readonly kind: 'cut'; readonly text: string }
  /** Never answers. */
  | { readonly kind: 'hang' }
  /** Sends the headers and never a body. */
  | { readonly kind: 'hang-body' }
  /** Answers as it should, after `until`. */
  | { readonly kind: 'slow'; readonly until: Promise<unknown> }
  /** Closes the connection. */
  | { readonly kind: 'reset' };

/** Which requests a fault is for. */
export type Verb = 'list' | 'watch' | 'get' | 'create' | 'replace' | 'discovery';

/** What of a path says which objects are meant. */
export interface Place {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
};

export function misbehave(response: ServerResponse, fault: Exclude<Fault, { kind: 'slow' }>): void {
  switch (fault.kind) {
    case 'status':
      refuse(response, fault.status, fault);
      return;
    case 'text':
      response.writeHead(200, { 'content-type': 'text/html' }).end(fault.text);
      return;
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(fault.text, () => response.destroy());
      return;
    case 'hang-body':
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      return;
    case 'hang':
      return;
    case 'reset':
      response.destroy();
      return;
    default:
      fault satisfies never;
  }
}

/** Answers with a Status object; `reason` is the usual one of the status unless given. */
export function refuse(
  response: ServerResponse,
  status: number,
  { reason = REASONS[status] ?? '', retryAfterS = 0 }: { reason?: string; retryAfterS?: number } = {},
): void {
  if (retryAfterS > 0) response.setHeader('retry-after', String(retryAfterS));
  send(response, status, { ...statusOf(status, `refused with ${status}`), reason });
}

export function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export function statusOf(code: number, message: string): object {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    code,
    reason: REASONS[code],
    message,
  };
}

export function bookmarkOf(version: number): object {
  return { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(version) } } };
}

/** `/api/v1/…`, `/apis/group/version/…`, with or without `namespaces/x`. */
export function placeOf(path: string): Place {
  const [, root, ...parts] = path.split('/').map(decodeURIComponent);
  const group = root === 'api' ? '' : (parts.shift() ?? '');
  const version = parts.shift() ?? '';
  const namespace = parts[0] === 'namespaces' && parts.length > 2 ? (parts.splice(0, 2)[1] ?? '') : '';
  const [plural = '', name = ''] = parts;
  return { resource: { group, version, plural }, namespace, name };
}

export function verbOf(method: string, { resource, name }: Place, query: URLSearchParams): Verb {
  if (resource.plural === '') return 'discovery';
  if (method === 'POST') return 'create';
  if (method === 'PUT') return 'replace';
  if (name !== '') return 'get';
  return query.get('watch') === 'true' ? 'watch' : 'list';
}

export async function readBody(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
}

export function parseObject(body: string): KubeObject {
  return JSON.parse(body) as KubeObject; // as its client wrote it
}
