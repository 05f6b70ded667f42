// How much the header block of a stream costs: seven fields from the tables, and a request id and a trace new each time.
import { bench, do_not_optimize, run } from 'mitata';
import { HpackDecoder } from '../../src/extproc/transport/wire/hpack/decoder.ts';
import { nextInt, SeededRng } from '../../src/util/rng.ts';
import { decodeBlock, type Field, stringLiteral } from '../../test/support/hpack.ts';

/** Every field enters the dynamic table, as Envoy sends a block for the first time. */
const FIRST: readonly Field[] = [
  [':path', '/envoy.service.ext_proc.v3.ExternalProcessor/Process'],
  [':authority', 'endpoint-picker'],
  ['te', 'trailers'],
  ['content-type', 'application/grpc'],
  ['x-envoy-internal', 'true'],
  ['x-forwarded-for', '10.0.0.7'],
];

const rng = new SeededRng(1);
const hex = (digits: number) => Array.from({ length: digits }, () => nextInt(rng, 16).toString(16)).join('');

/** A literal field with a new name and a value of 36 bytes, Huffman both; `kind`: 0x00 enters no table, 0x40 does. */
function literal(kind: number, name: string): Buffer {
  const value = `${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}`;
  return Buffer.concat([Buffer.of(kind), stringLiteral(name, 'huffman'), stringLiteral(value, 'huffman')]);
}

/** As one of many blocks in a read buffer of 64 KiB. */
function blocksOf(make: () => Buffer): { bytes: Buffer; ends: number[] } {
  const parts = Array.from({ length: 256 }, make);
  let end = 0;
  return { bytes: Buffer.concat(parts), ends: parts.map((part) => (end += part.length)) };
}

const literals = (kind: number) => () =>
  Buffer.concat([literal(kind, 'x-request-id'), literal(kind, 'traceparent')]);
const indices = Buffer.of(0x83, 0xbe, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3);

const CASES = [
  ['7 indexed fields', () => indices],
  ['7 indexed fields and 2 Huffman literals', () => Buffer.concat([indices, literals(0x00)()])],
  ['2 Huffman literals of 36 bytes, new names', literals(0x00)],
  ['2 Huffman literals that enter the table', literals(0x40)],
] as const;

let characters = 0;
const sink = {
  header(name: string, value: string) {
    characters += name.length + value.length;
  },
};

for (const [what, make] of CASES) {
  const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 16_384 });
  const parts = FIRST.map(([name, value]) => [
    Buffer.of(0x40),
    stringLiteral(name, 'raw'),
    stringLiteral(value, 'raw'),
  ]);
  decodeBlock(decoder, Buffer.concat(parts.flat()));
  const { bytes, ends } = blocksOf(make);
  let next = 0;
  bench(what, () => {
    const at = next === 0 ? 0 : (ends[next - 1] ?? 0);
    decoder.decode(bytes, at, ends[next] ?? 0, sink);
    next = (next + 1) & 0xff;
    return do_not_optimize(characters);
  });
}

await run({ throw: true });
