import { Agent, request } from 'node:http';
import { ApiError } from '../api-error.ts';
import type { JsonObject } from '../media.ts';

/** What another server answered. */
export interface PeerAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

/** What is sent to another server. */
export interface PeerRequest {
  /** `host:port`. */
  readonly address: string;
  readonly path: string;
  readonly body: JsonObject;
  /** Sent as `x-request-id`. */
  readonly id: string;
  /** Ends the exchange. */
  readonly signal: AbortSignal;
}

/** HTTP connections to prefill and encode servers. */
export class Peers implements Disposable {
  readonly #agent = new Agent({ keepAlive: true });

  /** Any answer is one; rejects with `ApiError` 502 when there is none. */
  post({ address, path, body, id, signal }: PeerRequest): Promise<PeerAnswer> {
    const text = Buffer.from(JSON.stringify(body));
    const headers = {
      'content-type': 'application/json',
      'content-length': text.length,
      'x-request-id': id,
    };
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(unreachable(address, error));
      let url: URL;
      try {
        url = new URL(`http://${address}${path}`);
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      const options = { method: 'POST', agent: this.#agent, headers, signal };
      const sent = request(url, options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            contentType: response.headers['content-type'] ?? 'application/json',
            body: Buffer.concat(chunks),
          }),
        );
      });
      sent.on('error', fail);
      sent.end(text);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

function unreachable(address: string, cause: Error): ApiError {
  const message = `no answer from ${address}: ${cause.message}`;
  return new ApiError(502, { error: { message, type: 'BadGateway', param: null, code: 502 } });
}
