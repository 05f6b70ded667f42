import { expect, test } from 'vitest';
import { noPredictions } from '../../attributes/latency-prediction.ts';
import { type Bearing, type Objectives, writeHeadroom } from './headroom.ts';

const STREAM: Bearing = {
  countsTpot: true,
  tightestTpotMs: Number.POSITIVE_INFINITY,
  sloBufferFactor: 1,
  ttftMargin: 1,
  tpotMargin: 1,
};
const NONE: Objectives = { ttftMs: 0, hasTtft: false, tpotMs: 0 };
const BOTH: Objectives = { ttftMs: 200, hasTtft: true, tpotMs: 50 };

// each endpoint is predicted to take 100 ms, then 20 ms a token; want: headrooms, validities
test.each([
  { name: 'P1', objectives: BOTH, bearing: STREAM, want: [100, 30, 1, 1] },
  { name: 'neither has an objective', objectives: NONE, bearing: STREAM, want: [-100, -20, 1, 1] },
  {
    name: 'P3: no stream, no objective',
    objectives: NONE,
    bearing: { ...STREAM, countsTpot: false },
    want: [-100, 0, 1, 1],
  },
  {
    name: 'the first token only',
    objectives: { ...BOTH, tpotMs: 0 },
    bearing: STREAM,
    want: [100, 0, 1, 1],
  },
  {
    name: 'further tokens only',
    objectives: { ...NONE, tpotMs: 10 },
    bearing: STREAM,
    want: [0, -10, 1, 0],
  },
  {
    name: 'in time to the millisecond is not in time',
    objectives: { ttftMs: 100, hasTtft: true, tpotMs: 20 },
    bearing: STREAM,
    want: [0, 0, 0, 0],
  },
  {
    name: 'the time is already spent',
    objectives: { ...BOTH, ttftMs: -5 },
    bearing: STREAM,
    want: [-105, 30, 0, 1],
  },
  {
    name: 'a reserve',
    objectives: BOTH,
    bearing: { ...STREAM, sloBufferFactor: 0.5 },
    want: [100, 5, 1, 1],
  },
  {
    name: 'a tighter request runs there',
    objectives: BOTH,
    bearing: { ...STREAM, tightestTpotMs: 15, sloBufferFactor: 2 },
    want: [100, 10, 1, 1],
  },
  {
    name: 'a looser request runs there',
    objectives: BOTH,
    bearing: { ...STREAM, tightestTpotMs: 90 },
    want: [100, 30, 1, 1],
  },
  {
    name: 'an endpoint that only computes prompts',
    objectives: { ...BOTH, tpotMs: 1 },
    bearing: { ...STREAM, countsTpot: false },
    want: [100, 0, 1, 1],
  },
  {
    name: 'predictions that fall short',
    objectives: BOTH,
    bearing: { ...STREAM, ttftMargin: 2.5, tpotMargin: 2 },
    want: [-50, 10, 0, 1],
  },
])('headroom: $name', ({ objectives, bearing, want }) => {
  const prediction = noPredictions(2);
  prediction.ttftMs[1] = 100;
  prediction.tpotMs[1] = 20;
  writeHeadroom(prediction, 1, objectives, bearing);
  const { ttftHeadroomMs, tpotHeadroomMs, ttftValid, tpotValid } = prediction;
  expect([ttftHeadroomMs[1], tpotHeadroomMs[1], ttftValid[1], tpotValid[1]]).toEqual(want);
  expect([ttftHeadroomMs[0], tpotHeadroomMs[0], ttftValid[0], tpotValid[0]]).toEqual([0, 0, 0, 0]);
});
