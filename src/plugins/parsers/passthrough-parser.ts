import { z } from 'zod';
import { NO_BODY, type ParsedBody } from '../../framework/body.ts';
import type { Parser } from '../../framework/parser.ts';
import { definePlugin } from '../../framework/plugin.ts';

/** A body nobody looks into. Not `NO_BODY` itself: there is one. */
const OPAQUE_BODY: ParsedBody = { ...NO_BODY };

/** Takes every path that no other parser claims, and looks at nothing. */
class PassthroughParser implements Parser {
  readonly pathSuffixes = [];
  readonly protocols = [];
  readonly readsResponse = false;
  readonly errorShape = 'openai';

  parse(): ParsedBody {
    return OPAQUE_BODY;
  }

  readUsage(): void {}
}

export const passthroughParser = definePlugin({
  type: 'passthrough-parser',
  kinds: ['parser'],
  stability: 'beta',
  summary: 'Forwards requests of any other API without understanding them.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new PassthroughParser(),
});
