import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyEndpoint, context, endpoint, request } from '../../../test/support/builders.ts';
import { loraAffinityScorer } from './lora-affinity-scorer.ts';

const scorer = loraAffinityScorer.create({}, context());

test.each([
  { name: 'active', active: ['a'], waiting: [], max: 0, want: 1 },
  { name: 'active wins over full', active: ['a', 'b'], waiting: [], max: 2, want: 1 },
  { name: 'room for one more', active: ['b'], waiting: [], max: 2, want: 0.8 },
  { name: 'room wins over waiting', active: ['b'], waiting: ['a'], max: 3, want: 0.8 },
  { name: 'waiting on a full endpoint', active: ['b'], waiting: ['a'], max: 2, want: 0.6 },
  { name: 'an adapter in both sets counts twice', active: ['b'], waiting: ['b'], max: 2, want: 0 },
  { name: 'full without it', active: ['b', 'c'], waiting: [], max: 2, want: 0 },
  { name: 'no adapter metrics', active: [], waiting: [], max: 0, want: 0 },
])('lora-affinity-scorer: $name', ({ active, waiting, max, want }) => {
  const out = new Float64Array(1);
  const one = endpoint({
    activeModels: new Set(active),
    waitingModels: new Set(waiting),
    maxActiveModels: max,
  });
  scorer.score(request({ model: 'client-name', targetModel: 'a' }), [one], out);
  expect(out[0]).toBe(want);
});

test('lora-affinity-scorer: nothing beats having the adapter active', () => {
  fc.assert(
    fc.property(anyEndpoint, fc.constantFrom('a', 'b', 'x'), (one, targetModel) => {
      const out = new Float64Array(1);
      scorer.score(request({ targetModel }), [one], out);
      expect([0, 0.6, 0.8, 1]).toContain(out[0]);
      expect(out[0] === 1).toBe(one.metrics.activeModels.has(targetModel));
    }),
  );
});
