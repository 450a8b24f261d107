// The receive queue: slices in order, ready to be popped. What waits for earlier bytes is reassembly.ts.

import type { ScatterGatherArray, Slice, SlotPool } from '@demikernel/memory';
import { copyBytes } from '../frame-builder.ts';

const FIRST_CAPACITY = 4;

/** A growing ring of slices. Every slice pins one slot: `count` is the memory charge. */
export class ReceiveQueue {
  /** Bytes held. */
  bytes: number;
  /** Slices, and so slots, held. */
  count: number;
  private ring: (Slice | undefined)[];
  private mask: number;
  private head: number;

  constructor() {
    this.bytes = 0;
    this.count = 0;
    this.ring = [];
    this.mask = -1;
    this.head = 0;
  }

  /** Adds a slice at the end and takes over its reference. */
  append(slice: Slice): void {
    if (this.count > this.mask) this.grow();
    this.ring[(this.head + this.count) & this.mask] = slice;
    this.count++;
    this.bytes = (this.bytes + slice.length) | 0;
  }

  /**
   * Copies bytes behind the last slice, when its slot is ours alone and has the room.
   *
   * @returns false when it is not, or has not
   */
  coalesce(pool: SlotPool, offset: number, length: number): boolean {
    if (this.count === 0) return false;
    const last = this.ring[(this.head + this.count - 1) & this.mask]!;
    const end = last.offset + last.length;
    if (end + length > (last.slot + 1) << pool.slotShift || pool.references[last.slot] !== 1) return false;
    copyBytes(pool.region.bytes, end, offset, length);
    last.length += length;
    this.bytes = (this.bytes + length) | 0;
    return true;
  }

  /** Moves up to `maximum` bytes into `array`. */
  popInto(array: ScatterGatherArray, maximum: number): void {
    let left = maximum;
    while (this.count > 0 && left > 0) {
      const slice = this.ring[this.head & this.mask]!;
      if (slice.length > left) {
        array.append(slice.sub(0, left));
        slice.offset += left;
        slice.length -= left;
        this.bytes = (this.bytes - left) | 0;
        return;
      }
      left -= slice.length;
      this.bytes = (this.bytes - slice.length) | 0;
      array.append(slice);
      this.ring[this.head & this.mask] = undefined;
      this.head = (this.head + 1) | 0;
      this.count--;
    }
  }

  /** Copies every byte held, in order; returns the place behind them. */
  copyTo(target: Uint8Array, at: number): number {
    let end = at;
    for (let i = 0; i < this.count; i++) {
      const bytes = this.ring[(this.head + i) & this.mask]!.bytes();
      target.set(bytes, end);
      end += bytes.length;
    }
    return end;
  }

  /** Releases everything. */
  clear(): void {
    for (let i = 0; i < this.count; i++) {
      const index = (this.head + i) & this.mask;
      this.ring[index]!.release();
      this.ring[index] = undefined;
    }
    this.bytes = 0;
    this.count = 0;
    this.head = 0;
    this.ring = [];
    this.mask = -1;
  }

  private grow(): void {
    const capacity = this.mask < 0 ? FIRST_CAPACITY : (this.mask + 1) * 2;
    const ring = new Array<Slice | undefined>(capacity).fill(undefined);
    for (let i = 0; i < this.count; i++) ring[i] = this.ring[(this.head + i) & this.mask];
    this.head = 0;
    this.ring = ring;
    this.mask = capacity - 1;
  }
}
