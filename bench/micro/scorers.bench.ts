import { bench, do_not_optimize, type k_state, run } from 'mitata';
import type { AnyPluginDefinition } from '../../src/framework/plugin.ts';
import type { Scorer } from '../../src/framework/scorer.ts';
import { SCORERS } from '../../src/plugins/catalogue.ts';
import { noHitLruScorer } from '../../src/plugins/scorers/no-hit-lru-scorer.ts';
import { request } from '../../test/support/builders.ts';
import { busyPool, instance, matchedRequest, SIZES } from './fixtures.ts';

// What does each scorer cost for one request? no-hit-lru-scorer once with a prefix hit and once without.
for (const d of SCORERS) measure(d, true);
measure(noHitLruScorer, false);

function measure(d: AnyPluginDefinition, hasMatch: boolean): void {
  const title = hasMatch ? d.type : `${d.type}, cold`;
  bench(`${title} / $endpoints endpoints`, function* (state: k_state) {
    const size = Number(state.get('endpoints'));
    const candidates = busyPool(size);
    const out = new Float64Array(size);
    const { plugin } = instance<Scorer>(d);
    const one = hasMatch ? matchedRequest(candidates) : request();
    yield () => {
      plugin.score(one, candidates, out.fill(0));
      return do_not_optimize(out[0]);
    };
  })
    .args('endpoints', [...SIZES])
    .gc('inner');
}

await run({ throw: true });
