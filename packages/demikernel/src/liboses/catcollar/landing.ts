// Memory that waits for arrivals: slots of a pool, provided to the kernel through a buffer ring.

import type { SlotPool } from '@demikernel/memory';
import { BufferRing, type IoUring } from '@demikernel/native/kernel';

/**
 * Slots that the kernel may fill.
 *
 * ```
 * pool ──refill──> provided (the kernel's choice, in order) ──completion names a number──> slice ──free──> pool
 * ```
 *
 * A slot's reference moves with it: the ring holds it while it is provided, then the slice that leaves. Slots freed last
 * are provided first, while they are in the cache.
 */
export class Landing {
  readonly group: number;
  readonly pool: SlotPool;
  /** Slots that the kernel has, and that it should have. */
  provided: number;
  readonly wanted: number;
  private readonly buffers: BufferRing;
  /** By number: the slot provided under it. */
  private readonly slots: Int32Array;
  private readonly freeNumbers: Int32Array;
  private freeCount: number;

  /** @param entries a power of two: how many slots the kernel should have */
  constructor(ring: IoUring, pool: SlotPool, group: number, entries: number) {
    this.group = group;
    this.pool = pool;
    this.provided = 0;
    this.wanted = entries;
    this.buffers = new BufferRing(ring, { group, entries, base: Number(pool.region.address) });
    this.slots = new Int32Array(entries);
    this.freeNumbers = new Int32Array(entries);
    for (let i = 0; i < entries; i++) this.freeNumbers[i] = entries - 1 - i;
    this.freeCount = entries;
    this.refill();
  }

  /** Provides as many slots as are wanted and there are. Returns how many the kernel has. */
  refill(): number {
    const { pool, buffers, slots } = this;
    if (this.provided === this.wanted) return this.provided;
    let added = 0;
    while (this.provided < this.wanted) {
      const slot = pool.allocSlot();
      if (slot < 0) break;
      const number = this.freeNumbers[--this.freeCount]!;
      slots[number] = slot;
      buffers.add(slot << pool.slotShift, pool.slotSizeBytes, number);
      this.provided++;
      added++;
    }
    if (added > 0) buffers.publish();
    return this.provided;
  }

  /** The slot that was filled, by the number in its completion; its reference is the caller's. */
  take(number: number): number {
    this.freeNumbers[this.freeCount++] = number;
    this.provided--;
    return this.slots[number]!;
  }

  /** Takes all slots back; nothing may be receiving. */
  close(): void {
    this.buffers.close();
    const free = new Set(this.freeNumbers.subarray(0, this.freeCount));
    for (let number = 0; number < this.slots.length; number++) {
      if (!free.has(number)) this.pool.release(this.slots[number]!);
    }
    this.provided = 0;
  }
}
