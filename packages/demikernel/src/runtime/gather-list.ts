// What a write consists of when not all of it lies in one buffer: stretches of that buffer and slices of registered memory,
// in order. Filled by whoever writes, read by drivers.

import type { Slice } from '@demikernel/memory';

export class GatherList {
  /** Pieces there may be. */
  readonly capacity: number;
  count: number;
  /** By piece: the slice, with a reference of its own; `undefined` for a stretch of the buffer. */
  readonly slices: (Slice | undefined)[];
  /** By piece: where in the buffer, for a stretch of it. */
  readonly offsets: Int32Array;
  readonly lengths: Int32Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.count = 0;
    this.slices = new Array<Slice | undefined>(capacity).fill(undefined);
    this.offsets = new Int32Array(capacity);
    this.lengths = new Int32Array(capacity);
  }

  /** A stretch of the buffer; none when it is empty. */
  addBuffer(offset: number, lengthBytes: number): void {
    if (lengthBytes === 0) return;
    const { count } = this;
    this.slices[count] = undefined;
    this.offsets[count] = offset;
    this.lengths[count] = lengthBytes;
    this.count = count + 1;
  }

  /** A slice; takes a reference to it over. */
  addSlice(slice: Slice): void {
    const { count } = this;
    this.slices[count] = slice;
    this.offsets[count] = 0;
    this.lengths[count] = slice.length;
    this.count = count + 1;
  }

  /** Gives the slices back: no device reads them any more. */
  clear(): void {
    for (let i = 0; i < this.count; i++) {
      this.slices[i]?.release();
      this.slices[i] = undefined;
    }
    this.count = 0;
  }
}
