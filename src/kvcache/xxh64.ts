import { assemble } from './wasm-assembler.ts';
import {
  HASHES_AT,
  HASHES_MAX,
  INPUT_AT,
  INPUT_BYTES,
  LINK_AT,
  RESULT_AT,
  XXH64_PROGRAM,
} from './xxh64-program.ts';

/** What `XXH64_PROGRAM` exports; addresses are bytes in its memory. */
interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  begin(): void;
  stripes(at: number, end: number): void;
  digest(at: number, end: number, total: number): void;
  contents(at: number, end: number, blockBytes: number, out: number): void;
  chain(at: number, end: number): void;
}

/** The part of the global that is used here; the Node types do not declare it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

let kernel: Kernel | undefined;

function sharedKernel(): Kernel {
  kernel ??= instantiate();
  return kernel;
}

function instantiate(): Kernel {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble(XXH64_PROGRAM)));
  return exports as Kernel; // XXH64_PROGRAM declares exactly these
}

/** UTF-8 of one UTF-16 unit takes 3 bytes at most; 32 are left for the rest of a stripe. */
const TEXT_UNITS = Math.floor((INPUT_BYTES - 32) / 3);

/**
 * XXH64 with seed 0 in a small WebAssembly module of fixed memory (256 KiB): 64-bit arithmetic stays inside, hashes
 * come out as pairs of uint32 (low, high), and a call hashes up to 64 KiB of blocks. 400 kB in blocks of 256 bytes
 * take a quarter of what `h64Raw` of xxhash-wasm takes with its BigInt per block (bench/micro/prefix-hash.bench.ts).
 * All objects share one module: what a call leaves in fields is valid until the next call of any of them.
 */
export class Xxh64 {
  readonly #kernel = sharedKernel();
  readonly #input: Buffer;
  readonly #hashes: Uint32Array;
  readonly #link: Uint32Array;
  readonly #result: Uint32Array;

  constructor() {
    const { buffer } = this.#kernel.memory;
    this.#input = Buffer.from(buffer, INPUT_AT, INPUT_BYTES);
    this.#hashes = new Uint32Array(buffer, HASHES_AT, 2 * HASHES_MAX);
    this.#link = new Uint32Array(buffer, LINK_AT, 4);
    this.#result = new Uint32Array(buffer, RESULT_AT, 2);
  }

  /** Low half of the last `digest` or `digestText`. */
  get low(): number {
    return this.#result[0] ?? 0;
  }

  /** High half of the last `digest` or `digestText`. */
  get high(): number {
    return this.#result[1] ?? 0;
  }

  /** Hashes `bytes`, of any length; the result is in `low` and `high`. */
  digest(bytes: Uint8Array): void {
    this.#kernel.begin();
    let at = 0;
    for (; bytes.length - at > INPUT_BYTES; at += INPUT_BYTES) {
      this.#input.set(bytes.subarray(at, at + INPUT_BYTES));
      this.#kernel.stripes(INPUT_AT, INPUT_AT + INPUT_BYTES);
    }
    this.#input.set(at === 0 ? bytes : bytes.subarray(at));
    this.#finish(bytes.length - at, bytes.length);
  }

  /** Hashes the UTF-8 form of `text`, of any length; the result is in `low` and `high`. */
  digestText(text: string): void {
    this.#kernel.begin();
    let total = 0;
    let filled = 0;
    for (let at = 0; at < text.length; ) {
      let end = Math.min(text.length, at + TEXT_UNITS);
      if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end -= 1; // keep pairs whole
      const part = at === 0 && end === text.length ? text : text.slice(at, end);
      const written = this.#input.write(part, filled, 'utf8');
      total += written;
      filled += written;
      at = end;
      if (at < text.length) {
        const whole = filled & ~31;
        this.#kernel.stripes(INPUT_AT, INPUT_AT + whole);
        this.#input.copyWithin(0, whole, filled);
        filled -= whole;
      }
    }
    this.#finish(filled, total);
  }

  /**
   * Hashes each run of `blockBytes` of `bytes` by itself, the last of which may be shorter, and writes the pairs to
   * `out` from block `at` on. Returns the number of blocks. Says nothing about order: see `chain`.
   */
  contents(bytes: Uint8Array, blockBytes: number, out: Uint32Array, at: number): number {
    if (blockBytes > INPUT_BYTES) return this.#largeContents(bytes, blockBytes, out, at);
    const perCall = Math.floor(INPUT_BYTES / blockBytes) * blockBytes;
    let block = at;
    for (let from = 0; from < bytes.length; from += perCall) {
      const size = Math.min(perCall, bytes.length - from);
      this.#input.set(size === bytes.length ? bytes : bytes.subarray(from, from + size));
      this.#kernel.contents(INPUT_AT, INPUT_AT + size, blockBytes, HASHES_AT);
      const blocks = Math.ceil(size / blockBytes);
      out.set(this.#hashes.subarray(0, 2 * blocks), 2 * block);
      block += blocks;
    }
    return block - at;
  }

  /**
   * Replaces the content hashes of blocks `from` to `to` of `hashes` by hash(content ++ hash before), 8 bytes each,
   * little-endian. `seedLow`, `seedHigh`: what stands before the first.
   */
  chain(hashes: Uint32Array, range: { readonly from: number; readonly to: number }, seed: Seed): void {
    this.#link[2] = seed.low;
    this.#link[3] = seed.high;
    for (let from = range.from; from < range.to; from += HASHES_MAX) {
      const to = Math.min(range.to, from + HASHES_MAX);
      this.#hashes.set(hashes.subarray(2 * from, 2 * to));
      this.#kernel.chain(HASHES_AT, HASHES_AT + 8 * (to - from));
      hashes.set(this.#hashes.subarray(0, 2 * (to - from)), 2 * from);
    }
  }

  #largeContents(bytes: Uint8Array, blockBytes: number, out: Uint32Array, at: number): number {
    let block = at;
    for (let from = 0; from < bytes.length; from += blockBytes) {
      this.digest(bytes.subarray(from, from + blockBytes));
      out[2 * block] = this.low;
      out[2 * block + 1] = this.high;
      block += 1;
    }
    return block - at;
  }

  /** Takes in the `filled` bytes of the input area that remain of `total`. */
  #finish(filled: number, total: number): void {
    const whole = INPUT_AT + (filled & ~31);
    this.#kernel.stripes(INPUT_AT, whole);
    this.#kernel.digest(whole, INPUT_AT + filled, total);
  }
}

/** A 64-bit hash as two unsigned halves. */
export interface Seed {
  readonly low: number;
  readonly high: number;
}
