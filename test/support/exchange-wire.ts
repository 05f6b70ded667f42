import {
  decodeResponse,
  encodeRequest,
  type ProcessingRequest,
  type ProcessingResponse,
} from '../../src/extproc/codec.ts';
import type { ExchangeOptions } from '../../src/extproc/exchange-services.ts';
import { ExchangeStream } from '../../src/extproc/stream.ts';
import type { ByteStream } from '../../src/extproc/transport/transport.ts';
import { RecordingLog } from './builders.ts';
import { FakeStages } from './exchange-stages.ts';
import { exchangeOptions } from './extproc-server.ts';
import { FakeClock } from './fake-clock.ts';

/** A transport in memory: keeps what is written, takes `room` messages before it asks to wait. */
export class FakeWire implements ByteStream {
  readonly written: ProcessingResponse[] = [];
  room = Number.POSITIVE_INFINITY;
  isPaused = false;
  hasEnded = false;

  write(message: Uint8Array): boolean {
    if (this.hasEnded) throw new Error('written after end');
    this.written.push(decodeResponse(Buffer.from(message)));
    this.room -= 1;
    return this.room > 0;
  }

  writeAround(before: Uint8Array, beforeBytes: number, body: Uint8Array, after: Uint8Array): boolean {
    return this.write(Buffer.concat([before.subarray(0, beforeBytes), body, after]));
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    if (this.hasEnded) throw new Error('ended twice');
    this.hasEnded = true;
  }
}

/** An exchange without network: fake stages, fake wire, a clock that stands still. */
export class FakeExchange {
  readonly stages = new FakeStages();
  readonly wire = new FakeWire();
  readonly log = new RecordingLog();
  readonly clock = new FakeClock();
  /** `cancelled` per call of the stream's owner. */
  readonly closed: boolean[] = [];
  readonly stream: ExchangeStream;

  constructor(options: Partial<ExchangeOptions> = {}) {
    const services = {
      requestStage: this.stages,
      responseStage: this.stages,
      clock: this.clock,
      log: this.log,
      options: exchangeOptions(options),
    };
    this.stream = new ExchangeStream(services, this.wire, (_stream, isCancelled) => {
      this.closed.push(isCancelled);
    });
  }

  /** The data plane sends `message`. */
  send(message: ProcessingRequest): this {
    deliver(this.stream, encodeRequest(message));
    return this;
  }

  /** Replies since the last call, each in one short form. */
  take(): string[] {
    return this.wire.written.splice(0).map(brief);
  }
}

/** Hands over `bytes` as a transport does that finds a message in the middle of what it read. */
export function deliver(stream: ExchangeStream, bytes: Uint8Array): void {
  const read = Buffer.concat([Buffer.from([0xff]), bytes, Buffer.from([0xff, 0xff])]);
  stream.message(read, 1, 1 + bytes.length);
}

/** Lets promise callbacks run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/**
 * One reply in short: its part, then in this order the destination `->`, other headers set, headers removed `-`, the
 * body as streamed piece `"…"`, replacement `="…"` or `cleared`, `eos`.
 */
export function brief(reply: ProcessingResponse): string {
  const words: string[] = [];
  if (reply.overrideMessageTimeout !== undefined) {
    return `more time ${reply.overrideMessageTimeout.seconds}`;
  }
  if (reply.immediateResponse !== undefined) {
    const { status, details } = reply.immediateResponse;
    return `immediate ${status.code} ${details}`;
  }
  for (const part of ['requestHeaders', 'requestBody', 'responseHeaders', 'responseBody'] as const) {
    const found = reply[part];
    if (found === undefined) continue;
    words.push(part);
    const mutation = found.response?.headerMutation;
    for (const { header } of mutation?.setHeaders ?? []) {
      const value = Buffer.from(header.rawValue ?? []).toString();
      const isDestination = header.key === 'x-gateway-destination-endpoint';
      words.push(isDestination ? `->${value}` : `${header.key}=${value}`);
    }
    for (const name of mutation?.removeHeaders ?? []) words.push(`-${name}`);
    const body = found.response?.bodyMutation;
    if (body?.streamedResponse !== undefined) words.push(quote(body.streamedResponse.body));
    if (body?.body !== undefined) words.push(`=${quote(body.body)}`);
    if (body?.clearBody === true) words.push('cleared');
    if (body?.streamedResponse?.endOfStream === true) words.push('eos');
  }
  if (reply.requestTrailers !== undefined) words.push('requestTrailers');
  if (reply.responseTrailers !== undefined) words.push('responseTrailers');
  if (reply.dynamicMetadata !== undefined) words.push('+metadata');
  return words.join(' ');
}

function quote(bytes: Uint8Array | undefined): string {
  const text = Buffer.from(bytes ?? []).toString();
  return text.length > 40 ? `"${text.length} bytes"` : `"${text}"`;
}
