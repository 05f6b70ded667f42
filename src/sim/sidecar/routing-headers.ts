import type { IncomingHttpHeaders } from 'node:http';
import { ApiError } from '../api-error.ts';

/** Where the stages of a request run besides the own engine. */
export interface Route {
  /** `host:port` of the prefill server. */
  readonly prefill: string | undefined;
  /** `host:port` of the encode servers. */
  readonly encoders: readonly string[];
  /** `host:port` of the rank that decodes. */
  readonly rank: string | undefined;
}

/**
 * Reads `x-prefiller-host-port` (the first of a list), `x-encoder-hosts-ports` and `x-data-parallel-host-port`.
 * `allowed`: hosts, with or without a port, that may be named; empty: any. A prefill server that may not be named is
 * refused with 403, an encoder is left out. `x-kv-cache-source-host-port` is for connectors that pull from any peer;
 * none of those simulated does.
 * Source: `llm-d-router: pkg/sidecar/proxy/chat_completions.go`.
 */
export function readRoute(headers: IncomingHttpHeaders, allowed: readonly string[]): Route {
  const isAllowed = (address: string) =>
    allowed.length === 0 || allowed.includes(address) || allowed.includes(hostOf(address));
  const [prefill] = list(headers['x-prefiller-host-port']);
  if (prefill !== undefined && !isAllowed(prefill)) {
    throw new ApiError(403, { error: { message: `prefill server ${prefill} is not allowed`, code: 403 } });
  }
  const [rank] = list(headers['x-data-parallel-host-port']);
  return {
    prefill,
    encoders: list(headers['x-encoder-hosts-ports']).filter(isAllowed),
    rank,
  };
}

/** The host of `host:port`, without the brackets of an IPv6 address. */
export function hostOf(address: string): string {
  const colon = address.lastIndexOf(':');
  return (colon < 0 ? address : address.slice(0, colon)).replace(/^\[|\]$/g, '');
}

/** Entries of a comma list, several headers of the name joined. */
function list(value: string | readonly string[] | undefined): string[] {
  const text = typeof value === 'string' ? value : (value ?? []).join(',');
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
