import { expect, test } from 'vitest';
import { ExtProcClient } from '../support/extproc-client.ts';
import { startExtProcServer } from '../support/extproc-server.ts';

test('streaming chat completion', async () => {
  await using server = await startExtProcServer();
  using client = new ExtProcClient(server.address);
  const exchange = client.open();
  const routed = await exchange.route({ body: '{"model":"m"}', chunkBytes: 5 });
  expect(routed.destination).toBe('10.0.0.1:8000');
  expect(routed.body.toString()).toBe('{"model":"m"}');
  const response = await exchange.respond({ chunks: ['data: {}', 'data: [DONE]', ''] });
  expect(response.body.toString()).toBe('data: {}data: [DONE]');
  expect(server.stages.causes).toEqual(['natural']);
});
