import { fileURLToPath } from 'node:url';
import {
  ChannelCredentials,
  type Client,
  type ClientReadableStream,
  loadPackageDefinition,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** One answer. */
export interface HealthStatus {
  readonly status: string;
}

/** The health service as any gRPC client sees it. */
export class HealthClient implements Disposable {
  readonly #client: Client & Record<string, (...args: unknown[]) => unknown>;

  /** `address`: `host:port`, plaintext. */
  constructor(address: string) {
    const file = fileURLToPath(new URL('../../proto/health.proto', import.meta.url));
    const loaded = loadPackageDefinition(loadSync(file, { enums: String, defaults: true })) as unknown as {
      grpc: { health: { v1: { Health: typeof Client } } };
    };
    this.#client = new loaded.grpc.health.v1.Health(address, ChannelCredentials.createInsecure()) as never;
  }

  /** Status of `service`, for example `SERVING`. */
  async check(service: string): Promise<string> {
    return (await this.#call<HealthStatus>('Check', { service })).status;
  }

  /** Status of every service that is listed. */
  async list(): Promise<Record<string, string>> {
    const { statuses } = await this.#call<{ statuses: Record<string, HealthStatus> }>('List', {});
    return Object.fromEntries(Object.entries(statuses).map(([name, { status }]) => [name, status]));
  }

  /** Sends the status at once and on each change. */
  watch(service: string): ClientReadableStream<HealthStatus> {
    const method = this.#client['Watch'];
    return method?.call(this.#client, { service }) as ClientReadableStream<HealthStatus>;
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
