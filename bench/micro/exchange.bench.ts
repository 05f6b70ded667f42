// What does an exchange cost above the transport: codec, parsing, decision, usage, metrics, and the garbage of all that?
// No collection is forced, so the averages hold their share of it. The budgets are 15 µs for the first row, 1 µs for each
// chunk of a stream and 500 µs for a prompt of 100k tokens.
import { bench, do_not_optimize, run } from 'mitata';
import { ExchangeLoad, pickerServices } from './exchange-fixtures.ts';

const BODY_CHUNK_BYTES = 65_536;
const WARM_UP_MS = 1000;

const SHAPES = [
  { name: '1 kB prompt, 1 chunk', promptBytes: 1000, responseChunks: 1, turns: 1 },
  { name: '1 kB prompt, 100 chunks', promptBytes: 1000, responseChunks: 100, turns: 1 },
  { name: '8 kB prompt, 300 chunks', promptBytes: 8000, responseChunks: 300, turns: 1 },
  { name: '450 kB prompt, 1 chunk', promptBytes: 450_000, responseChunks: 1, turns: 1 },
  { name: '8 kB more in each of 10 turns, 1 chunk', promptBytes: 8000, responseChunks: 1, turns: 10 },
];

const services = pickerServices();
for (const { name, ...shape } of SHAPES) {
  const load = new ExchangeLoad(services, { ...shape, bodyChunkBytes: BODY_CHUNK_BYTES });
  bench(name, function* () {
    const end = performance.now() + WARM_UP_MS;
    while (performance.now() < end) load.run();
    yield () => do_not_optimize(load.run());
  });
}

await run({ throw: true });
