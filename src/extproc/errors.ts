import type { ErrorCode, RejectionError } from '../framework/errors.ts';
import type { ImmediateResponse } from './codec.ts';
import { setHeader } from './messages.ts';

/** `auto`: JSON, except plain text for gRPC requests. `json`, `text`: always. */
export type ErrorFormat = 'auto' | 'json' | 'text';

/** How refusals look. */
export interface RefusalOptions {
  readonly format: ErrorFormat;
  /** `retry-after` on 429 and 503, in seconds; 0 leaves it out, here and below. */
  readonly retryAfterSeconds: number;
  /** `retry-after` when the pool has no endpoint: starting a model server takes longer than draining a queue. */
  readonly noEndpointsRetryAfterSeconds: number;
}

/** What of a request decides how its refusal looks. */
export interface RefusalAudience {
  readonly errorShape: 'openai' | 'anthropic';
  /** `content-type` of the request, '' when absent. */
  readonly contentType: string;
}

/** Error types of both APIs; the one place that knows them. */
const API_ERROR_TYPE = {
  'bad-request': { openai: 'invalid_request_error', anthropic: 'invalid_request_error' },
  unauthorized: { openai: 'authentication_error', anthropic: 'authentication_error' },
  forbidden: { openai: 'permission_error', anthropic: 'permission_error' },
  'not-found': { openai: 'not_found_error', anthropic: 'not_found_error' },
  'precondition-failed': { openai: 'invalid_request_error', anthropic: 'invalid_request_error' },
  'too-large': { openai: 'invalid_request_error', anthropic: 'request_too_large' },
  'resource-exhausted': { openai: 'rate_limit_error', anthropic: 'rate_limit_error' },
  internal: { openai: 'server_error', anthropic: 'api_error' },
  unavailable: { openai: 'server_error', anthropic: 'overloaded_error' },
} as const satisfies Record<ErrorCode, { openai: string; anthropic: string }>;

const DROPPED_REASON_HEADER = 'x-llm-d-request-dropped-reason';

/** The client's view of a refusal. Never holds its cause. */
export function refusal(
  error: RejectionError,
  audience: RefusalAudience,
  options: RefusalOptions,
): ImmediateResponse {
  const isGrpc = audience.contentType.startsWith('application/grpc');
  const isJson = options.format === 'json' || (options.format === 'auto' && !isGrpc);
  const text = refusalText(error);
  const token = (error.reason ?? error.code).replaceAll('-', '_');
  const setHeaders = [setHeader('content-type', isJson ? 'application/json' : 'text/plain')];
  if (error.reason !== undefined) setHeaders.push(setHeader(DROPPED_REASON_HEADER, error.reason));
  if (error.httpStatus === 429 || error.httpStatus === 503) {
    const seconds =
      error.reason === 'rejected-no-endpoints'
        ? options.noEndpointsRetryAfterSeconds
        : options.retryAfterSeconds;
    if (seconds > 0) setHeaders.push(setHeader('retry-after', String(seconds)));
  }
  return {
    status: { code: error.httpStatus },
    headers: { setHeaders },
    body: Buffer.from(isJson ? jsonBody(error, audience.errorShape, text, token) : text),
    details: `epp_${token}`,
    ...(isGrpc && { grpcStatus: { status: error.grpcStatus } }),
  };
}

/** llm-d-router: pkg/common/error, `inference error: <Code> - <message>`; an eviction is its message alone. */
function refusalText(error: RejectionError): string {
  return error.reason === 'evicted' ? error.message : `inference error: ${error.label} - ${error.message}`;
}

function jsonBody(
  error: RejectionError,
  shape: RefusalAudience['errorShape'],
  message: string,
  token: string,
): string {
  const type = API_ERROR_TYPE[error.code][shape];
  return shape === 'anthropic'
    ? JSON.stringify({ type: 'error', error: { type, message } })
    : JSON.stringify({ error: { message, type, param: null, code: token } });
}
