// SipHash-2-4 over int32 words (Aumasson and Bernstein, public domain), for values that peers get to see. What is hashed,
// and why, is isn.ts; the hash of tables is ../keyed-hash.ts.

/**
 * SipHash-2-4 of a message of int32 words, low half of the 64-bit result in `low`, high half in `high`.
 *
 * 64-bit words are pairs of int32: BigInt would allocate. For connection set-up, not for every packet.
 */
export class SipHash {
  low: number;
  high: number;
  private readonly k0: number;
  private readonly k1: number;
  private readonly k2: number;
  private readonly k3: number;
  // The state v0 … v3, low and high halves.
  private readonly v: Int32Array;

  /** The 128-bit key as four little-endian words. */
  constructor(k0: number, k1: number, k2: number, k3: number) {
    this.low = 0;
    this.high = 0;
    this.k0 = k0 | 0;
    this.k1 = k1 | 0;
    this.k2 = k2 | 0;
    this.k3 = k3 | 0;
    this.v = new Int32Array(8);
  }

  /** Hashes `words`, little-endian, four bytes each. */
  hash(words: Int32Array): void {
    const v = this.v;
    v[0] = this.k0 ^ 0x70736575;
    v[1] = this.k1 ^ 0x736f6d65;
    v[2] = this.k2 ^ 0x6e646f6d;
    v[3] = this.k3 ^ 0x646f7261;
    v[4] = this.k0 ^ 0x6e657261;
    v[5] = this.k1 ^ 0x6c796765;
    v[6] = this.k2 ^ 0x79746573;
    v[7] = this.k3 ^ 0x74656462;
    const count = words.length;
    let i = 0;
    for (; i + 1 < count; i += 2) this.compress(words[i]!, words[i + 1]!);
    // The last block carries what is left and the length in bytes in its top byte.
    this.compress(i < count ? words[i]! : 0, (count * 4) << 24);
    v[4] = v[4]! ^ 0xff;
    for (let round = 0; round < 4; round++) this.round();
    this.low = v[0]! ^ v[2]! ^ v[4]! ^ v[6]!;
    this.high = v[1]! ^ v[3]! ^ v[5]! ^ v[7]!;
  }

  private compress(low: number, high: number): void {
    const v = this.v;
    v[6] = v[6]! ^ low;
    v[7] = v[7]! ^ high;
    this.round();
    this.round();
    v[0] = v[0]! ^ low;
    v[1] = v[1]! ^ high;
  }

  private round(): void {
    const v = this.v;
    add(v, 0, 2);
    rotate(v, 2, 13);
    xor(v, 2, 0);
    swap(v, 0);
    add(v, 4, 6);
    rotate(v, 6, 16);
    xor(v, 6, 4);
    add(v, 0, 6);
    rotate(v, 6, 21);
    xor(v, 6, 0);
    add(v, 4, 2);
    rotate(v, 2, 17);
    xor(v, 2, 4);
    swap(v, 4);
  }
}

function add(v: Int32Array, a: number, b: number): void {
  const low = (v[a]! >>> 0) + (v[b]! >>> 0);
  v[a] = low | 0;
  v[a + 1] = (v[a + 1]! + v[b + 1]! + (low > 0xffff_ffff ? 1 : 0)) | 0;
}

function xor(v: Int32Array, a: number, b: number): void {
  v[a] = v[a]! ^ v[b]!;
  v[a + 1] = v[a + 1]! ^ v[b + 1]!;
}

function rotate(v: Int32Array, a: number, bits: number): void {
  const low = v[a]!;
  const high = v[a + 1]!;
  v[a] = (low << bits) | (high >>> (32 - bits));
  v[a + 1] = (high << bits) | (low >>> (32 - bits));
}

function swap(v: Int32Array, a: number): void {
  const low = v[a]!;
  v[a] = v[a + 1]!;
  v[a + 1] = low;
}
