// The hash of the key table: HalfSipHash-1-3 (Aumasson and Bernstein, https://github.com/veorq/SipHash), keyed, because
// clients choose the keys. The table is key-table.ts.

import type { Region } from '@demikernel/memory';

/** Keyed hash of a stretch of bytes. */
export class KeyHash {
  private readonly key0: number;
  private readonly key1: number;

  /** @param key0 a random word @param key1 another */
  constructor(key0: number, key1: number) {
    this.key0 = key0 | 0;
    this.key1 = key1 | 0;
  }

  /** The hash, int32, of `lengthBytes` bytes at `offset`. */
  of(region: Region, offset: number, lengthBytes: number): number {
    const { view } = region;
    let v0 = this.key0;
    let v1 = this.key1;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    const wordsEnd = offset + (lengthBytes & ~3);
    let at = offset;
    let last = lengthBytes << 24;
    for (let i = lengthBytes & 3; i > 0; i--) last |= view.getUint8(wordsEnd + i - 1) << ((i - 1) << 3);
    // One round per word, the last one with the bytes left over and the length.
    for (;;) {
      const word = at < wordsEnd ? view.getInt32(at, true) : last;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
      if (at >= wordsEnd) break;
      at += 4;
    }
    v2 ^= 0xff;
    for (let round = 0; round < 3; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    return v1 ^ v3;
  }
}
