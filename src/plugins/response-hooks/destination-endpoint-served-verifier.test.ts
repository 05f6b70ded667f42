import { expect, test } from 'vitest';
import { context, request } from '../../../test/support/builders.ts';
import { Headers } from '../../framework/headers.ts';
import { InferenceResponse } from '../../framework/response.ts';
import { destinationEndpointServedVerifier } from './destination-endpoint-served-verifier.ts';

const HEADER = 'x-conformance-test-served-endpoint';
const verifier = destinationEndpointServedVerifier.create({}, context());

test.each([
  { servedEndpoint: '10.0.0.9:3000', hasLoadBalancerMetadata: true, want: '10.0.0.9:3000' },
  {
    servedEndpoint: '',
    hasLoadBalancerMetadata: true,
    want: 'fail: missing destination endpoint served metadata',
  },
  { servedEndpoint: '', hasLoadBalancerMetadata: false, want: 'fail: missing envoy lb metadata' },
])('"$servedEndpoint", metadata: $hasLoadBalancerMetadata → $want', ({ want, ...said }) => {
  const response = new InferenceResponse();
  const headers = new Headers();
  headers.receive(HEADER, 'forged');
  Object.assign(response, { ...said, headers });
  verifier.responseHeaders(request(), response);
  expect(headers.get(HEADER)).toBe(want);
  expect(headers.changedNames).toEqual([HEADER]);
});

test('a response whose headers are not shown passes', () => {
  const response = new InferenceResponse();
  verifier.responseHeaders(request(), response);
  expect(response.headers).toBeUndefined();
});
