import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { settings } from '../../test/support/extproc-client.ts';
import { type ErrorCode, RejectionError } from '../framework/errors.ts';
import { type RefusalAudience, type RefusalOptions, refusal } from './errors.ts';

const OPENAI: RefusalAudience = { errorShape: 'openai', contentType: 'application/json' };
const ANTHROPIC: RefusalAudience = { errorShape: 'anthropic', contentType: 'application/json' };
const GRPC: RefusalAudience = { errorShape: 'openai', contentType: 'application/grpc+proto' };
const AUTO: RefusalOptions = { format: 'auto', retryAfterSeconds: 1, noEndpointsRetryAfterSeconds: 5 };
const TEXT: RefusalOptions = { ...AUTO, format: 'text' };

function body(error: RejectionError, audience: RefusalAudience, options: RefusalOptions): string {
  return Buffer.from(refusal(error, audience, options).body ?? []).toString();
}

const NO_MODEL = new RejectionError('bad-request', 'model not found in request body');

describe('body', () => {
  test('text is that of the reference', () => {
    expect(body(NO_MODEL, OPENAI, TEXT)).toBe(
      'inference error: BadRequest - model not found in request body',
    );
  });

  test('OpenAI', () => {
    expect(JSON.parse(body(NO_MODEL, OPENAI, AUTO))).toEqual({
      error: {
        message: 'inference error: BadRequest - model not found in request body',
        type: 'invalid_request_error',
        param: null,
        code: 'bad_request',
      },
    });
  });

  test('Anthropic', () => {
    const error = new RejectionError('unavailable', 'none', { reason: 'rejected-no-endpoints' });
    expect(JSON.parse(body(error, ANTHROPIC, AUTO))).toEqual({
      type: 'error',
      error: { type: 'overloaded_error', message: 'inference error: ServiceUnavailable - none' },
    });
  });

  test('gRPC gets text unless JSON is asked for', () => {
    expect(body(NO_MODEL, GRPC, AUTO)).toMatch(/^inference error/);
    expect(body(NO_MODEL, GRPC, { ...AUTO, format: 'json' })).toMatch(/^{/);
  });

  test('an eviction is its message alone', () => {
    const error = new RejectionError('resource-exhausted', 'request evicted by flow control', {
      reason: 'evicted',
    });
    expect(body(error, OPENAI, TEXT)).toBe('request evicted by flow control');
  });

  test('a fault tells nothing of its cause', () => {
    const error = RejectionError.from(new Error('10.0.0.7 exploded'));
    expect(body(error, OPENAI, AUTO)).not.toContain('10.0.0.7');
  });
});

test.each<{ code: ErrorCode; status: number; grpc: number }>([
  { code: 'bad-request', status: 400, grpc: 3 },
  { code: 'unauthorized', status: 401, grpc: 16 },
  { code: 'forbidden', status: 403, grpc: 7 },
  { code: 'not-found', status: 404, grpc: 5 },
  { code: 'precondition-failed', status: 412, grpc: 9 },
  { code: 'too-large', status: 413, grpc: 8 },
  { code: 'resource-exhausted', status: 429, grpc: 8 },
  { code: 'internal', status: 500, grpc: 13 },
  { code: 'unavailable', status: 503, grpc: 14 },
])('$code is $status, for gRPC also $grpc', ({ code, status, grpc }) => {
  const error = new RejectionError(code, 'm');
  expect(refusal(error, GRPC, AUTO)).toMatchObject({
    status: { code: status },
    grpcStatus: { status: grpc },
  });
  const http = refusal(error, OPENAI, AUTO);
  expect(http.grpcStatus).toBeUndefined();
  expect(settings(http.headers).has('retry-after')).toBe(status === 429 || status === 503);
});

test.each([
  {
    name: 'saturated',
    error: new RejectionError('resource-exhausted', 'm', { reason: 'rejected-saturated' }),
    want: {
      'content-type': 'application/json',
      'x-llm-d-request-dropped-reason': 'rejected-saturated',
      'retry-after': '1',
    },
    details: 'epp_rejected_saturated',
  },
  {
    name: 'no endpoints',
    error: new RejectionError('unavailable', 'm', { reason: 'rejected-no-endpoints' }),
    want: {
      'content-type': 'application/json',
      'x-llm-d-request-dropped-reason': 'rejected-no-endpoints',
      'retry-after': '5',
    },
    details: 'epp_rejected_no_endpoints',
  },
  {
    name: 'bad request',
    error: NO_MODEL,
    want: { 'content-type': 'application/json' },
    details: 'epp_bad_request',
  },
])('headers and details: $name', ({ error, want, details }) => {
  const answer = refusal(error, OPENAI, AUTO);
  expect(Object.fromEntries(settings(answer.headers))).toEqual(want);
  expect(answer.details).toBe(details);
  expect(answer.headers?.setHeaders?.every(({ appendAction }) => appendAction === 2)).toBe(true);
});

test('no retry-after when it is switched off', () => {
  const off = { ...AUTO, retryAfterSeconds: 0 };
  expect(
    settings(refusal(new RejectionError('unavailable', 'm'), OPENAI, off).headers).has('retry-after'),
  ).toBe(false);
});

test('any message gives a JSON document that holds it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (message) => {
      const parsed = JSON.parse(body(new RejectionError('bad-request', message), OPENAI, AUTO)) as {
        error: { message: string };
      };
      expect(parsed.error.message.endsWith(message.toWellFormed())).toBe(true);
    }),
  );
});
