// The sending half of one direction: descriptors out, slots back in. Knows memory only: no system calls, no waiting.

import type { Slice, SlotPool } from '@demikernel/memory';
import {
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_WORDS,
  DESCRIPTORS,
  FLAG_LAP,
  FLAG_YOURS,
  ID_BITS,
  RETURN_LAP,
  returnedAt,
  STATE,
  WINDOW_BYTES,
} from './layout.ts';

/** `takeReturns`: the peer has given back what it did not have. */
export const VIOLATED = -1;

/** Marks a piece that the peer has lent us among the slots on their way. */
const LENT = 1 << 30;

/** Where a ring lies. */
export interface RingPlace {
  /** The connection's memory. */
  words: Int32Array;
  /** Word at which our block begins, and the peer's. */
  ownAt: number;
  peerAt: number;
  /** Entries; a power of two. */
  capacity: number;
}

/**
 * Sends slots of a pool by reference; and what the peer has lent us back to it, without its leaving the peer's memory.
 *
 * A slot on its way has a number, its id, and one reference that this ring holds until the id comes back. There are as
 * many ids as entries, so neither the descriptors nor the returns can overtake their reader: no index of a consumer is
 * needed. Whatever the peer writes is copied before it is judged, and what we have written is never read back.
 */
export class SendRing {
  readonly capacity: number;
  /** Ids that are free: descriptors that can be sent now. */
  free: number;
  /** Bytes on their way. */
  inFlightBytes: number;
  private readonly pool: SlotPool;
  /** The pieces that the peer has lent us. */
  private lentPool: SlotPool | undefined;
  private words: Int32Array;
  private readonly mask: number;
  private readonly ownAt: number;
  private readonly peerAt: number;
  private readonly returnsAt: number;
  private sent: number;
  private published: number;
  /** Flags and lap of the first descriptor that is not published: what its reader waits for. */
  private firstFlags: number;
  private returned: number;
  private readonly freeIds: Int32Array;
  /** By id: the slot on its way, or -1; and which of its bytes. */
  private readonly slots: Int32Array;
  private readonly offsets: Int32Array;
  private readonly lengths: Int32Array;

  constructor(place: RingPlace, pool: SlotPool) {
    const { capacity } = place;
    this.capacity = capacity;
    this.free = capacity;
    this.inFlightBytes = 0;
    this.pool = pool;
    this.lentPool = undefined;
    this.words = place.words;
    this.mask = capacity - 1;
    this.ownAt = place.ownAt;
    this.peerAt = place.peerAt;
    this.returnsAt = place.peerAt + returnedAt(capacity);
    this.sent = 0;
    this.published = 0;
    this.firstFlags = 0;
    this.returned = 0;
    this.freeIds = new Int32Array(capacity);
    for (let i = 0; i < capacity; i++) this.freeIds[i] = capacity - 1 - i;
    this.slots = new Int32Array(capacity).fill(-1);
    this.offsets = new Int32Array(capacity);
    this.lengths = new Int32Array(capacity);
  }

  /** Says where pieces come from that are sent by `putBack`. */
  sendBackFrom(lentPool: SlotPool): void {
    this.lentPool = lentPool;
  }

  /** Slots on their way. */
  get inFlight(): number {
    return this.capacity - this.free;
  }

  /** Writes a descriptor, taking over one reference to `slot`; seen by the peer after `publish`. `free` must not be 0. */
  put(slot: number, offset: number, length: number, flags: number): void {
    this.write(0, slot, offset, length, flags);
  }

  /** As `put`, for bytes of a piece that the peer has lent us, taking over one reference to it. */
  putBack(lent: number, offset: number, length: number, flags: number): void {
    this.write(lent << ID_BITS, LENT | lent, offset, length, flags | FLAG_YOURS);
  }

  private write(upperHalf: number, slot: number, offset: number, length: number, flags: number): void {
    const { words } = this;
    const id = this.freeIds[--this.free]!;
    this.slots[id] = slot;
    this.offsets[id] = offset;
    this.lengths[id] = length;
    this.inFlightBytes += length;
    const at = this.ownAt + DESCRIPTORS + (this.sent & this.mask) * DESCRIPTOR_WORDS;
    words[at] = upperHalf | id;
    words[at + 1] = offset;
    words[at + 2] = length;
    const marked = (this.sent & this.capacity) === 0 ? flags | FLAG_LAP : flags;
    if (this.sent === this.published) this.firstFlags = marked;
    else words[at + DESCRIPTOR_FLAGS] = marked;
    this.sent = (this.sent + 1) | 0;
  }

  /**
   * A slice of what is on its way under an id, for the peer has sent it back; the caller's to release. `undefined`: it is not
   * on its way, or not these bytes of it, or not ours but what the peer has lent us.
   */
  sliceOnItsWay(id: number, offset: number, length: number): Slice | undefined {
    if (id < 0 || id > this.mask) return undefined;
    const slot = this.slots[id]!;
    const from = offset - this.offsets[id]!;
    if (slot < 0 || slot >= LENT || from < 0 || length < 0 || from > this.lengths[id]! - length)
      return undefined;
    this.pool.retain(slot);
    return this.pool.slice(slot, offset, length);
  }

  /** Whether something was put that the peer has not been shown. */
  get unpublished(): boolean {
    return this.published !== this.sent;
  }

  /** Shows the peer what was put: the payload first, then the mark, with a full barrier behind it. False: nothing new. */
  publish(): boolean {
    const { published } = this;
    if (published === this.sent) return false;
    const at = this.ownAt + DESCRIPTORS + (published & this.mask) * DESCRIPTOR_WORDS;
    this.published = this.sent;
    Atomics.store(this.words, at + DESCRIPTOR_FLAGS, this.firstFlags);
    return true;
  }

  /** Shows the peer the state of this side; what was put before is seen before. */
  publishState(state: number): void {
    this.publish();
    Atomics.store(this.words, this.ownAt + STATE, state);
  }

  /** Bytes that the peer wants under way at most; not to be trusted, so not below 0. */
  get windowBytes(): number {
    const window = this.words[this.peerAt + WINDOW_BYTES]!;
    return window < 0 ? 0 : window;
  }

  /** Whether the peer has given something back. */
  hasReturns(): boolean {
    return this.isReturned(this.words[this.returnsAt + (this.returned & this.mask)]!);
  }

  private isReturned(word: number): boolean {
    return (word & RETURN_LAP) === ((this.returned & this.capacity) === 0 ? RETURN_LAP : 0);
  }

  /** Takes back what the peer has finished with, and gives its references up. How many slots, or {@link VIOLATED}. */
  takeReturns(): number {
    const { words, slots, mask, returnsAt } = this;
    // A lap at most, whatever the peer goes on to write: there are no more ids.
    for (let count = 0; ; count++) {
      const word = Atomics.load(words, returnsAt + (this.returned & mask));
      if (count === this.capacity || !this.isReturned(word)) return count;
      const id = word >> 1;
      if (id < 0 || id > mask) return VIOLATED;
      const slot = slots[id]!;
      if (slot < 0) return VIOLATED;
      this.returned = (this.returned + 1) | 0;
      slots[id] = -1;
      this.inFlightBytes -= this.lengths[id]!;
      this.freeIds[this.free++] = id;
      this.release(slot);
    }
  }

  private release(slot: number): void {
    if (slot < LENT) this.pool.release(slot);
    else this.lentPool!.release(slot - LENT);
  }

  /** Takes everything back: the peer is dead, or no longer believed. */
  reclaim(): void {
    for (let id = 0; id < this.capacity; id++) {
      const slot = this.slots[id]!;
      if (slot < 0) continue;
      this.slots[id] = -1;
      this.freeIds[this.free++] = id;
      this.release(slot);
    }
    this.inFlightBytes = 0;
  }

  /** Lets go of the shared memory, which is about to be unmapped. */
  detach(nothing: Int32Array): void {
    this.words = nothing;
  }
}
