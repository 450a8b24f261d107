// Randomness, injected: the stack asks this and nothing else, so that a simulation repeats from its seed.

import { randomFillSync } from 'node:crypto';

/** A source of random 32-bit words. */
export abstract class Random {
  /** A uniformly distributed int32. */
  abstract int32(): number;

  /** A uniformly distributed integer in [0, bound), bound up to 2^31. Bias below bound / 2^32. */
  below(bound: number): number {
    return Math.floor(((this.int32() >>> 0) / 0x1_0000_0000) * bound);
  }

  /** Fills `target` with random bytes. */
  fill(target: Uint8Array): void {
    for (let i = 0; i < target.length; i++) target[i] = this.int32();
  }
}

/** A seeded generator (sfc32 by Chris Doty-Humphrey, public domain): repeatable, not secret. */
export class SeededRandom extends Random {
  readonly seed: number;
  private a: number;
  private b: number;
  private c: number;
  private counter: number;

  constructor(seed: number) {
    super();
    this.seed = seed | 0;
    this.a = 0x9e3779b9 | 0;
    this.b = 0x243f6a88 | 0;
    this.c = seed | 0;
    this.counter = 1;
    for (let i = 0; i < 15; i++) this.int32();
  }

  override int32(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum;
  }
}

const SYSTEM_WORDS = 1024;

/** The operating system's generator, drawn in blocks. */
export class SystemRandom extends Random {
  private readonly words: Int32Array;
  private next: number;

  constructor() {
    super();
    this.words = new Int32Array(SYSTEM_WORDS);
    this.next = SYSTEM_WORDS;
  }

  override int32(): number {
    if (this.next === SYSTEM_WORDS) {
      randomFillSync(this.words);
      this.next = 0;
    }
    const word = this.words[this.next]!;
    this.words[this.next++] = 0; // a key that was handed out does not stay behind
    return word;
  }
}
