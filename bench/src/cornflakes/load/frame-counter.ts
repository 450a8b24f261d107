// Finds where the replies in a stream end, without looking at them: each stands behind its length, a u32, little-endian.

import type { ScatterGatherArray } from '@demikernel/memory';

const PREFIX_BYTES = 4;

export class FrameCounter {
  /** Lengths of the messages that ended in what was counted last: the first `ended` of them. */
  readonly lengths: Int32Array;
  ended: number;
  /** What is missing of the message under way; of its prefix, when `prefixRead` is less than four. */
  private left: number;
  private length: number;
  private prefixRead: number;

  /** @param capacity messages that may end in one array */
  constructor(capacity: number) {
    this.lengths = new Int32Array(capacity);
    this.ended = 0;
    this.left = 0;
    this.length = 0;
    this.prefixRead = 0;
  }

  /** Counts what has arrived; it stays the caller's. */
  count(array: ScatterGatherArray): void {
    this.ended = 0;
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!;
      this.countBytes(slice.pool.region.bytes, slice.offset, slice.offset + slice.length);
    }
  }

  private countBytes(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.prefixRead < PREFIX_BYTES) {
        this.length |= bytes[at++]! << (8 * this.prefixRead++);
        this.left = this.length;
        if (this.prefixRead < PREFIX_BYTES || this.left > 0) continue;
      } else {
        const part = Math.min(this.left, end - at);
        at += part;
        this.left -= part;
        if (this.left > 0) return;
      }
      this.lengths[this.ended++] = this.length;
      this.length = 0;
      this.prefixRead = 0;
    }
  }
}
