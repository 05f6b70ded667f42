import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError, plainError } from './api-error.ts';

const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** The whole body; throws `ApiError` 413 past 64 MiB. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw plainError(413, 'Request Entity Too Large');
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
}

/** Answers with what `error` says, 500 for anything unexpected; cuts the connection when an answer has begun. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  if (error instanceof ApiError) send(response, error.status, 'application/json', error.body);
  else send(response, 500, 'text/plain; charset=utf-8', 'Internal Server Error');
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, 'application/json', JSON.stringify(body));
}

/** A whole answer of a content type. */
export function send(response: ServerResponse, status: number, type: string, content: string | Buffer): void {
  const body = typeof content === 'string' ? Buffer.from(content) : content;
  response.writeHead(status, { 'Content-Length': body.length, 'Content-Type': type, Vary: 'Origin' });
  response.end(body);
}
