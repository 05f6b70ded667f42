import { z } from 'zod';
import type { Parser } from '../../framework/parser.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { parseOpenAiBody } from './json-body/openai-body.ts';
import { readOpenAiUsage } from './json-body/usage.ts';

/** Understands the OpenAI APIs as vLLM, SGLang and others serve them. */
class OpenAiParser implements Parser {
  readonly pathSuffixes = [
    'chat/completions',
    'completions',
    'embeddings',
    'responses',
    'conversations',
    'chat/completions/render',
    'completions/render',
    'images/generations',
  ];
  readonly protocols = ['kubernetes.io/h2c', 'http'] as const;
  readonly readsResponse = true;
  readonly errorShape = 'openai';

  readonly parse = parseOpenAiBody;
  readonly readUsage = readOpenAiUsage;
}

export const openaiParser = definePlugin({
  type: 'openai-parser',
  kinds: ['parser'],
  stability: 'beta',
  summary: 'Reads requests and responses of the OpenAI APIs.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new OpenAiParser(),
});
