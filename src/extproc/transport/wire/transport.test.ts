import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { eventually } from '../../../../test/support/eventually.ts';
import { FakeClock } from '../../../../test/support/fake-clock.ts';
import { RawHttp2Client } from '../../../../test/support/raw-http2.ts';
import { serveTransport } from '../../../../test/support/transport-server.ts';
import { WireTransport } from './transport.ts';

test('one timer serves all connections, and none is left with the last of them', async () => {
  const clock = new FakeClock();
  const transport = new WireTransport({ methods: new Map(), maxReceiveBytes: 1000 }, clock);
  await using server = await serveTransport(transport);
  for (let round = 0; round < 2; round += 1) {
    expect(clock.pendingTimers).toBe(0);
    const clients = [await RawHttp2Client.connect(server.port), await RawHttp2Client.connect(server.port)];
    for (const client of clients) await client.roundTrip();
    expect(clock.pendingTimers).toBe(1);
    for (const client of clients) await client[Symbol.asyncDispose]();
    await eventually(() => expect(clock.pendingTimers).toBe(0));
  }
  await transport.drain();
});

test('a socket that broke before it was accepted is no connection', async () => {
  const clock = new FakeClock();
  const transport = new WireTransport({ methods: new Map(), maxReceiveBytes: 1000 }, clock);
  transport.accept(new Socket().destroy());
  expect(clock.pendingTimers).toBe(0);
  await transport.drain();
});

test('no connection is taken once it drains or is closed', async () => {
  for (const end of ['drain', 'close'] as const) {
    const transport = new WireTransport({ methods: new Map(), maxReceiveBytes: 1000 }, new FakeClock());
    await transport[end]();
    const socket = new Socket();
    transport.accept(socket);
    expect(socket.destroyed).toBe(true);
  }
});
