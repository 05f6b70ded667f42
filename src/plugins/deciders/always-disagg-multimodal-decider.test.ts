import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, request } from '../../../test/support/builders.ts';
import type { MediaFeature } from '../attributes/tokenized-prompt.ts';
import { TOKENIZED_PROMPT } from '../attributes/tokenized-prompt.ts';
import { alwaysDisaggMultimodalDecider } from './always-disagg-multimodal-decider.ts';

const decider = alwaysDisaggMultimodalDecider.create({}, context());
const MODALITIES = ['image', 'audio', 'video'] as const;

/** `modalities`: what each prompt contains. */
function decide(modalities: readonly (readonly MediaFeature['modality'][])[]): boolean {
  const one = request();
  const prompts = modalities.map((found) => ({
    bytes: new Uint8Array(4),
    count: 1,
    features: found.map((modality) => ({ modality, hash: 'ab', offset: 0, length: 1 })),
  }));
  one.attributes.set(TOKENIZED_PROMPT, { prompts, count: prompts.length, cacheSalt: '' });
  return decider.decide(one);
}

test.each(MODALITIES)('always-disagg-multimodal-decider: D5 %s', (modality) => {
  expect(decide([[modality]])).toBe(true);
});

test('always-disagg-multimodal-decider: says yes iff some prompt has media', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.constantFrom(...MODALITIES), { maxLength: 2 })), (prompts) => {
      expect(decide(prompts)).toBe(prompts.flat().length > 0);
    }),
  );
});

test('always-disagg-multimodal-decider: D6 a request that nobody tokenized has none', () => {
  expect(decider.decide(request())).toBe(false);
});
