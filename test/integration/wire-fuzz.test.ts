import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { randomSeed } from '../../src/util/rng.ts';
import { eventually } from '../support/eventually.ts';
import { FrameFuzzer } from '../support/frame-fuzzer.ts';
import type { RawHttp2Client } from '../support/raw-http2.ts';
import { DEAF, ECHO, WireServer } from '../support/wire-server.ts';

/** A tenth may be sent when the server has given a connection up, and is not looked at. */
const FRAMES = 1_100_000;

/** After this many the code is compiled and pools are full: what is held from here on is a leak. */
const WARM_UP_FRAMES = 100_000;

/** Frames on one connection, unless it ends before. */
const FRAMES_PER_CONNECTION = 2000;

/** Frames in two writes, one of which may end within a frame. */
const FRAMES_PER_WRITE = 100;

/** Connections at a time. */
const LANES = 8;

/** Time that passes for the server with each connection, for floods to be forgiven and deadlines to pass. */
const STEP_MS = 2000;

const HEAP_MARGIN_BYTES = 16 << 20;

const TIMEOUT_MS = 120_000;

const PATHS = [ECHO, ECHO, ECHO, DEAF, '/unknown'];

test('a million random and mutated frames: no crash, no hang, no leak', { timeout: TIMEOUT_MS }, async () => {
  const seed = randomSeed();
  await using server = await WireServer.start();
  let sent = 0;
  let connections = 0;
  const run = async (until: number) => {
    const lane = async () => {
      while (sent < until) {
        connections += 1;
        await using client = await server.connect();
        const frames = await session(client, new FrameFuzzer(seed + connections, PATHS));
        sent += frames;
        await server.clock.advanceAsync(STEP_MS);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    await eventually(() => expect(server.connections).toBe(0));
    await eventually(() => expect(server.openCalls).toBe(0));
    await server.expectHealthy();
  };
  try {
    await run(WARM_UP_FRAMES);
    const before = await heldBytes();
    await run(FRAMES);
    expect((await heldBytes()) - before).toBeLessThan(HEAP_MARGIN_BYTES);
    expect(server.echo.opened).toBeGreaterThan(10_000);
    expect(server.echo.messages).toBeGreaterThan(10_000);
    expect(server.echo.cancelled).toBeGreaterThan(1000);
  } catch (error) {
    throw new Error(`seed ${seed}, after ${sent} frames on ${connections} connections`, { cause: error });
  }
});

/** Sends until the server has had enough; returns how many frames it was given. */
async function session(client: RawHttp2Client, fuzzer: FrameFuzzer): Promise<number> {
  let sent = 0;
  while (sent < FRAMES_PER_CONNECTION && !client.hasGoneAway && !client.isClosed) {
    const bytes = Buffer.concat(Array.from({ length: FRAMES_PER_WRITE }, () => fuzzer.next()));
    const border = fuzzer.border(bytes.length);
    await client.flush(bytes.subarray(0, border));
    await nextTurn();
    await client.flush(bytes.subarray(border));
    await nextTurn();
    sent += FRAMES_PER_WRITE;
  }
  return sent;
}

/** Heap and buffers after full collections: one finds what the one before let go of. */
async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i += 1) {
    collect();
    await nextTurn();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
