// A slice: some bytes of one slot, and one reference to that slot. Made and recycled by slot-pool.ts.

import { DemiError } from './error.ts';
import type { SlotPool } from './slot-pool.ts';

/** `Slice.slot` of a slice that has been released. */
export const RELEASED = -1;

/**
 * `length` bytes at `offset` of a region, holding one reference to the slot they lie in.
 *
 * Slices are pooled: after `release` the object may come back as another slice. In debug mode (see `SlotPoolOptions`) it
 * never does, and every use of it throws `ERR_DEMI_STALE_SLICE` naming where it was released.
 */
export class Slice {
  readonly pool: SlotPool;
  /** Index of the slot, or {@link RELEASED}. */
  slot: number;
  /** Offset in bytes from the start of the region. */
  offset: number;
  /** Length in bytes. */
  length: number;
  /** Where a debug-mode slice was released. */
  releasedAt: string | undefined;

  /** Use `SlotPool.alloc` or `SlotPool.slice`. */
  constructor(pool: SlotPool) {
    this.pool = pool;
    this.slot = RELEASED;
    this.offset = 0;
    this.length = 0;
    this.releasedAt = undefined;
  }

  /** A second slice of the same bytes, with a reference of its own. */
  share(): Slice {
    if (this.slot === RELEASED) throw staleSlice(this);
    this.pool.retain(this.slot);
    return this.pool.slice(this.slot, this.offset, this.length);
  }

  /** A slice of `length` bytes at `start` of this one, with a reference of its own. */
  sub(start: number, length: number): Slice {
    if (this.slot === RELEASED) throw staleSlice(this);
    if (start < 0 || length < 0 || start + length > this.length) {
      throw new DemiError(
        'ERR_DEMI_OUT_OF_RANGE',
        `${length} bytes at ${start} are outside a slice of ${this.length}`,
      );
    }
    this.pool.retain(this.slot);
    return this.pool.slice(this.slot, this.offset + start, length);
  }

  /** Gives the reference up. The bytes are gone when the last one is. */
  release(): void {
    const slot = this.slot;
    if (slot === RELEASED) throw staleSlice(this);
    this.slot = RELEASED;
    this.pool.recycleSlice(this);
    this.pool.release(slot);
  }

  /** Whether this slice holds the only reference to its slot, so that its bytes may be written. Never for lent memory. */
  get exclusive(): boolean {
    const { slot, pool } = this;
    return slot !== RELEASED && pool.references[slot] === 1 && pool.lender === undefined;
  }

  /** A view of the bytes. Costs as much as parsing a header: for applications, not for the packet path. */
  bytes(): Uint8Array {
    if (this.slot === RELEASED) throw staleSlice(this);
    return this.pool.region.bytes.subarray(this.offset, this.offset + this.length);
  }
}

export function staleSlice(slice: Slice): DemiError {
  const where = slice.releasedAt === undefined ? '' : `; it was released ${slice.releasedAt}`;
  return new DemiError('ERR_DEMI_STALE_SLICE', `this slice has been released${where}`);
}
