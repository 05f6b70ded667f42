import {
  type Code,
  call,
  global,
  i32,
  i32Add,
  i32And,
  i32Less,
  i32Sub,
  i64,
  i64Add,
  i64Extend,
  i64Mul,
  i64RotateLeft,
  i64ShiftRight,
  i64Sub,
  i64Xor,
  ifElse,
  load8,
  load32,
  load64,
  local,
  select,
  setGlobal,
  setLocal,
  store64,
  type WasmProgram,
  whileLoop,
} from './wasm-assembler.ts';

/** Two words of 8 bytes: content hash and the hash of the block before; input of one link of a chain. */
export const LINK_AT = 0;
/** 8 bytes: where `digest` leaves its result. */
export const RESULT_AT = 16;
/** Bytes to hash. */
export const INPUT_AT = 64;
export const INPUT_BYTES = 65_536;
/** Hashes of blocks, 8 bytes each; one per 4 input bytes at most. */
export const HASHES_AT = INPUT_AT + INPUT_BYTES;
export const HASHES_MAX = INPUT_BYTES / 4;

const P1 = i64(0x9e3779b185ebca87n);
const P2 = i64(0xc2b2ae3d27d4eb4fn);
const P3 = i64(0x165667b19e3779f9n);
const P4 = i64(0x85ebca77c2b2ae63n);
const P5 = i64(0x27d4eb2f165667c5n);
const ZERO = i64(0n);

const round = (accumulator: Code, lane: Code): Code =>
  i64Mul(i64RotateLeft(i64Add(accumulator, i64Mul(lane, P2)), 31), P1);
const mergeRound = (hash: Code, accumulator: Code): Code =>
  i64Add(i64Mul(i64Xor(hash, round(ZERO, accumulator)), P1), P4);

const BEGIN = 0;
const STRIPES = 1;
const FINISH = 2;

/** Accumulators for seed 0 into the four globals. */
const begin: Code = [
  setGlobal(0, i64Add(P1, P2)),
  setGlobal(1, P2),
  setGlobal(2, ZERO),
  setGlobal(3, i64Sub(ZERO, P1)),
];

/** (at, end): takes in whole stripes of 32 bytes. */
function stripes(): Code {
  const [at, end, v1, v2, v3, v4] = [0, 1, 2, 3, 4, 5];
  const accumulators = [v1, v2, v3, v4];
  return [
    accumulators.map((v, n) => setLocal(v, global(n))),
    whileLoop(i32Less(local(at), local(end)), [
      accumulators.map((v, n) => setLocal(v, round(local(v), load64(local(at), 8 * n)))),
      setLocal(at, i32Add(local(at), i32(32))),
    ]),
    accumulators.map((v, n) => setGlobal(n, local(v))),
  ];
}

/** (at, end, total) → hash: the rest of fewer than 32 bytes, `total` counting all bytes of the input. */
function finish(): Code {
  const [at, end, total, hash] = [0, 1, 2, 3];
  const left = i32Sub(local(end), local(at));
  const advance = (bytes: number) => setLocal(at, i32Add(local(at), i32(bytes)));
  const whileLeft = (bytes: number, body: Code) =>
    whileLoop([i32Less(left, i32(bytes)), 0x45], [body, advance(bytes)]); // 0x45: not
  const mix = (value: Code, rotation: number, [factor, addend]: readonly [Code, Code]) =>
    setLocal(hash, i64Add(i64Mul(i64RotateLeft(i64Xor(local(hash), value), rotation), factor), addend));
  const avalanche = (shift: number) => setLocal(hash, i64Xor(local(hash), i64ShiftRight(local(hash), shift)));
  return [
    ifElse(i32Less(local(total), i32(32)), setLocal(hash, P5), [
      setLocal(
        hash,
        i64Add(
          i64Add(i64RotateLeft(global(0), 1), i64RotateLeft(global(1), 7)),
          i64Add(i64RotateLeft(global(2), 12), i64RotateLeft(global(3), 18)),
        ),
      ),
      [0, 1, 2, 3].map((n) => setLocal(hash, mergeRound(local(hash), global(n)))),
    ]),
    setLocal(hash, i64Add(local(hash), i64Extend(local(total)))),
    whileLeft(8, mix(round(ZERO, load64(local(at))), 27, [P1, P4])),
    whileLeft(4, mix(i64Mul(load32(local(at)), P1), 23, [P2, P3])),
    whileLeft(1, mix(i64Mul(load8(local(at)), P5), 11, [P1, ZERO])),
    avalanche(33),
    setLocal(hash, i64Mul(local(hash), P2)),
    avalanche(29),
    setLocal(hash, i64Mul(local(hash), P3)),
    avalanche(32),
    local(hash),
  ];
}

/** (at, end, total): `finish` with the hash written to RESULT_AT. */
const digest: Code = store64(i32(RESULT_AT), call(FINISH, local(0), local(1), local(2)));

/** (at, end, blockBytes, out): one hash per block of the input, the last block may be shorter. */
function contents(): Code {
  const [at, end, blockBytes, out, size, whole] = [0, 1, 2, 3, 4, 5];
  const left = i32Sub(local(end), local(at));
  const afterWhole = i32Add(local(at), local(whole));
  return whileLoop(i32Less(local(at), local(end)), [
    setLocal(size, select(left, local(blockBytes), i32Less(left, local(blockBytes)))),
    setLocal(whole, i32And(local(size), i32(-32))),
    call(BEGIN),
    call(STRIPES, local(at), afterWhole),
    store64(local(out), call(FINISH, afterWhole, i32Add(local(at), local(size)), local(size))),
    setLocal(at, i32Add(local(at), local(size))),
    setLocal(out, i32Add(local(out), i32(8))),
  ]);
}

/** (at, end): replaces each content hash by hash(content ++ hash before), which starts at LINK_AT + 8. */
function chain(): Code {
  const [at, end, hash] = [0, 1, 2];
  return whileLoop(i32Less(local(at), local(end)), [
    store64(i32(LINK_AT), load64(local(at))),
    setLocal(hash, call(FINISH, i32(LINK_AT), i32(LINK_AT + 16), i32(16))),
    store64(local(at), local(hash)),
    store64(i32(LINK_AT + 8), local(hash)),
    setLocal(at, i32Add(local(at), i32(8))),
  ]);
}

/** XXH64 with seed 0 (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md), over blocks and chains of blocks. */
export const XXH64_PROGRAM: WasmProgram = {
  memoryPages: Math.ceil((HASHES_AT + HASHES_MAX * 8) / 65_536),
  globals: 4,
  functions: [
    { params: '', returnsI64: false, locals: '', body: begin, exportAs: 'begin' },
    { params: 'ii', returnsI64: false, locals: 'IIII', body: stripes(), exportAs: 'stripes' },
    { params: 'iii', returnsI64: true, locals: 'I', body: finish() },
    { params: 'iii', returnsI64: false, locals: '', body: digest, exportAs: 'digest' },
    { params: 'iiii', returnsI64: false, locals: 'ii', body: contents(), exportAs: 'contents' },
    { params: 'ii', returnsI64: false, locals: 'I', body: chain(), exportAs: 'chain' },
  ],
};
