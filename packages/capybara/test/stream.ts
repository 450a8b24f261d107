// Streams whose bytes know their place: what is lost, repeated or changed on the way is seen.

/** The byte at a position of a stream, different for each seed. Also runs in other processes, as text. */
export function byteAt(seed: number, position: number): number {
  return (Math.imul(position + seed, 0x9e3779b1) >>> 21) & 0xff;
}

export function fillBytes(bytes: Uint8Array, seed: number, position: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = byteAt(seed, position + i);
}

/** Index of the first byte that does not belong at its position, or -1. */
export function firstWrong(bytes: Uint8Array, seed: number, position: number): number {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== byteAt(seed, position + i)) return i;
  return -1;
}
