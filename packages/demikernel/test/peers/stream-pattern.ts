// The bytes of a test stream: both ends make them from a seed and compare, so that nothing but a verdict has to travel.
// Which end sends what is bulk-plan.ts.

import { SeededRandom } from '../../src/runtime/random.ts';

/** Prime, so that no slot, segment or buffer size divides it: bytes that moved are bytes that differ. */
const PERIOD_BYTES = 1_048_573;
/** Longest piece that `at` gives. */
export const LARGEST_PIECE_BYTES = 262_144;

/** An endless repeatable stream. */
export class StreamPattern {
  private readonly bytes: Uint8Array;

  constructor(seed: number) {
    // The start follows the end once more, so that every piece lies in one stretch.
    this.bytes = new Uint8Array(PERIOD_BYTES + LARGEST_PIECE_BYTES);
    new SeededRandom(seed).fill(this.bytes.subarray(0, PERIOD_BYTES));
    this.bytes.copyWithin(PERIOD_BYTES, 0, LARGEST_PIECE_BYTES);
  }

  /** The bytes from `position` on; not to be written. */
  at(position: number, lengthBytes: number): Uint8Array {
    const start = position % PERIOD_BYTES;
    return this.bytes.subarray(start, start + Math.min(lengthBytes, LARGEST_PIECE_BYTES));
  }
}

/** Compares a stream with its pattern as it arrives. */
export class StreamChecker {
  /** Bytes that have arrived. */
  received: number;
  /** Position of the first wrong piece, or -1. */
  wrongAt: number;
  private readonly pattern: StreamPattern;

  constructor(pattern: StreamPattern) {
    this.received = 0;
    this.wrongAt = -1;
    this.pattern = pattern;
  }

  take(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) {
      const expected = this.pattern.at(this.received, piece.length - at);
      const part = piece.subarray(at, at + expected.length);
      if (this.wrongAt < 0 && Buffer.compare(part, expected) !== 0) this.wrongAt = this.received;
      this.received += part.length;
      at += part.length;
    }
  }
}
