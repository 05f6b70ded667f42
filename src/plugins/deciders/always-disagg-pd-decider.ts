import { z } from 'zod';
import type { Decider } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';

/** llm-d-router: pkg/epp/framework/plugins/scheduling/profilehandler/disagg/always_disagg_pd_decider.go */
class AlwaysDisaggPdDecider implements Decider {
  decide(): boolean {
    return true;
  }
}

/** `always-disagg-pd-decider`: every request is split. */
export const alwaysDisaggPdDecider = definePlugin({
  type: 'always-disagg-pd-decider',
  kinds: ['decider'],
  stability: 'beta',
  summary: 'Splits prefill from decode for every request.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new AlwaysDisaggPdDecider(),
});
