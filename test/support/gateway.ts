import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HeaderMap, ProcessingRequest } from '../../src/extproc/codec.ts';

/** Where test gateways listen: any free port. */
export const LISTEN = { listen: '127.0.0.1:0' };
/** A short streamed chat. */
export const CHAT = {
  messages: [{ role: 'user', content: 'hello' }],
  max_tokens: 5,
  stream: true,
  stream_options: { include_usage: true },
};

/** First value of a header; undefined when absent. */
export function header(map: HeaderMap | undefined, name: string): string | undefined {
  const found = map?.headers?.find(({ key }) => key === name);
  return found === undefined ? undefined : Buffer.from(found.rawValue ?? []).toString();
}

/** Body of a direction as the picker saw it, whole. */
export function bodyOf(
  messages: readonly ProcessingRequest[],
  direction: 'requestBody' | 'responseBody',
): string {
  return Buffer.concat(messages.map((message) => message[direction]?.body ?? Buffer.alloc(0))).toString();
}

/** An HTTP server of the test's own. */
export async function startUpstream(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // an IP socket that listens
  return {
    address: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** An address on which nobody listens. */
export async function refusedAddress(): Promise<string> {
  const closed = await startUpstream(() => undefined);
  await closed[Symbol.asyncDispose]();
  return closed.address;
}
