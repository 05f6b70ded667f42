/** Instructions: opcodes and their immediates, nested as it suits the writer. */
export type Code = number | readonly Code[];

const I32 = 0x7f;
const I64 = 0x7e;

/** Value types by the letters used in signatures. */
const VALUE_TYPES = { i: I32, I: I64 } as const;

/** A signature: parameters and local variables, one letter each: `i` for i32, `I` for i64. */
export interface WasmFunction {
  readonly params: string;
  /** Whether the function leaves one i64 as its result. */
  readonly returnsI64: boolean;
  readonly locals: string;
  readonly body: Code;
  /** Name under which JavaScript calls it; undefined for internal functions. */
  readonly exportAs?: string;
}

/** A module with one exported memory (`memory`) of fixed size and i64 globals that start at 0. */
export interface WasmProgram {
  /** Pages of 64 KiB. */
  readonly memoryPages: number;
  readonly globals: number;
  /** `call(n)` calls the n-th. */
  readonly functions: readonly WasmFunction[];
}

/** Value of local variable `index`; parameters come first. */
export const local = (index: number): Code => [0x20, unsigned(index)];
export const setLocal = (index: number, value: Code): Code => [value, 0x21, unsigned(index)];
export const global = (index: number): Code => [0x23, unsigned(index)];
export const setGlobal = (index: number, value: Code): Code => [value, 0x24, unsigned(index)];
export const call = (index: number, ...args: readonly Code[]): Code => [args, 0x10, unsigned(index)];
/** Runs `body` as long as `condition` (i32) is not 0. */
export const whileLoop = (condition: Code, body: Code): Code => [
  [0x02, 0x40, 0x03, 0x40], // block { loop {
  [condition, 0x45, 0x0d, 1], // leave the block when the condition is 0
  [body, 0x0c, 0],
  [0x0b, 0x0b],
];
/** Runs one of two bodies that leave nothing on the stack. */
export const ifElse = (condition: Code, then: Code, otherwise: Code): Code => [
  [condition, 0x04, 0x40],
  [then, 0x05, otherwise, 0x0b],
];

export const i32 = (value: number): Code => [0x41, signed(BigInt(value | 0))];
export const i32Add = (a: Code, b: Code): Code => [a, b, 0x6a];
export const i32Sub = (a: Code, b: Code): Code => [a, b, 0x6b];
export const i32And = (a: Code, b: Code): Code => [a, b, 0x71];
/** a < b, unsigned. */
export const i32Less = (a: Code, b: Code): Code => [a, b, 0x49];
/** a if the condition is not 0, else b. */
export const select = (a: Code, b: Code, condition: Code): Code => [a, b, condition, 0x1b];

export const i64 = (value: bigint): Code => [0x42, signed(BigInt.asIntN(64, value))];
export const i64Add = (a: Code, b: Code): Code => [a, b, 0x7c];
export const i64Sub = (a: Code, b: Code): Code => [a, b, 0x7d];
export const i64Mul = (a: Code, b: Code): Code => [a, b, 0x7e];
export const i64Xor = (a: Code, b: Code): Code => [a, b, 0x85];
export const i64ShiftRight = (a: Code, bits: number): Code => [a, i64(BigInt(bits)), 0x88];
export const i64RotateLeft = (a: Code, bits: number): Code => [a, i64(BigInt(bits)), 0x89];
/** i32, taken as unsigned, widened to i64. */
export const i64Extend = (a: Code): Code => [a, 0xad];

/** Little-endian reads at `address + offset`, any alignment, widened to i64 without sign. */
export const load64 = (address: Code, offset = 0): Code => [address, 0x29, 0, unsigned(offset)];
export const load32 = (address: Code, offset = 0): Code => [address, 0x35, 0, unsigned(offset)];
export const load8 = (address: Code, offset = 0): Code => [address, 0x31, 0, unsigned(offset)];
/** Writes 8 bytes, little-endian, at `address`. */
export const store64 = (address: Code, value: Code): Code => [address, value, 0x37, 0, 0];

/**
 * The module in WebAssembly's binary format: enough of it for small arithmetic kernels whose source should be read
 * in this repository instead of shipping a binary. https://webassembly.github.io/spec/core/binary/
 */
export function assemble(program: WasmProgram): Uint8Array<ArrayBuffer> {
  const { functions } = program;
  const exported = functions.flatMap(({ exportAs }, index) =>
    exportAs === undefined ? [] : [[name(exportAs), 0x00, unsigned(index)]],
  );
  const bytes: number[] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  const sections: readonly [number, readonly Code[]][] = [
    [1, functions.map((f) => [0x60, types(f.params), f.returnsI64 ? [1, I64] : 0])],
    [3, functions.map((_, index) => unsigned(index))],
    [5, [[0x01, unsigned(program.memoryPages), unsigned(program.memoryPages)]]],
    [6, Array.from({ length: program.globals }, () => [I64, 1, 0x42, 0, 0x0b])],
    [7, [[name('memory'), 0x02, 0], ...exported]],
    [10, functions.map((f) => sized([unsigned(f.locals.length), [...f.locals].map(oneLocal), f.body, 0x0b]))],
  ];
  for (const [id, items] of sections) {
    flatten([id, sized([unsigned(items.length), items])], bytes);
  }
  return Uint8Array.from(bytes);
}

function valueType(letter: string): number {
  return letter === 'I' ? VALUE_TYPES.I : VALUE_TYPES.i;
}

function oneLocal(letter: string): Code {
  return [1, valueType(letter)];
}

function types(letters: string): Code {
  return [unsigned(letters.length), [...letters].map(valueType)];
}

function name(text: string): Code {
  return [unsigned(text.length), [...Buffer.from(text)]];
}

/** `code` after its own length in bytes. */
function sized(code: Code): Code {
  const bytes: number[] = [];
  flatten(code, bytes);
  return [unsigned(bytes.length), bytes];
}

function flatten(code: Code, out: number[]): void {
  if (typeof code === 'number') out.push(code);
  else for (const part of code) flatten(part, out);
}

/** LEB128 of a non-negative integer. */
function unsigned(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  out.push(rest);
  return out;
}

/** LEB128 of a signed integer. */
function signed(value: bigint): number[] {
  const out: number[] = [];
  let rest = value;
  for (;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && byte < 0x40) || (rest === -1n && byte >= 0x40)) {
      out.push(byte);
      return out;
    }
    out.push(byte | 0x80);
  }
}
