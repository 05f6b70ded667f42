import { z } from 'zod';
import type { PreRequestHook } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { ProfileResult, SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { writeStageHeaders } from '../profile-handlers/disagg/stage-headers.ts';

const params = z.strictObject({
  prefillProfile: z.string().default('prefill').describe('Profile whose target computes the prompt.'),
  encodeProfile: z.string().default('encode').describe('Profile whose targets encode media.'),
});

/**
 * Writes `x-prefiller-host-port` and `x-encoder-hosts-ports` from what the profiles of those names chose.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/requestheader/disagg
 */
class DisaggHeadersHandler implements PreRequestHook {
  readonly #prefillProfile: string;
  readonly #encodeProfile: string;

  constructor(config: z.infer<typeof params>) {
    this.#prefillProfile = config.prefillProfile;
    this.#encodeProfile = config.encodeProfile;
  }

  preRequest(request: InferenceRequest, result: SchedulingResult): void {
    writeStageHeaders(request.headers, {
      prefill: stage(result, this.#prefillProfile),
      encode: stage(result, this.#encodeProfile),
    });
  }
}

/** What the profile chose, unless that is the destination itself: the request has no other stage then. */
function stage({ profiles, primary }: SchedulingResult, name: string): ProfileResult | undefined {
  return name === primary ? undefined : profiles.get(name);
}

/** `disagg-headers-handler`, also under its older name `prefill-header-handler`. */
export const disaggHeadersHandler = definePlugin({
  type: 'disagg-headers-handler',
  kinds: ['pre-request'],
  stability: 'beta',
  summary: 'Tells the decode endpoint where prefill and encode run; needed beside pd-profile-handler only.',
  aliases: ['prefill-header-handler'],
  replacedBy: 'disagg-profile-handler, which does the same',
  params,
  create: (config) => new DisaggHeadersHandler(config),
});
