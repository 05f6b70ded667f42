import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { MULTICLUSTER_QUEUE_SIZE } from '../attributes/multicluster.ts';
import { multiclusterQueueScorer } from './multicluster-queue-scorer.ts';

function scores(queues: readonly (number | undefined)[]): number[] {
  const clusters = queues.map((queue) => {
    const one = endpoint();
    one.attributes.set(MULTICLUSTER_QUEUE_SIZE, queue);
    return one;
  });
  const out = new Float64Array(queues.length);
  multiclusterQueueScorer.create({}, context()).score(request(), clusters, out);
  return [...out];
}

test.each([
  { id: 'S10', queues: [2, 6, 10], want: [1, 0.5, 0] },
  { id: 'S11', queues: [4, 4], want: [1, 1] },
  { id: 'S12', queues: [2, undefined, 10], want: [1, 0, 0] },
  { id: 'S13', queues: [undefined], want: [0] },
  { id: 'no number', queues: [Number.NaN, 3], want: [0, 1] },
])('multicluster-queue-scorer: $id', ({ queues, want }) => {
  expect(scores(queues)).toEqual(want);
});

test('multicluster-queue-scorer: a cluster that reports nothing changes nothing for the others', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000)), fc.nat(), (queues, at) => {
      const position = at % (queues.length + 1);
      const got = scores(queues.toSpliced(position, 0, Number.NaN));
      expect(got[position]).toBe(0);
      expect(got.toSpliced(position, 1)).toEqual(scores(queues));
    }),
  );
});
