// SipHash-2-4 over int32 words (Aumasson and Bernstein, public domain), for values that peers get to see. What is hashed,
// and why, is isn.ts; the hash of tables is ../keyed-hash.ts.

/**
 * SipHash-2-4 of a message of int32 words, low half of the 64-bit result in `low`, high half in `high`.
 *
 * 64-bit words are pairs of int32: BigInt would allocate. For connection set-up and single messages, not for every packet.
 */
export class SipHash {
  low: number;
  high: number;
  private readonly k0: number;
  private readonly k1: number;
  private readonly k2: number;
  private readonly k3: number;

  /** The 128-bit key as four little-endian words. */
  constructor(k0: number, k1: number, k2: number, k3: number) {
    this.low = 0;
    this.high = 0;
    this.k0 = k0 | 0;
    this.k1 = k1 | 0;
    this.k2 = k2 | 0;
    this.k3 = k3 | 0;
  }

  /** Hashes `words`, little-endian, four bytes each. */
  hash(words: Int32Array): void {
    // The state v0 … v3 in locals, which V8 keeps in registers; `a` is the low half of v0, `A` its high half, and so on.
    let a = this.k0 ^ 0x70736575;
    let A = this.k1 ^ 0x736f6d65;
    let b = this.k2 ^ 0x6e646f6d;
    let B = this.k3 ^ 0x646f7261;
    let c = this.k0 ^ 0x6e657261;
    let C = this.k1 ^ 0x6c796765;
    let d = this.k2 ^ 0x79746573;
    let D = this.k3 ^ 0x74656462;
    const count = words.length;
    const blocks = (count >> 1) + 1;
    // One block at a time, the length in the last one's top byte; then the finalization, as a block of zeros.
    for (let block = 0; block <= blocks; block++) {
      const at = block << 1;
      let low = at < count ? words[at]! : 0;
      let high = at + 1 < count ? words[at + 1]! : 0;
      let rounds = 2;
      if (block === blocks - 1) high = (count * 4) << 24;
      else if (block === blocks) {
        low = 0;
        high = 0;
        rounds = 4;
        c ^= 0xff;
      }
      d ^= low;
      D ^= high;
      for (let round = 0; round < rounds; round++) {
        let sum = (a + b) | 0;
        A = (A + B + carry(a, b, sum)) | 0;
        a = sum;
        let turned = (b << 13) | (B >>> 19);
        B = ((B << 13) | (b >>> 19)) ^ A;
        b = turned ^ a;
        turned = a;
        a = A;
        A = turned;
        sum = (c + d) | 0;
        C = (C + D + carry(c, d, sum)) | 0;
        c = sum;
        turned = (d << 16) | (D >>> 16);
        D = ((D << 16) | (d >>> 16)) ^ C;
        d = turned ^ c;
        sum = (a + d) | 0;
        A = (A + D + carry(a, d, sum)) | 0;
        a = sum;
        turned = (d << 21) | (D >>> 11);
        D = ((D << 21) | (d >>> 11)) ^ A;
        d = turned ^ a;
        sum = (c + b) | 0;
        C = (C + B + carry(c, b, sum)) | 0;
        c = sum;
        turned = (b << 17) | (B >>> 15);
        B = ((B << 17) | (b >>> 15)) ^ C;
        b = turned ^ c;
        turned = c;
        c = C;
        C = turned;
      }
      a ^= low;
      A ^= high;
    }
    this.low = a ^ b ^ c ^ d;
    this.high = A ^ B ^ C ^ D;
  }
}

/** The bit that an addition of low halves carries: where both had a 1, or one had and the sum has not. */
function carry(x: number, y: number, sum: number): number {
  return ((x & y) | ((x | y) & ~sum)) >>> 31;
}
