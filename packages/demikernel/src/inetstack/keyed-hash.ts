// The hash of every table that peers can fill: multilinear over 16-bit halves, with secret multipliers. The tables are
// flow-table.ts and tcp/demultiplexer.ts; hashes whose values peers get to see are tcp/siphash.ts.

import { SeededRandom } from '../runtime/random.ts';

/**
 * h = Σ mᵢ·xᵢ + m mod 2³² over the 16-bit halves xᵢ of the key; the result has bits 15 to 31 of it lowest.
 *
 * Whoever chooses the keys but does not know the multipliers gains nothing: for any two keys, the lowest l ≤ 17 bits of the
 * results are equal with probability 2⁻ˡ, and every pair of values is equally likely (Dietzfelbinger, STACS'96, theorem 3:
 * 16-bit pieces, 32-bit arithmetic). No peer sees a result, so it cannot learn the multipliers from them. The products do
 * not wait for each other: a third of what HalfSipHash-1-3 costs.
 */
export class KeyedHash {
  private readonly m0: number;
  private readonly m1: number;
  private readonly m2: number;
  private readonly m3: number;
  private readonly m4: number;
  private readonly m5: number;
  private readonly addend: number;

  /** @param secret two random words, from which the multipliers are drawn */
  constructor(secret: number, otherSecret: number) {
    const first = new SeededRandom(secret);
    const second = new SeededRandom(otherSecret);
    const draw = (): number => (first.int32() + Math.imul(second.int32(), 0x9e3779b1)) | 0;
    this.m0 = draw();
    this.m1 = draw();
    this.m2 = draw();
    this.m3 = draw();
    this.m4 = draw();
    this.m5 = draw();
    this.addend = draw();
  }

  /** Hash of two int32 words. */
  pair(a: number, b: number): number {
    const hash =
      (((Math.imul(this.m0, a & 0xffff) + Math.imul(this.m1, a >>> 16)) | 0) +
        ((Math.imul(this.m2, b & 0xffff) + Math.imul(this.m3, b >>> 16)) | 0) +
        this.addend) |
      0;
    return (hash >>> 15) | (hash << 17);
  }

  /** Hash of three int32 words. */
  triple(a: number, b: number, c: number): number {
    const hash =
      (((Math.imul(this.m0, a & 0xffff) + Math.imul(this.m1, a >>> 16)) | 0) +
        ((Math.imul(this.m2, b & 0xffff) + Math.imul(this.m3, b >>> 16)) | 0) +
        ((Math.imul(this.m4, c & 0xffff) + Math.imul(this.m5, c >>> 16)) | 0) +
        this.addend) |
      0;
    return (hash >>> 15) | (hash << 17);
  }
}
