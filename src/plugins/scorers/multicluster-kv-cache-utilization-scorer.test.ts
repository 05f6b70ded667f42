import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { MULTICLUSTER_KV_CACHE_UTILIZATION } from '../attributes/multicluster.ts';
import { multiclusterKvCacheUtilizationScorer } from './multicluster-kv-cache-utilization-scorer.ts';

test.each([
  { id: 'S14a', use: 0.2, want: 0.8 },
  { id: 'S14b', use: 0.9, want: 0.1 },
  { id: 'S14c', use: undefined, want: 0 },
  { id: 'more than full', use: 1.3, want: 0 },
  { id: 'less than nothing', use: -0.5, want: 1 },
])('multicluster-kv-cache-utilization-scorer: $id', ({ use, want }) => {
  const cluster = endpoint();
  cluster.attributes.set(MULTICLUSTER_KV_CACHE_UTILIZATION, use);
  const out = new Float64Array(1);
  multiclusterKvCacheUtilizationScorer.create({}, context()).score(request(), [cluster], out);
  expect(out[0]).toBeCloseTo(want, 9);
});
