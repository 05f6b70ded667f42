import { bench, do_not_optimize, type k_state, run } from 'mitata';
import type { Picker } from '../../src/framework/picker.ts';
import { maxScorePicker } from '../../src/plugins/pickers/max-score-picker.ts';
import { randomPicker } from '../../src/plugins/pickers/random-picker.ts';
import { weightedRandomPicker } from '../../src/plugins/pickers/weighted-random-picker.ts';
import { busyPool, instance, SIZES, warm } from './fixtures.ts';

// What does picking one of n scored candidates cost?
for (const d of [maxScorePicker, randomPicker, weightedRandomPicker]) {
  bench(`${d.type} / $endpoints endpoints`, function* (state: k_state) {
    const size = Number(state.get('endpoints'));
    const candidates = busyPool(size);
    const totals = Float64Array.from(candidates, (_, i) => ((i * 31) % 17) / 4);
    const { plugin } = instance<Picker>(d);
    yield warm(() => do_not_optimize(plugin.pick(candidates, totals)));
  })
    .args('endpoints', [...SIZES])
    .gc('inner');
}

await run({ throw: true });
