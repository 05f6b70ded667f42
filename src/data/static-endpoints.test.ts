import { expect, test } from 'vitest';
import { staticEndpoints } from './static-endpoints.ts';

test('each address becomes an endpoint with a name of its own', () => {
  const endpoints = staticEndpoints([
    { host: '10.0.0.1', port: 8000 },
    { host: 'vllm-0.Lab', port: 8000 },
    { host: '2001:db8::1', port: 8001 },
    { host: '10-0-0-1', port: 8000 },
  ]);
  expect(endpoints.map(({ id, metricsHost }) => [id, metricsHost])).toEqual([
    ['default/10-0-0-1-8000', '10.0.0.1:8000'],
    ['default/vllm-0-lab-8000', 'vllm-0.Lab:8000'],
    ['default/2001-db8-1-8001', '[2001:db8::1]:8001'],
    ['default/10-0-0-1-8000-2', '10-0-0-1:8000'],
  ]);
  expect(endpoints[0]).toMatchObject({ address: '10.0.0.1', port: 8000, namespace: 'default', rankIndex: 0 });
});
