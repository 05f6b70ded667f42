import { z } from 'zod';
import { definePlugin } from '../../framework/plugin.ts';
import type { ProfileHandler, ProfileResults, SchedulingResult } from '../../framework/profile-handler.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { onlyResult } from './one-profile/result.ts';

const NONE: readonly string[] = [];

/**
 * Runs the only profile once; its targets are the destination.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/profilehandler/single
 */
class SingleProfileHandler implements ProfileHandler {
  pick(_request: InferenceRequest, names: readonly string[], results: ProfileResults): readonly string[] {
    return results.size === names.length ? NONE : names;
  }

  process(_request: InferenceRequest, results: ProfileResults): SchedulingResult {
    return onlyResult(
      results,
      'single profile handler is intended to be used with a single profile, failed to process multiple profiles',
    );
  }
}

/** `single-profile-handler`. */
export const singleProfileHandler = definePlugin({
  type: 'single-profile-handler',
  kinds: ['profile-handler'],
  stability: 'beta',
  summary: 'Runs the only scheduling profile.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new SingleProfileHandler(),
});
