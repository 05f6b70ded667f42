import type { Headers } from './headers.ts';

/**
 * Headers by which clients steer the picker, with their deprecated aliases; where both are present the first wins.
 * They end in the picker: the model server never sees them. Where clients are not trusted nobody else sees them either.
 */
export const CONTROL_HEADERS = {
  objective: ['x-llm-d-inference-objective', 'x-gateway-inference-objective'],
  fairnessId: ['x-llm-d-inference-fairness-id', 'x-gateway-inference-fairness-id'],
  modelRewrite: ['x-llm-d-model-name-rewrite', 'x-gateway-model-name-rewrite'],
  sloTtft: ['x-llm-d-slo-ttft-ms', 'x-slo-ttft-ms'],
  sloTpot: ['x-llm-d-slo-tpot-ms', 'x-slo-tpot-ms'],
  videoFps: ['x-llm-d-video-fps'],
  videoDuration: ['x-llm-d-video-duration-seconds'],
  videoResolution: ['x-llm-d-video-resolution'],
  droppedReason: ['x-llm-d-request-dropped-reason'],
} as const;

/** Value of a control header by its table row; undefined when neither name is present. */
export function controlHeader(headers: Headers, row: keyof typeof CONTROL_HEADERS): string | undefined {
  for (const name of CONTROL_HEADERS[row]) {
    const value = headers.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Objective for a latency that a client sent, in milliseconds; 0 when it sent none, or no finite number above 0. */
export function latencyObjectiveMs(headers: Headers, row: 'sloTtft' | 'sloTpot'): number {
  const text = controlHeader(headers, row);
  if (text === undefined) return 0;
  const ms = Number(text);
  return ms > 0 && Number.isFinite(ms) ? ms : 0;
}
