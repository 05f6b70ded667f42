import { CONTROL_HEADERS } from '../framework/control-headers.ts';
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

const CONTROL_NAMES: ReadonlySet<string> = new Set(Object.values(CONTROL_HEADERS).flat());

/** Removes what a client may never set. */
export function removeRoutingHeaders(headers: Headers): void {
  headers.removeEach(ROUTING_HEADERS);
}

/** Removes what was meant for the picker, before the request goes on. */
export function removeControlHeaders(headers: Headers): void {
  headers.removeEach(CONTROL_NAMES);
}
