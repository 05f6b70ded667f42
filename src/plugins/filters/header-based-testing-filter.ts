import { z } from 'zod';
import type { Endpoint } from '../../framework/endpoint.ts';
import type { Filter } from '../../framework/filter.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';

const HEADER = 'test-epp-endpoint-selection';
const NOBODY: readonly Endpoint[] = [];

/**
 * Keeps the endpoints that a header names, in the order of the header, for the conformance suite of the Gateway API
 * Inference Extension. Items are separated by commas: `ip` selects every rank behind that address, `ip:port` one rank;
 * IPv6 with or without brackets. Without the header, or when it is blank, nobody stays.
 * llm-d-router: pkg/epp/framework/plugins/scheduling/test/filter (which keeps one endpoint per address)
 */
class HeaderBasedTestingFilter implements Filter {
  filter(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    const header = request.headers.get(HEADER);
    if (header === undefined) return NOBODY;
    const byName = candidatesByName(candidates);
    const kept = new Set<Endpoint>();
    for (const name of new Set(header.split(',').map((item) => item.trim().toLowerCase()))) {
      for (const candidate of byName.get(name) ?? NOBODY) kept.add(candidate);
    }
    const inOrder = [...kept];
    const isInput = inOrder.length === candidates.length && inOrder.every((one, i) => one === candidates[i]);
    return isInput ? candidates : inOrder;
  }
}

function candidatesByName(candidates: readonly Endpoint[]): ReadonlyMap<string, readonly Endpoint[]> {
  const byName = new Map<string, Endpoint[]>();
  for (const candidate of candidates) {
    const address = candidate.address.toLowerCase();
    for (const name of [address, `[${address}]`, candidate.hostPort.toLowerCase()]) {
      const named = byName.get(name);
      if (named === undefined) byName.set(name, [candidate]);
      else named.push(candidate);
    }
  }
  return byName;
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
