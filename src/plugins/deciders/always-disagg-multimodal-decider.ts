import { z } from 'zod';
import type { Decider } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';

/**
 * Splits off the encode stage iff some prompt of the request contains an image, a video or audio.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/profilehandler/disagg/always_disagg_mm_decider.go
 */
class AlwaysDisaggMultimodalDecider implements Decider {
  decide(request: InferenceRequest): boolean {
    const tokenized = request.attributes.get(TOKENIZED_PROMPT);
    return tokenized?.prompts.some(({ features }) => features.length > 0) === true;
  }
}

/** `always-disagg-multimodal-decider`. */
export const alwaysDisaggMultimodalDecider = definePlugin({
  type: 'always-disagg-multimodal-decider',
  kinds: ['decider'],
  stability: 'beta',
  summary: 'Adds the encode stage for requests with images, video or audio.',
  params: z.strictObject({}),
  ignoresParameters: true,
  dependencies: () => ({ requires: [TOKENIZED_PROMPT] }),
  create: () => new AlwaysDisaggMultimodalDecider(),
});
