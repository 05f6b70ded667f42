import { bench, do_not_optimize, type k_state, run } from 'mitata';
import type { Filter } from '../../src/framework/filter.ts';
import type { Picker } from '../../src/framework/picker.ts';
import type { AnyPluginDefinition } from '../../src/framework/plugin.ts';
import type { ProfileHandler } from '../../src/framework/profile-handler.ts';
import type { Scorer } from '../../src/framework/scorer.ts';
import { decodeFilter } from '../../src/plugins/filters/decode-filter.ts';
import { maxScorePicker } from '../../src/plugins/pickers/max-score-picker.ts';
import { singleProfileHandler } from '../../src/plugins/profile-handlers/single-profile-handler.ts';
import { kvCacheUtilizationScorer } from '../../src/plugins/scorers/kv-cache-utilization-scorer.ts';
import { prefixCacheScorer } from '../../src/plugins/scorers/prefix-cache-scorer.ts';
import { queueScorer } from '../../src/plugins/scorers/queue-scorer.ts';
import { refreshLoadViews } from '../../src/scheduling/load-view.ts';
import { Scheduler } from '../../src/scheduling/scheduler.ts';
import { busyPool, CONTEXT, instance, matchedRequest, warm } from './fixtures.ts';

const weighted = (d: AnyPluginDefinition, weight: number) => ({ ...instance<Scorer>(d), weight });

/** The default profile, with the decode filter in front. */
function scheduler(): Scheduler {
  return new Scheduler({
    profiles: [
      {
        name: 'default',
        filters: [instance<Filter>(decodeFilter)],
        scorers: [
          weighted(queueScorer, 2),
          weighted(kvCacheUtilizationScorer, 2),
          weighted(prefixCacheScorer, 3),
        ],
        picker: instance<Picker>(maxScorePicker),
      },
    ],
    handler: instance<ProfileHandler>(singleProfileHandler),
    instruments: CONTEXT.instruments,
    clock: CONTEXT.clock,
    log: CONTEXT.log,
  });
}

// What does one decision cost, from fresh load views to the target? The budget is 100 µs at 100 endpoints.
bench('load views, filter, 3 scorers, pick / $endpoints endpoints', function* (state: k_state) {
  const candidates = busyPool(Number(state.get('endpoints')));
  const engine = scheduler();
  const one = matchedRequest(candidates);
  const decide = () => {
    refreshLoadViews(candidates, 1_000_010, 2_000);
    return do_not_optimize(engine.schedule(one));
  };
  yield warm(decide);
})
  .args('endpoints', [8, 64, 100, 512, 4096])
  .gc('inner');

bench('load views, half of them stale / $endpoints endpoints', function* (state: k_state) {
  const candidates = busyPool(Number(state.get('endpoints')));
  candidates.forEach((candidate, i) => {
    if (i % 2 === 0) candidate.scraped.updatedAtMs = 0;
  });
  yield warm(() => {
    refreshLoadViews(candidates, 1_000_010, 2_000);
    return do_not_optimize(candidates[0]?.metrics.waitingQueueSize);
  });
})
  .args('endpoints', [8, 64, 512])
  .gc('inner');

await run({ throw: true });
