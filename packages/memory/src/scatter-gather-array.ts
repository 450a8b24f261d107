// A scatter-gather array: the message that applications push and pop, as a list of slices.

import { DemiError } from './error.ts';
import { copyBetween } from './region.ts';
import type { Slice } from './slice.ts';
import type { SlotPool } from './slot-pool.ts';

/**
 * A list of slices, each holding a reference of its own. Arrays are pooled: `free` ends every use of the object.
 *
 * `segments[0 … count - 1]` are the slices in order; what lies behind `count` is left over from earlier uses.
 */
export class ScatterGatherArray {
  readonly pool: SlotPool;
  readonly segments: Slice[];
  count: number;
  /** False once freed. */
  live: boolean;

  /** Use `SlotPool.array` or `SlotPool.allocArray`. */
  constructor(pool: SlotPool) {
    this.pool = pool;
    this.segments = [];
    this.count = 0;
    this.live = false;
  }

  /** Adds a slice at the end and takes over its reference. */
  append(slice: Slice): void {
    if (this.count < this.segments.length) this.segments[this.count] = slice;
    else this.segments.push(slice);
    this.count++;
  }

  /** Bytes in all slices. */
  get lengthBytes(): number {
    let total = 0;
    for (let i = 0; i < this.count; i++) total += this.segments[i]!.length;
    return total;
  }

  /**
   * Gives every reference up and recycles the array.
   *
   * @throws ERR_DEMI_STALE_ARRAY when it has been freed already.
   */
  free(): void {
    if (!this.live) throw staleArray();
    for (let i = 0; i < this.count; i++) this.segments[i]!.release();
    this.count = 0;
    this.live = false;
    this.pool.recycleArray(this);
  }

  /** Copies into `target` at `targetOffset`; returns the bytes copied, fewer than `lengthBytes` when it ends first. */
  copyTo(target: Uint8Array, targetOffset = 0): number {
    let at = targetOffset;
    for (let i = 0; i < this.count && at < target.length; i++) {
      const slice = this.segments[i]!;
      const length = Math.min(slice.length, target.length - at);
      target.set(slice.pool.region.bytes.subarray(slice.offset, slice.offset + length), at);
      at += length;
    }
    return at - targetOffset;
  }

  /** Copies `source` into the slices from their start; returns the bytes copied. */
  copyFrom(source: Uint8Array): number {
    let at = 0;
    for (let i = 0; i < this.count && at < source.length; i++) {
      const slice = this.segments[i]!;
      const length = Math.min(slice.length, source.length - at);
      slice.pool.region.bytes.set(source.subarray(at, at + length), slice.offset);
      at += length;
    }
    return at;
  }

  /** Copies the bytes of another array, of any pool, into the slices from their start; returns the bytes copied. */
  copyFromArray(source: ScatterGatherArray): number {
    let copied = 0;
    let into = 0;
    let intoAt = 0;
    for (let from = 0; from < source.count && into < this.count; from++) {
      const piece = source.segments[from]!;
      let pieceAt = 0;
      while (pieceAt < piece.length && into < this.count) {
        const target = this.segments[into]!;
        const length = Math.min(piece.length - pieceAt, target.length - intoAt);
        const targetAt = target.offset + intoAt;
        copyBetween(target.pool.region, targetAt, piece.pool.region, piece.offset + pieceAt, length);
        copied += length;
        pieceAt += length;
        intoAt += length;
        if (intoAt === target.length) {
          into++;
          intoAt = 0;
        }
      }
    }
    return copied;
  }

  /** The bytes as one fresh copy. */
  toBytes(): Uint8Array {
    const copy = new Uint8Array(this.lengthBytes);
    this.copyTo(copy);
    return copy;
  }

  /**
   * A second array over the same bytes, with references of its own.
   *
   * @throws ERR_DEMI_STALE_ARRAY when it has been freed.
   */
  share(): ScatterGatherArray {
    if (!this.live) throw staleArray();
    const copy = this.pool.array();
    for (let i = 0; i < this.count; i++) copy.append(this.segments[i]!.share());
    return copy;
  }

  /** Shortens the array to its first `lengthBytes` bytes, releasing what lies behind. */
  truncate(lengthBytes: number): void {
    let left = lengthBytes;
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      const slice = this.segments[i]!;
      if (left <= 0) {
        slice.release();
        continue;
      }
      if (slice.length > left) slice.length = left;
      left -= slice.length;
      kept++;
    }
    this.count = kept;
  }
}

function staleArray(): DemiError {
  return new DemiError('ERR_DEMI_STALE_ARRAY', 'this scatter-gather array has been freed');
}
