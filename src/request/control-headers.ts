import type { Headers } from '../framework/headers.ts';

/** Headers only the picker may set; a client's are removed before anything reads them. */
const ROUTING_HEADERS: ReadonlySet<string> = new Set([
  'x-gateway-destination-endpoint',
  'x-gateway-destination-endpoint-served',
  'x-gateway-destination-endpoint-subset',
  'x-prefiller-host-port',
  'x-encoder-hosts-ports',
  'x-data-parallel-host-port',
  'x-data-parallel-rank',
  'x-kv-cache-source-host-port',
]);

/**
 * Headers by which clients steer the picker, with their deprecated aliases; where both are present the first wins.
 * They end here: the model server never sees them.
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

const CONTROL_NAMES: ReadonlySet<string> = new Set(Object.values(CONTROL_HEADERS).flat());

/** Value of a control header by its table row; undefined when neither name is present. */
export function controlHeader(headers: Headers, row: keyof typeof CONTROL_HEADERS): string | undefined {
  for (const name of CONTROL_HEADERS[row]) {
    const value = headers.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Removes what a client may never set. */
export function removeRoutingHeaders(headers: Headers): void {
  headers.removeEach(ROUTING_HEADERS);
}

/** Removes what was meant for the picker, before the request goes on. */
export function removeControlHeaders(headers: Headers): void {
  headers.removeEach(CONTROL_NAMES);
}
