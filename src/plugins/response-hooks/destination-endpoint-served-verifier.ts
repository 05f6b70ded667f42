import { z } from 'zod';
import type { ResponseHeaderHook } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { InferenceResponse } from '../../framework/response.ts';

/** What the conformance suite of the endpoint picker protocol reads. */
const HEADER = 'x-conformance-test-served-endpoint';

/**
 * Tells the client which endpoint served, as the data plane reports it, or what is missing in that report.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/test/responsereceived
 */
class DestinationEndpointServedVerifier implements ResponseHeaderHook {
  responseHeaders(_request: InferenceRequest, response: InferenceResponse): void {
    response.headers?.set(HEADER, report(response));
  }
}

function report({ servedEndpoint, hasLoadBalancerMetadata }: InferenceResponse): string {
  if (servedEndpoint !== '') return servedEndpoint;
  return hasLoadBalancerMetadata
    ? 'fail: missing destination endpoint served metadata'
    : 'fail: missing envoy lb metadata';
}

/** `destination-endpoint-served-verifier`. */
export const destinationEndpointServedVerifier = definePlugin({
  type: 'destination-endpoint-served-verifier',
  kinds: ['response-header'],
  stability: 'beta',
  summary: 'Conformance tests: tells the client which endpoint the data plane says served.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => new DestinationEndpointServedVerifier(),
});
