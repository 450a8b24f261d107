// Receiving into slots: recvmsg(2) with one vector per landing slot, so that bytes arrive where they will be handed out.

import type { ScatterGatherArray, SlotPool } from '@demikernel/memory';
import type { SocketAddress as NativeAddress } from '@demikernel/native/kernel';
import { type Address, ENOBUFS, Message, MSG_TRUNC } from '@demikernel/native/kernel';

/** Most bytes one pop brings, unless it asks for fewer: a whole datagram, or a socket buffer's worth of a stream. */
export const RECEIVE_LIMIT_BYTES = 65536;

/**
 * The slots that the next bytes land in, shared by every socket of one library OS.
 *
 * ```
 * vectors   │ slot 7 │ slot 3 │ slot 9 │ …       filled from the front; what recvmsg filled leaves as slices,
 *           └────────┴────────┴────────┘         and fresh slots take its place
 * ```
 */
export class Receiver {
  /** What the last call had room for: a stream that brought less has nothing more. */
  offeredBytes: number;
  private readonly pool: SlotPool;
  private readonly message: Message;
  // Private by `#`, so that V8 keeps the one number on the heap: an ordinary field of doubles would hold it unboxed, and
  // box it anew for every call it is passed to.
  readonly #base: Address;
  private readonly slotShift: number;
  private readonly slotSizeBytes: number;
  private readonly landing: Int32Array;
  private landingCount: number;

  constructor(pool: SlotPool) {
    this.offeredBytes = 0;
    this.pool = pool;
    this.#base = Number(pool.region.address);
    this.slotShift = pool.slotShift;
    this.slotSizeBytes = pool.slotSizeBytes;
    const vectors = Math.max(1, RECEIVE_LIMIT_BYTES >> pool.slotShift);
    this.message = new Message({ vectors });
    this.landing = new Int32Array(vectors);
    this.landingCount = 0;
    this.refill();
  }

  /** Who the last datagram came from. */
  get source(): NativeAddress {
    return this.message.name;
  }

  /** Whether the last datagram was longer than the slots offered. */
  get truncated(): boolean {
    return (this.message.flags & MSG_TRUNC) !== 0;
  }

  /** Slots ready to receive, after an attempt to have as many as there are vectors. */
  refill(): number {
    while (this.landingCount < this.landing.length) {
      const slot = this.pool.allocSlot();
      if (slot < 0) break;
      this.place(this.landingCount++, slot);
    }
    return this.landingCount;
  }

  private place(index: number, slot: number): void {
    this.landing[index] = slot;
    this.message.setVector(index, this.#base, slot << this.slotShift, this.slotSizeBytes);
  }

  /** Receives up to `limitBytes`, at most {@link RECEIVE_LIMIT_BYTES}. Bytes, or a negative errno; -ENOBUFS: no slot. */
  receive(fd: number, limitBytes: number): number {
    const vectors = this.offer(limitBytes);
    if (vectors === 0) return -ENOBUFS;
    const result = this.message.receive(fd, 0);
    this.restore(vectors);
    return result;
  }

  /** As {@link receive}, with the sender in {@link source}. */
  receiveFrom(fd: number, limitBytes: number): number {
    const vectors = this.offer(limitBytes);
    if (vectors === 0) return -ENOBUFS;
    const result = this.message.receiveFrom(fd, 0);
    this.restore(vectors);
    return result;
  }

  private offer(limitBytes: number): number {
    let vectors = (limitBytes + this.slotSizeBytes - 1) >> this.slotShift;
    let lastBytes = limitBytes - ((vectors - 1) << this.slotShift);
    if (vectors > this.landingCount) {
      if (this.refill() === 0) return 0;
      if (vectors > this.landingCount) {
        vectors = this.landingCount;
        lastBytes = this.slotSizeBytes;
      }
    }
    this.offeredBytes = ((vectors - 1) << this.slotShift) + lastBytes;
    this.message.setCount(vectors);
    if (lastBytes !== this.slotSizeBytes) {
      const last = vectors - 1;
      this.message.setVector(last, this.#base, this.landing[last]! << this.slotShift, lastBytes);
    }
    return vectors;
  }

  private restore(vectors: number): void {
    const last = vectors - 1;
    if ((this.offeredBytes & (this.slotSizeBytes - 1)) !== 0) this.place(last, this.landing[last]!);
  }

  /** The `lengthBytes` bytes that the last call received, as an array of slices that own their slots. */
  take(lengthBytes: number): ScatterGatherArray {
    const { pool, landing } = this;
    const array = pool.array();
    let left = lengthBytes;
    let used = 0;
    while (left > 0) {
      const slot = landing[used++]!;
      array.append(pool.slice(slot, slot << this.slotShift, Math.min(left, this.slotSizeBytes)));
      left -= this.slotSizeBytes;
    }
    for (let i = 0; i < used; i++) {
      const slot = pool.allocSlot();
      if (slot < 0) {
        this.closeRanks(i, used);
        break;
      }
      this.place(i, slot);
    }
    return array;
  }

  /** Moves the slots from `end` on forward to `start`: the pool has run dry. */
  private closeRanks(start: number, end: number): void {
    let to = start;
    for (let from = end; from < this.landingCount; from++) this.place(to++, this.landing[from]!);
    this.landingCount = to;
  }

  close(): void {
    for (let i = 0; i < this.landingCount; i++) this.pool.release(this.landing[i]!);
    this.landingCount = 0;
    this.message.close();
  }
}
