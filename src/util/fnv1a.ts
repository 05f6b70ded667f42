/** FNV-1a of the UTF-8 form of `text`, 32 bits, unsigned (RFC 9923). */
export function fnv1a32(text: string): number {
  let hash = 0x811c_9dc5;
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return hash >>> 0;
}
