import { nextInt, type Rng } from '../util/rng.ts';

/** 16 hexadecimal digits, as vLLM names requests. */
export function newId(rng: Rng): string {
  let id = '';
  for (let i = 0; i < 4; i += 1) id += nextInt(rng, 0x10000).toString(16).padStart(4, '0');
  return id;
}

/** A random UUID (version 4). */
export function newUuid(rng: Rng): string {
  const hex = newId(rng) + newId(rng);
  const variant = '89ab'[nextInt(rng, 4)] ?? '8';
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}
