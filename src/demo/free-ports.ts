import { once } from 'node:events';
import { createServer } from 'node:net';
import { nextInt, type Rng } from '../util/rng.ts';

/** Below the ports that systems hand out to outgoing connections, which could take a port before it is used. */
const FIRST_PORT = 12_000;
const PORT_COUNT = 18_000;
const MAX_TRIES = 1000;

/** Different ports of 127.0.0.1 on which nobody listens; all of them are held until all are known. */
export async function freePorts(count: number, rng: Rng): Promise<number[]> {
  await using held = new AsyncDisposableStack();
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < MAX_TRIES; tries += 1) {
    const port = FIRST_PORT + nextInt(rng, PORT_COUNT);
    const server = createServer();
    try {
      await once(server.listen(port, '127.0.0.1'), 'listening');
    } catch {
      continue; // taken
    }
    held.defer(() => new Promise((resolve) => server.close(() => resolve())));
    ports.push(port);
  }
  if (ports.length < count) throw new Error(`no ${count} free ports from ${FIRST_PORT} on`);
  return ports;
}
