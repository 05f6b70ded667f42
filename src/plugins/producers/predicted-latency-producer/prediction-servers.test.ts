import { expect, test } from 'vitest';
import { RecordingLog } from '../../../../test/support/builders.ts';
import { FakeClock } from '../../../../test/support/fake-clock.ts';
import { SeededRng } from '../../../util/rng.ts';
import { PredictionServers } from './prediction-servers.ts';

function setUp(...urls: string[]) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  return { clock, log, servers: new PredictionServers(urls, { clock, log, rng: new SeededRng(1) }) };
}

test('three failures pause a server; one call at a time finds out whether it is back', () => {
  const { clock, log, servers } = setUp('a');
  for (let i = 0; i < 3; i += 1) {
    const server = servers.pick();
    if (server === undefined) throw new Error('there is one');
    servers.failed(server, new Error('down'));
  }
  expect([servers.hasAny, servers.pick()]).toEqual([false, undefined]);
  for (const pauseMs of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    clock.advance(pauseMs - 1);
    expect(servers.hasAny).toBe(false);
    clock.advance(1);
    const server = servers.pick();
    if (server === undefined) throw new Error(`it may be asked after ${pauseMs} ms`);
    expect(servers.pick()).toBeUndefined();
    servers.failed(server, new Error('down'));
  }
  clock.advance(30_000);
  const server = servers.pick();
  if (server !== undefined) servers.succeeded(server);
  expect([servers.hasAny, servers.pick()?.url]).toEqual([true, 'a']);
  expect(log.lines.map(({ level }) => level)).toEqual(['warn', 'info']);
});

test('a success between failures starts the count anew; an untrained server is not asked', () => {
  const { servers } = setUp('a', 'b');
  const [a, b] = servers.all;
  if (a === undefined || b === undefined) throw new Error('there are two');
  for (let i = 0; i < 5; i += 1) {
    servers.failed(a, new Error('x'));
    servers.failed(a, new Error('x'));
    servers.succeeded(a);
  }
  b.isUntrained = true;
  expect(Array.from({ length: 20 }, () => servers.pick()?.url)).toEqual(
    Array.from({ length: 20 }, () => 'a'),
  );
  a.isUntrained = true;
  expect(servers.hasAny).toBe(false);
});
