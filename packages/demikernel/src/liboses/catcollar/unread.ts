// What a stream has received and nobody has popped yet: slices in order, small ones packed together.

import type { ScatterGatherArray, SlotPool } from '@demikernel/memory';

/** Arrivals up to this length move behind the one before them when there is room, and give their slot back. */
const PACK_BYTES = 1024;

export class Unread {
  private readonly pool: SlotPool;
  private array: ScatterGatherArray | undefined;
  lengthBytes: number;

  constructor(pool: SlotPool) {
    this.pool = pool;
    this.array = undefined;
    this.lengthBytes = 0;
  }

  /** Slots held. */
  get slots(): number {
    return this.array === undefined ? 0 : this.array.count;
  }

  /** Adds the first `lengthBytes` bytes of a slot, whose reference is taken over. */
  append(slot: number, lengthBytes: number): void {
    const { pool } = this;
    let { array } = this;
    if (array === undefined) {
      array = pool.array();
      this.array = array;
    }
    this.lengthBytes += lengthBytes;
    if (array.count > 0 && lengthBytes <= PACK_BYTES && this.pack(array, slot, lengthBytes)) return;
    array.append(pool.slice(slot, slot << pool.slotShift, lengthBytes));
  }

  private pack(array: ScatterGatherArray, slot: number, lengthBytes: number): boolean {
    const { pool } = this;
    const last = array.segments[array.count - 1]!;
    const end = last.offset + last.length;
    const used = end - (last.slot << pool.slotShift);
    if (used + lengthBytes > pool.slotSizeBytes || pool.references[last.slot] !== 1) return false;
    const from = slot << pool.slotShift;
    pool.region.bytes.copyWithin(end, from, from + lengthBytes);
    last.length += lengthBytes;
    pool.release(slot);
    return true;
  }

  /** The oldest bytes, at most `limitBytes` (0: all), as an array that owns them. There must be some. */
  take(limitBytes: number): ScatterGatherArray {
    const array = this.array!;
    if (limitBytes === 0 || limitBytes >= this.lengthBytes) {
      this.array = undefined;
      this.lengthBytes = 0;
      return array;
    }
    return this.split(array, limitBytes);
  }

  private split(array: ScatterGatherArray, limitBytes: number): ScatterGatherArray {
    const taken = this.pool.array();
    let left = limitBytes;
    let whole = 0;
    while (left > 0) {
      const slice = array.segments[whole]!;
      if (slice.length > left) {
        taken.append(slice.sub(0, left));
        slice.offset += left;
        slice.length -= left;
        break;
      }
      taken.append(slice);
      left -= slice.length;
      whole++;
    }
    if (whole > 0) {
      for (let i = whole; i < array.count; i++) array.segments[i - whole] = array.segments[i]!;
      array.count -= whole;
    }
    this.lengthBytes -= limitBytes;
    return taken;
  }

  /** Gives everything up. */
  clear(): void {
    this.array?.free();
    this.array = undefined;
    this.lengthBytes = 0;
  }
}
