import { fileURLToPath } from 'node:url';
import {
  ChannelCredentials,
  type Client,
  type ClientReadableStream,
  loadPackageDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { describe, expect, test } from 'vitest';
import { EXT_PROC_SERVICE } from '../../src/extproc/codec.ts';
import type { HealthInputs } from '../../src/extproc/health.ts';
import { HEALTHY, startExtProcServer } from '../support/extproc-server.ts';
import { FakeClock } from '../support/fake-clock.ts';

interface Status {
  readonly status: string;
}

/** The health service as any gRPC client sees it. */
class HealthClient implements Disposable {
  readonly #client: Client & Record<string, (...args: unknown[]) => unknown>;

  constructor(address: string) {
    const file = fileURLToPath(new URL('../../proto/health.proto', import.meta.url));
    const loaded = loadPackageDefinition(loadSync(file, { enums: String, defaults: true })) as unknown as {
      grpc: { health: { v1: { Health: typeof Client } } };
    };
    this.#client = new loaded.grpc.health.v1.Health(address, ChannelCredentials.createInsecure()) as never;
  }

  async check(service: string): Promise<string> {
    return (await this.#call<Status>('Check', { service })).status;
  }

  async list(): Promise<Record<string, string>> {
    const { statuses } = await this.#call<{ statuses: Record<string, Status> }>('List', {});
    return Object.fromEntries(Object.entries(statuses).map(([name, { status }]) => [name, status]));
  }

  watch(service: string): ClientReadableStream<Status> {
    const method = this.#client['Watch'];
    return method?.call(this.#client, { service }) as ClientReadableStream<Status>;
  }

  #call<T>(name: string, message: object): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, reply: T) => (error === null ? resolve(reply) : reject(error));
      this.#client[name]?.call(this.#client, message, done);
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

const NAMES = ['liveness', 'readiness', '', EXT_PROC_SERVICE, 'inference-extension'] as const;
const UP = 'SERVING';
const DOWN = 'NOT_SERVING';

describe('each name', () => {
  test.each<{ name: string; inputs: Partial<HealthInputs>; want: readonly string[] }>([
    { name: 'healthy', inputs: {}, want: [UP, UP, UP, UP, UP] },
    { name: 'no pool yet', inputs: { isLive: false }, want: [UP, DOWN, DOWN, DOWN, DOWN] },
    { name: 'protocol', inputs: { isProtocolSupported: false }, want: [UP, DOWN, DOWN, DOWN, DOWN] },
    { name: 'plugins', inputs: { arePluginsReady: false }, want: [UP, DOWN, DOWN, DOWN, UP] },
    { name: 'leader', inputs: { leadership: 'leader' }, want: [UP, UP, UP, UP, 'SERVICE_UNKNOWN'] },
    { name: 'follower', inputs: { leadership: 'follower' }, want: [UP, DOWN, DOWN, DOWN, 'SERVICE_UNKNOWN'] },
  ])('$name', async ({ inputs, want }) => {
    await using server = await startExtProcServer({ health: () => ({ ...HEALTHY, ...inputs }) });
    for (const address of [server.healthAddress, server.address]) {
      using client = new HealthClient(address);
      expect(await Promise.all(NAMES.map((service) => client.check(service)))).toEqual(want);
    }
  });
});

test('list', async () => {
  let inputs = HEALTHY;
  await using server = await startExtProcServer({ health: () => inputs });
  using client = new HealthClient(server.healthAddress);
  expect(await client.list()).toEqual({ [EXT_PROC_SERVICE]: UP });
  inputs = { ...HEALTHY, leadership: 'follower' };
  expect(await client.list()).toEqual({ [EXT_PROC_SERVICE]: DOWN, liveness: UP, readiness: DOWN });
});

test('watch tells the status at once and each change once', async () => {
  const clock = new FakeClock();
  let inputs: HealthInputs = { ...HEALTHY, isLive: false };
  await using server = await startExtProcServer({ health: () => inputs, clock });
  using client = new HealthClient(server.healthAddress);
  const stream = client.watch('');
  const statuses = stream[Symbol.asyncIterator]() as AsyncIterator<Status>;
  const next = async () => ((await statuses.next()).value as Status).status;
  expect(await next()).toBe(DOWN);
  expect(clock.pendingTimers).toBe(1);
  clock.advance(5000);
  inputs = HEALTHY;
  clock.advance(1000);
  expect(await next()).toBe(UP);
  void server.server.drain(60_000);
  expect(await next()).toBe(DOWN);
  stream.on('error', () => {});
  stream.cancel();
});

test('a health check is not an exchange', async () => {
  await using server = await startExtProcServer();
  using client = new HealthClient(server.address);
  await client.check('');
  expect(server.server.openStreams).toBe(0);
});
