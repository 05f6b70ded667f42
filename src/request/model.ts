import { controlHeader } from '../framework/control-headers.ts';
import { RejectionError } from '../framework/errors.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { ParserRegistry } from './path.ts';

/** Longest model name, in characters: more than the longest path, which some servers take for a name. */
const MAX_MODEL_LENGTH = 8192;

/** How much of the request body the picker sees: all, its beginning, nothing, or there is none. */
export type BodyView = 'whole' | 'prefix' | 'none' | 'absent';

/**
 * Finds the parser of the path and reads the body with it. A body cut at the data plane's buffer limit that does
 * not parse is routed without being understood. Throws `RejectionError` `bad-request`.
 */
export function parseBody(
  request: InferenceRequest,
  body: Buffer,
  view: BodyView,
  parsers: ParserRegistry,
): void {
  const parser = parsers.resolve(request.path)?.plugin;
  if (parser === undefined) {
    throw new RejectionError('bad-request', `no parser registered matching path suffix for: ${request.path}`);
  }
  request.parser = parser;
  request.errorShape = parser.errorShape;
  try {
    request.body = parser.parse(body, request.path, request.headers);
  } catch (error) {
    if (view !== 'prefix') throw error;
  }
}

/**
 * Settles `request.targetModel`: what a rule of the pool makes of the model, else the rewrite header's, else the body's,
 * else (when the body is not seen) that of `x-gateway-model-name`. `rewriteOf`: the model that a rule sends a model to;
 * undefined when none is for it. Throws when an API that needs a model has none, when the name is longer than 8,192
 * characters, or when the body would have to change and cannot.
 */
export function resolveTargetModel(
  request: InferenceRequest,
  view: BodyView,
  rewriteOf: (model: string) => string | undefined,
): void {
  const { body } = request;
  checkLength(body.model);
  const header = checkLength(controlHeader(request.headers, 'modelRewrite') ?? '');
  if (view === 'whole') {
    const isRewritable = body.canRewriteModel && (body.model !== '' || body.requiresModel);
    const rule = isRewritable ? rewriteOf(body.model) : undefined;
    request.targetModel = rule ?? (header === '' ? body.model : header);
    if (request.targetModel === '' && body.canRewriteModel && body.requiresModel) {
      throw new RejectionError('bad-request', 'model not found in request body');
    }
    return;
  }
  const model =
    body.model !== '' ? body.model : checkLength(request.headers.get('x-gateway-model-name') ?? '');
  request.targetModel = model;
  if (view === 'absent' || (view === 'none' && request.method !== 'POST')) return;
  const rewrite = (model === '' ? undefined : rewriteOf(model)) ?? header;
  if (rewrite === '' || rewrite === model) return;
  if (view === 'prefix') {
    throw new RejectionError(
      'too-large',
      'model rewrite needs the whole body, which exceeds the proxy buffer',
    );
  }
  throw new RejectionError('internal', 'model rewrite needs the body, which the proxy does not send');
}

/** `model`, if it is short enough: what is kept of a request must not grow with what its client calls a model. */
function checkLength(model: string): string {
  if (model.length <= MAX_MODEL_LENGTH) return model;
  const message = `model name has ${model.length} characters, want at most ${MAX_MODEL_LENGTH}`;
  throw new RejectionError('bad-request', message);
}
