// Segments that arrived before the bytes in front of them, sorted, without overlaps, bounded in slots.

import type { Slice } from '@demikernel/memory';
import { seqGe, seqGt, seqLe, seqLt } from './sequence.ts';

/** Out-of-order segments of one connection. Made when the first one arrives. */
export class Reassembly {
  /** Bytes held. */
  bytes: number;
  /** Slices, and so slots, held. */
  count: number;
  /** Sequence number at which the latest segment began. */
  latest: number;
  private readonly starts: number[];
  private readonly slices: (Slice | undefined)[];

  constructor() {
    this.bytes = 0;
    this.count = 0;
    this.latest = 0;
    this.starts = [];
    this.slices = [];
  }

  /**
   * Adds the bytes of `slice` from sequence number `start` on and takes over its reference. Bytes that are here already
   * are not stored twice.
   *
   * @param limit slices to hold at most
   * @returns false when it was dropped (and released) for the limit
   */
  insert(start: number, slice: Slice, limit: number): boolean {
    let end = (start + slice.length) | 0;
    this.latest = start;
    // The place: behind every segment that begins at or before `start`. Segments mostly arrive in order: look from the end.
    let at = this.count;
    while (at > 0 && seqGt(this.starts[at - 1]!, start)) at--;
    if (at > 0) {
      const previousEnd = (this.starts[at - 1]! + this.slices[at - 1]!.length) | 0;
      if (seqGe(previousEnd, end)) {
        slice.release();
        return true;
      }
      if (seqGt(previousEnd, start)) {
        trimFront(slice, (previousEnd - start) | 0);
        start = previousEnd;
      }
    }
    // Later segments that it covers go; one that it only reaches into cuts its end.
    let covered = 0;
    while (at + covered < this.count && seqLt(this.starts[at + covered]!, end)) {
      const nextStart = this.starts[at + covered]!;
      const next = this.slices[at + covered]!;
      if (seqGt((nextStart + next.length) | 0, end)) {
        slice.length = (nextStart - start) | 0;
        end = nextStart;
        break;
      }
      covered++;
    }
    if (slice.length === 0 || (covered === 0 && this.count >= limit)) {
      const duplicate = slice.length === 0;
      slice.release();
      return duplicate;
    }
    this.remove(at, covered);
    for (let i = this.count; i > at; i--) {
      this.starts[i] = this.starts[i - 1]!;
      this.slices[i] = this.slices[i - 1];
    }
    this.starts[at] = start;
    this.slices[at] = slice;
    this.count++;
    this.bytes += slice.length;
    return true;
  }

  /** The bytes that continue at `rcvNxt`, taken out, its reference the caller's; `undefined` when there are none. */
  take(rcvNxt: number): Slice | undefined {
    while (this.count > 0 && seqLe(this.starts[0]!, rcvNxt)) {
      const slice = this.slices[0]!;
      const old = (rcvNxt - this.starts[0]!) | 0;
      this.bytes -= slice.length;
      this.slices[0] = undefined;
      this.shift(0, 1);
      if (old < slice.length) {
        trimFront(slice, old);
        return slice;
      }
      slice.release();
    }
    return undefined;
  }

  /** First sequence number of a held segment. */
  startOf(index: number): number {
    return this.starts[index]!;
  }

  /** Sequence number behind a held segment. */
  endOf(index: number): number {
    return (this.starts[index]! + this.slices[index]!.length) | 0;
  }

  /** Copies every byte held, in order and without the holes; returns the place behind them. */
  copyTo(target: Uint8Array, at: number): number {
    let end = at;
    for (let i = 0; i < this.count; i++) {
      const bytes = this.slices[i]!.bytes();
      target.set(bytes, end);
      end += bytes.length;
    }
    return end;
  }

  /** Releases everything. */
  clear(): void {
    this.remove(0, this.count);
  }

  private remove(at: number, count: number): void {
    for (let i = at; i < at + count; i++) {
      this.bytes -= this.slices[i]!.length;
      this.slices[i]!.release();
      this.slices[i] = undefined;
    }
    this.shift(at, count);
  }

  /** Closes the gap of `count` places at `at`. */
  private shift(at: number, count: number): void {
    if (count === 0) return;
    for (let i = at + count; i < this.count; i++) {
      this.starts[i - count] = this.starts[i]!;
      this.slices[i - count] = this.slices[i];
      this.slices[i] = undefined;
    }
    this.count -= count;
  }
}

function trimFront(slice: Slice, length: number): void {
  slice.offset += length;
  slice.length -= length;
}
