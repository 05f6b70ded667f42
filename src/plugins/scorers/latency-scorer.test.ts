import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { latencyPredictionKey, noPredictions } from '../attributes/latency-prediction.ts';
import { latencyScorer as d } from './latency-scorer.ts';

/** TTFT headroom, TPOT headroom, requests under way; undefined: no prediction. */
type Row = readonly [number, number, number?] | undefined;

function scores(rows: readonly Row[], raw: object = {}): number[] {
  const prediction = noPredictions(rows.length);
  rows.forEach((row, slot) => {
    if (row === undefined) return;
    prediction.ttftMs[slot] = 1;
    prediction.ttftHeadroomMs[slot] = row[0];
    prediction.tpotHeadroomMs[slot] = row[1];
    prediction.dispatchedRequests[slot] = row[2] ?? 0;
  });
  const one = request();
  one.attributes.set(latencyPredictionKey(''), prediction);
  const out = new Float64Array(rows.length);
  const scorer = d.create(d.params.parse(raw), context()) as Scorer;
  scorer.score(
    one,
    rows.map((_, slot) => endpoint({ slot, waitingQueueSize: slot, kvCacheUsage: 0.5 })),
    out,
  );
  return [...out];
}

// the vectors of the reference are in test/conformance/vectors/scorers.json
test.each([
  { name: 'nobody', rows: [], raw: {}, want: [] },
  {
    name: 'weights that sum up to nothing: the first token alone',
    rows: [
      [10, 90],
      [90, 10],
    ],
    raw: { ttftWeight: 0, tpotWeight: 0 },
    want: [1, 0.01],
  },
  {
    name: 'weights are shares',
    rows: [
      [0, 30],
      [10, 0],
      [10, 30],
    ],
    raw: { ttftWeight: 3, tpotWeight: 1 },
    want: [0.76, 0.26, 0.01],
  },
  {
    name: 'late, some idle: an idle one without prediction is not meant',
    rows: [[-10, 0, 1], undefined, [-20, 0, 0]],
    raw: {},
    want: [0, 0, 0.51],
  },
  {
    name: 'late and busy: the first token only before both',
    rows: [[-10, -5, 1], [-90, 1, 1], undefined],
    raw: {},
    want: [0, 0.51, 0],
  },
  {
    name: 'late: the least missing even with `most`',
    rows: [
      [-10, 0, 1],
      [-20, 0, 1],
    ],
    raw: { headroomSelectionStrategy: 'most' },
    want: [1, 0.01],
  },
  {
    name: 'nothing predicted: composite of the KV cache alone',
    rows: [undefined, undefined],
    raw: { compositeKVWeight: 0, compositeQueueWeight: 0, compositePrefixWeight: 0 },
    want: [0.5, 0.5],
  },
  {
    name: 'nothing predicted: queue',
    rows: [undefined, undefined, undefined],
    raw: { compositeKVWeight: 0, compositePrefixWeight: 0 },
    want: [1, 0.5, 0],
  },
] as { name: string; rows: Row[]; raw: object; want: number[] }[])(
  'latency-scorer: $name',
  ({ rows, raw, want }) => {
    expect(scores(rows, raw)).toEqual(want);
  },
);

const row = fc.option(
  fc.tuple(
    fc.integer({ min: -1000, max: 1000 }),
    fc.integer({ min: -100, max: 100 }),
    fc.integer({ min: 0, max: 3 }),
  ),
  { nil: undefined },
);

test('whoever is in time beats whoever is late, and somebody scores', () => {
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 100 }),
      fc.constantFrom('least', 'most'),
      (rows, headroomSelectionStrategy) => {
        const got = scores(rows, { headroomSelectionStrategy });
        if (rows.every((one) => one === undefined)) return;
        expect(Math.max(...got)).toBeGreaterThan(0);
        expect(Math.max(...got)).toBeLessThanOrEqual(1);
        const isInTime = (one: Row) => one !== undefined && one[0] >= 0 && one[1] >= 0;
        if (!rows.some(isInTime)) return;
        rows.forEach((one, i) => {
          if (isInTime(one)) expect(got[i]).toBeGreaterThan(0);
          else expect(got[i]).toBe(0);
        });
      },
    ),
  );
});

test('more headroom never scores higher with `least`, all else being equal', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(10_000), { minLength: 2, maxLength: 30 }), (headrooms) => {
      const got = scores(headrooms.map((one) => [one, 7] as const));
      const order = headrooms.map((_, i) => i).sort((a, b) => (headrooms[a] ?? 0) - (headrooms[b] ?? 0));
      for (let i = 1; i < order.length; i += 1)
        expect(got[order[i] ?? 0]).toBeLessThanOrEqual(got[order[i - 1] ?? 0] ?? 0);
    }),
  );
});
