import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Filter } from '../../framework/filter.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';

const HEADER = 'test-epp-endpoint-selection';
const NOBODY: readonly Endpoint[] = [];

/**
 * Keeps the endpoints that a header names, for the conformance suite of the Gateway API Inference Extension. Items
 * are separated by commas: `ip` selects every rank behind that address, `ip:port` one rank; IPv6 with or without
 * brackets. Without the header, or when it is blank, nobody stays.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/test/filter (which keeps one endpoint per address)
 */
class HeaderBasedTestingFilter implements Filter {
  filter(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    const header = request.headers.get(HEADER);
    if (header === undefined) return NOBODY;
    const wanted = new Set<string>();
    for (const item of header.split(',')) {
      const name = item.trim().toLowerCase();
      if (name !== '') wanted.add(name);
    }
    const kept: Endpoint[] = [];
    for (const candidate of candidates) if (isNamed(candidate, wanted)) kept.push(candidate);
    return kept.length === candidates.length ? candidates : kept;
  }
}

function isNamed(endpoint: Endpoint, wanted: ReadonlySet<string>): boolean {
  const address = endpoint.address.toLowerCase();
  return wanted.has(address) || wanted.has(`[${address}]`) || wanted.has(endpoint.hostPort.toLowerCase());
}

/** `header-based-testing-filter`. */
export const headerBasedTestingFilter = definePlugin({
  type: 'header-based-testing-filter',
  kinds: ['filter'],
  stability: 'beta',
  summary: 'Keeps the endpoints that a test header names; for conformance tests only.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new HeaderBasedTestingFilter(),
});
