import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems hand out to outgoing connections: a port left for a moment is still free after it. */
const FIRST_PORT = 12_000;
const PORT_COUNT = 18_000;

/** `count` ports of 127.0.0.1 that nobody listens on. All are held until all are known, so they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  await using held = new AsyncDisposableStack();
  while (ports.length < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    const server = createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    } catch {
      continue; // taken
    }
    held.defer(async () => {
      server.close();
      await once(server, 'close');
    });
    ports.push(port);
  }
  return ports;
}
