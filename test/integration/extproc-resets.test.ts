import { expect, test } from 'vitest';
import { decision } from '../support/exchange-stages.ts';
import { ExtProcClient } from '../support/extproc-client.ts';
import { startExtProcServer } from '../support/extproc-server.ts';

/** Well above the 1,000 resets after which node:http2 gives a connection up by default. */
const RESETS = 3000;
const CONCURRENCY = 50;

test('a connection outlives any number of exchanges that were reset', { timeout: 60_000 }, async () => {
  await using server = await startExtProcServer();
  using client = new ExtProcClient(server.address);
  const stays = client.open();
  const body = '{"model":"m","messages":[]}';
  expect((await stays.route({ body })).destination).toBe(decision().destination);
  // Older Envoys end every exchange this way, later ones those whose client left.
  for (let sent = 0; sent < RESETS; sent += CONCURRENCY) {
    const exchanges = Array.from({ length: CONCURRENCY }, () => client.open());
    await Promise.all(
      exchanges.map(async (exchange) => {
        await exchange.route({ body });
        exchange.cancel();
        await exchange.ended;
      }),
    );
  }
  expect((await stays.respond({ chunks: ['{}'] })).body.toString()).toBe('{}');
  await server.stages.ended(RESETS + 1);
  expect(server.server.openStreams).toBe(0);
});
