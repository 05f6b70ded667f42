import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { Admitter } from '../../framework/hooks.ts';
import { latencyPredictionKey, noPredictions } from '../attributes/latency-prediction.ts';
import { latencySloAdmitter as d } from './latency-slo-admitter.ts';

/** An endpoint that is busy, warm and late, unless a case says otherwise. */
interface Row {
  readonly inFlight?: number;
  readonly kv?: number;
  readonly valid?: readonly [number, number] | 'unknown';
  readonly running?: number;
}

function refusal(rows: readonly Row[], headers: Record<string, string>, priority: number, predicted = true) {
  const one = request({ headers, priority });
  const prediction = noPredictions(rows.length);
  const candidates = rows.map(({ inFlight = 2, kv = 0.5, valid = [0, 0], running = 9 }, slot) => {
    if (valid !== 'unknown') {
      prediction.ttftMs[slot] = 100;
      [prediction.ttftValid[slot] = 0, prediction.tpotValid[slot] = 0] = valid;
    }
    return endpoint({ slot, inFlightRequests: inFlight, kvCacheUsage: kv, runningRequestsSize: running });
  });
  if (predicted) one.attributes.set(latencyPredictionKey(''), prediction);
  const admitter = d.create(d.params.parse({}), context()) as Admitter;
  return admitter.admit(one, candidates);
}

const SLO = { 'x-llm-d-slo-tpot-ms': '40' };
const LATE: readonly Row[] = [{}, { valid: [1, 0] }, { valid: [0, 1] }, { valid: 'unknown' }];

test.each([
  { name: 'all are late', rows: LATE, headers: SLO, priority: -1, isRefused: true },
  {
    name: 'by the deprecated header',
    rows: LATE,
    headers: { 'x-slo-ttft-ms': '1' },
    priority: -1,
    isRefused: true,
  },
  { name: 'priority 0', rows: LATE, headers: SLO, priority: 0, isRefused: false },
  { name: 'no objective', rows: LATE, headers: {}, priority: -1, isRefused: false },
  {
    name: 'an objective of 0',
    rows: LATE,
    headers: { 'x-llm-d-slo-ttft-ms': '0' },
    priority: -1,
    isRefused: false,
  },
  {
    name: 'an objective that is no number',
    rows: LATE,
    headers: { 'x-llm-d-slo-ttft-ms': 'NaN' },
    priority: -1,
    isRefused: false,
  },
  {
    name: 'one is in time',
    rows: [...LATE, { valid: [1, 1] as const }],
    headers: SLO,
    priority: -1,
    isRefused: false,
  },
  { name: 'one is idle', rows: [...LATE, { inFlight: 0 }], headers: SLO, priority: -1, isRefused: false },
  {
    name: 'one reports nothing running, but has requests of ours',
    rows: [...LATE, { running: 0 }],
    headers: SLO,
    priority: -1,
    isRefused: true,
  },
  { name: 'one is cold', rows: [...LATE, { kv: 0.019 }], headers: SLO, priority: -1, isRefused: false },
  { name: 'one is just warm', rows: [...LATE, { kv: 0.02 }], headers: SLO, priority: -1, isRefused: true },
  {
    name: 'nothing is predicted for any',
    rows: [{ valid: 'unknown' as const }],
    headers: SLO,
    priority: -1,
    isRefused: false,
  },
])('latency-slo-admitter: $name', ({ rows, headers, priority, isRefused }) => {
  const got = refusal(rows, headers, priority);
  expect(got && [got.code, got.httpStatus, got.reason, got.message]).toEqual(
    isRefused
      ? ['resource-exhausted', 429, 'rejected-saturated', 'no valid endpoint available to serve the request']
      : undefined,
  );
});

test('latency-slo-admitter: without predictions it lets in', () => {
  expect(refusal(LATE, SLO, -1, false)).toBeUndefined();
});
