import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { randomSeed, SeededRng } from '../util/rng.ts';
import { freePorts } from './free-ports.ts';

test('the ports differ and can be listened on; a taken one is passed over', async () => {
  const seed = randomSeed();
  const [first = 0] = await freePorts(1, new SeededRng(seed));
  const taken = createServer().listen(first, '127.0.0.1');
  await once(taken, 'listening');
  const ports = await freePorts(3, new SeededRng(seed));
  expect(new Set([first, ...ports]).size).toBe(4);
  taken.close();
});
