/** A request the model server refuses, with the status and body vLLM answers. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: object) {
    super(`HTTP ${status}`);
    this.status = status;
    this.body = JSON.stringify(body);
  }
}

function withError(status: number, type: string, message: string, param: string | null): ApiError {
  return new ApiError(status, { error: { message, type, param, code: status } });
}

/** `offset`: where JSON parsing stopped. */
export function badJson(offset: number): ApiError {
  const detail =
    `1 validation error:\n  {'type': 'json_invalid', 'loc': 'body.${offset}', 'msg': 'JSON decode error', ` +
    `'input': '<dict of 0 items>', 'ctx': {'error': 'Expecting value'}}`;
  return withError(400, 'Bad Request', detail, `body.${offset}`);
}

/** A field of the wrong type or missing; `type` and `message` are pydantic's. */
export function badField(field: string, type: string, message: string, input: unknown): ApiError {
  const shown = typeof input === 'string' ? `'${input.slice(0, 80)}'` : typeof input;
  const detail = `1 validation error:\n  {'type': '${type}', 'loc': 'body.${field}', 'msg': '${message}', 'input': ${shown}}`;
  return withError(400, 'Bad Request', detail, `body.${field}`);
}

export function unknownModel(model: string, known: readonly string[]): ApiError {
  const message = `The model \`${model}\` does not exist. Valid aliases: ${known.join(', ')}.`;
  return withError(404, 'NotFoundError', message, 'model');
}

/** The prompt alone fills the context. */
export function promptTooLong(tokens: number, limit: number): ApiError {
  const message =
    `This model's maximum context length is ${limit} tokens. However, your prompt contains ${tokens} input tokens, ` +
    `which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. ` +
    `(parameter=input_tokens, value=${tokens})`;
  return withError(400, 'BadRequestError', message, 'input_tokens');
}

/** The prompt fits, but not with the answer that is asked for. */
export function answerTooLong(wanted: number, tokens: number, limit: number): ApiError {
  const message =
    `'max_tokens' or 'max_completion_tokens' is too large: ${wanted}. This model's maximum context length is ` +
    `${limit} tokens and your request has ${tokens} input tokens (${wanted} > ${limit} - ${tokens}). ` +
    `(parameter=max_tokens, value=${wanted})`;
  return withError(400, 'BadRequestError', message, 'max_tokens');
}

export function badMaxTokens(wanted: unknown): ApiError {
  const message = `max_tokens must be at least 1, got ${String(wanted)}. (parameter=max_tokens, value=${String(wanted)})`;
  return withError(400, 'BadRequestError', message, 'max_tokens');
}

/** What the web framework answers before vLLM sees a request. */
export function plainError(status: 404 | 405 | 413 | 503, detail: string): ApiError {
  return new ApiError(status, { detail });
}
