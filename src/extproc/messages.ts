import { Headers } from '../framework/headers.ts';
import type { MetadataEntry } from '../framework/response.ts';
import {
  type BodyMutation,
  type CommonResponse,
  type HeaderMap,
  type HeaderMutation,
  type HeaderValueOption,
  type ImmediateResponse,
  OVERWRITE_IF_EXISTS_OR_ADD,
  type ProcessingResponse,
  type Struct,
} from './codec.ts';
import type { Decision } from './exchange.ts';
import { DESTINATION_HEADER, destinationMetadata, entriesMetadata } from './metadata.ts';

/** Which half of an exchange a message belongs to. */
export type Direction = 'request' | 'response';

/** What the first answer of a direction carries beside its own part. */
export interface Head {
  readonly headerMutation: HeaderMutation | undefined;
  readonly clearsRouteCache: boolean;
  readonly dynamicMetadata: Struct | undefined;
}

/** Received entries; a value is `raw_value` when that is not empty, else `value`. */
export function receiveHeaders(map: HeaderMap | undefined): Headers {
  const headers = new Headers();
  for (const { key, value, rawValue } of map?.headers ?? []) {
    if (key === undefined) continue;
    headers.receive(key, rawValue === undefined || rawValue.length === 0 ? (value ?? '') : utf8(rawValue));
  }
  return headers;
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/**
 * Sets one header in place of all its values. The action is explicit because data planes differ in what an unset
 * one means (ext-proc specification, 1.3).
 */
export function setHeader(key: string, value: string): HeaderValueOption {
  return {
    header: { key, rawValue: Buffer.from(value) },
    appendAction: OVERWRITE_IF_EXISTS_OR_ADD,
    keepEmptyValue: value === '',
  };
}

/** What changed in `headers` since they were received, and `extra`, which wins; undefined when nothing did. */
export function headerChanges(
  headers: Headers,
  extra: readonly HeaderValueOption[],
): HeaderMutation | undefined {
  const { changedNames, removedNames } = headers;
  if (changedNames.length + removedNames.length + extra.length === 0) return undefined;
  const setHeaders: HeaderValueOption[] = [];
  for (const name of changedNames) {
    // Of the pseudo headers only the path may be set; the data plane counts the others as rejected.
    if (name.startsWith(':') && name !== ':path') continue;
    if (!isListed(extra, name)) setHeaders.push(setHeader(name, headers.get(name) ?? ''));
  }
  for (const option of extra) setHeaders.push(option);
  return { setHeaders, removeHeaders: removedNames.filter((name) => !isListed(extra, name)) };
}

function isListed(options: readonly HeaderValueOption[], name: string): boolean {
  for (const option of options) if (option.header.key === name) return true;
  return false;
}

/**
 * The head of the request direction: destination as header and as metadata, changed headers, and the length of the
 * body that goes on (NaN to say none).
 */
export function decisionHead(decision: Decision, headers: Headers, contentLength: number): Head {
  const extra = [setHeader(DESTINATION_HEADER, decision.destination)];
  if (contentLength >= 0) extra.push(setHeader('content-length', String(contentLength)));
  return {
    headerMutation: headerChanges(headers, extra),
    clearsRouteCache: true,
    dynamicMetadata: destinationMetadata(decision.destination, decision.scores),
  };
}

/** The head of a direction in which only headers may change. */
export function plainHead(headerMutation: HeaderMutation | undefined): Head | undefined {
  if (headerMutation === undefined) return undefined;
  return { headerMutation, clearsRouteCache: false, dynamicMetadata: undefined };
}

/** The head of the last part of a response; undefined when there is nothing to tell. */
export function finalHead(entries: readonly MetadataEntry[]): Head | undefined {
  if (entries.length === 0) return undefined;
  return { headerMutation: undefined, clearsRouteCache: false, dynamicMetadata: entriesMetadata(entries) };
}

/** Answers headers. */
export function headersReply(direction: Direction, head: Head | undefined): ProcessingResponse {
  const part = head === undefined ? {} : { response: common(head, undefined) };
  return withMetadata(direction === 'request' ? { requestHeaders: part } : { responseHeaders: part }, head);
}

/** One piece of a body in full duplex mode. */
export function streamedBodyReply(
  direction: Direction,
  piece: { readonly body: Uint8Array; readonly endOfStream: boolean },
  head: Head | undefined,
): ProcessingResponse {
  return bodyReply(direction, { streamedResponse: piece }, head);
}

/** Answers one body message in any other mode; without mutation the data plane forwards what it has. */
export function bodyReply(
  direction: Direction,
  mutation: BodyMutation | undefined,
  head: Head | undefined,
): ProcessingResponse {
  const part = mutation === undefined && head === undefined ? {} : { response: common(head, mutation) };
  return withMetadata(direction === 'request' ? { requestBody: part } : { responseBody: part }, head);
}

/** Answers trailers, unchanged. Headers can no longer be changed here, metadata can be set. */
export function trailersReply(direction: Direction, head: Head | undefined): ProcessingResponse {
  return withMetadata(direction === 'request' ? { requestTrailers: {} } : { responseTrailers: {} }, head);
}

/** Replies to the client in place of the model server. */
export function immediateReply(response: ImmediateResponse): ProcessingResponse {
  return { immediateResponse: response };
}

/** Asks for more time for the message being worked on; the data plane reads nothing else of this message. */
export function moreTimeReply(timeoutMs: number): ProcessingResponse {
  const seconds = Math.floor(timeoutMs / 1000);
  return { overrideMessageTimeout: { seconds, nanos: Math.round((timeoutMs - seconds * 1000) * 1e6) } };
}

function common(head: Head | undefined, bodyMutation: BodyMutation | undefined): CommonResponse {
  if (head === undefined) return bodyMutation === undefined ? {} : { bodyMutation };
  return {
    ...(head.headerMutation !== undefined && { headerMutation: head.headerMutation }),
    ...(bodyMutation !== undefined && { bodyMutation }),
    ...(head.clearsRouteCache && { clearRouteCache: true }),
  };
}

function withMetadata(reply: ProcessingResponse, head: Head | undefined): ProcessingResponse {
  if (head?.dynamicMetadata === undefined) return reply;
  return { ...reply, dynamicMetadata: head.dynamicMetadata };
}
