/** HTTP status and gRPC status sent to Envoy for each code. The table is the only place that knows them. */
const STATUS = {
  'bad-request': { http: 400, grpc: 3, label: 'BadRequest' },
  unauthorized: { http: 401, grpc: 16, label: 'Unauthorized' },
  forbidden: { http: 403, grpc: 7, label: 'Forbidden' },
  'not-found': { http: 404, grpc: 5, label: 'NotFound' },
  'precondition-failed': { http: 412, grpc: 9, label: 'PreconditionFailed' },
  'too-large': { http: 413, grpc: 8, label: 'BadRequest' },
  'resource-exhausted': { http: 429, grpc: 8, label: 'ResourceExhausted' },
  internal: { http: 500, grpc: 13, label: 'Internal' },
  unavailable: { http: 503, grpc: 14, label: 'ServiceUnavailable' },
} as const satisfies Record<string, { http: number; grpc: number; label: string }>;

export type ErrorCode = keyof typeof STATUS;

/** Values of `x-llm-d-request-dropped-reason` (ext-proc specification, section 7). */
const DROP_REASONS = [
  'rejected-saturated',
  'rejected-no-endpoints',
  'rejected-ttl-expired',
  'rejected-context-cancelled',
  'rejected-shutting-down',
  'evicted',
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

/** A request this picker refuses. */
export class RejectionError extends Error {
  override readonly name = 'RejectionError';
  readonly code: ErrorCode;
  /** Value of `x-llm-d-request-dropped-reason`; undefined when the client is at fault. */
  readonly reason: DropReason | undefined;

  /** Throws `TypeError` for a code or reason that is none: plugins of one's own may give anything. */
  constructor(code: ErrorCode, message: string, options: ErrorOptions & { reason?: DropReason } = {}) {
    super(message, options);
    const { reason } = options;
    if (!Object.hasOwn(STATUS, code))
      throw new TypeError(`code: got ${JSON.stringify(code)}, want one of ${Object.keys(STATUS).join(', ')}`);
    if (reason !== undefined && !DROP_REASONS.includes(reason))
      throw new TypeError(`reason: got ${JSON.stringify(reason)}, want one of ${DROP_REASONS.join(', ')}`);
    this.code = code;
    this.reason = reason;
  }

  get httpStatus(): number {
    return STATUS[this.code].http;
  }

  /** gRPC status for requests whose content type is `application/grpc`. */
  get grpcStatus(): number {
    return STATUS[this.code].grpc;
  }

  /** The reference's name of the code, as in metric label `error_code` and in the text error body. */
  get label(): string {
    return STATUS[this.code].label;
  }

  /** Any thrown value as a rejection: ours unchanged, all else `internal` with it as `cause`. */
  static from(thrown: unknown): RejectionError {
    if (thrown instanceof RejectionError) return thrown;
    return new RejectionError('internal', 'internal error', { cause: thrown });
  }
}

/** A configuration that cannot start; the message names what, where, got and wanted. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}
