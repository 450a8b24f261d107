// The receiving half of one direction: descriptors in, slices of the peer's memory out, slots given back when the last
// slice of each is gone. Knows memory only: no system calls, no waiting.

import { type Region, type Slice, type SlotLender, SlotPool } from '@demikernel/memory';
import {
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_WORDS,
  DESCRIPTORS,
  FLAG_LAP,
  FLAG_MORE,
  RETURN_LAP,
  returnedAt,
  STATE,
  WINDOW_BYTES,
} from './layout.ts';
import type { RingPlace } from './send-ring.ts';

/** No flags are negative. */
const UNKNOWN = -1;

/** Told when there is something to publish. */
export interface ReturnListener {
  slotsReturned(): void;
}

export interface ReceiveRingOptions {
  /** The peer's memory, of which it lends us pieces. */
  region: Region;
  /** Name stale slices, at a price. */
  debug?: boolean;
  listener: ReturnListener;
}

/**
 * Receives slices by reference.
 *
 * Every word is copied out of the shared memory once and judged there: a peer that changes it afterwards changes nothing.
 * The bytes themselves stay the peer's: who must not see them change under his hands copies them.
 */
export class ReceiveRing implements SlotLender {
  /** The pieces lent to us, by id; made of the peer's region. */
  readonly pool: SlotPool;
  /** Pieces lent and not given back. */
  lent: number;
  /** The peer has broken the rules; nothing more comes out of this ring. */
  violated: boolean;
  /** Whether the message of the last slice goes on. */
  more: boolean;
  private words: Int32Array;
  private readonly capacity: number;
  private readonly mask: number;
  private readonly ownAt: number;
  private readonly peerAt: number;
  private readonly returnsAt: number;
  private readonly regionBytes: number;
  private readonly listener: ReturnListener;
  /** Descriptors taken out. */
  private received: number;
  /** Our copy of the next one's flags, once it is there; or {@link UNKNOWN}. */
  private nextFlags: number;
  private returned: number;
  private published: number;
  /** The first id that is not published, with its lap: what the peer waits for. */
  private firstReturn: number;

  constructor(place: RingPlace, options: ReceiveRingOptions) {
    const { capacity } = place;
    const { region, debug = false } = options;
    // The size of a slot means nothing to a pool of pieces that lie anywhere.
    this.pool = new SlotPool(region, {
      slotSizeBytes: 256,
      headroomBytes: 0,
      lender: this,
      lentSlots: capacity,
      // What one peer has lent reaches another by a copy (liboses/catmem): best made where it is going to lie.
      copyThresholdBytes: Number.POSITIVE_INFINITY,
      debug,
    });
    this.lent = 0;
    this.violated = false;
    this.more = false;
    this.words = place.words;
    this.capacity = capacity;
    this.mask = capacity - 1;
    this.ownAt = place.ownAt;
    this.peerAt = place.peerAt;
    this.returnsAt = place.ownAt + returnedAt(capacity);
    this.regionBytes = region.lengthBytes;
    this.listener = options.listener;
    this.received = 0;
    this.nextFlags = UNKNOWN;
    this.returned = 0;
    this.published = 0;
    this.firstReturn = 0;
  }

  /** Whether a descriptor is there. */
  get ready(): boolean {
    return this.nextFlags !== UNKNOWN || this.look();
  }

  private look(): boolean {
    const at = this.peerAt + DESCRIPTORS + (this.received & this.mask) * DESCRIPTOR_WORDS;
    // An acquire: what the rest of the descriptor and the payload say is read after it.
    const flags = Atomics.load(this.words, at + DESCRIPTOR_FLAGS);
    const lap = (this.received & this.capacity) === 0 ? FLAG_LAP : 0;
    if ((flags & FLAG_LAP) !== lap || this.violated) return false;
    if ((flags & ~(FLAG_LAP | FLAG_MORE)) !== 0) {
      this.violated = true;
      return false;
    }
    this.nextFlags = flags;
    return true;
  }

  /** The next slice, which is the caller's to release; `ready` must hold. `undefined`: the peer has lied (`violated`). */
  next(): Slice | undefined {
    const { words, pool } = this;
    const at = this.peerAt + DESCRIPTORS + (this.received & this.mask) * DESCRIPTOR_WORDS;
    const id = words[at]!;
    const offset = words[at + 1]!;
    const length = words[at + 2]!;
    const flags = this.nextFlags;
    this.nextFlags = UNKNOWN;
    // A piece that is lent already, or outside what there is to lend.
    const wrong =
      id < 0 ||
      id > this.mask ||
      pool.references[id] !== 0 ||
      length < 0 ||
      offset < 0 ||
      offset > this.regionBytes - length;
    if (wrong) {
      this.violated = true;
      return undefined;
    }
    this.received = (this.received + 1) | 0;
    this.lent++;
    this.more = (flags & FLAG_MORE) !== 0;
    pool.borrow(id);
    return pool.slice(id, offset, length);
  }

  /** The last reference is gone: the id goes back with the next `publish`. */
  slotReturned(id: number): void {
    this.lent--;
    const marked = (id << 1) | ((this.returned & this.capacity) === 0 ? RETURN_LAP : 0);
    if (this.returned === this.published) this.firstReturn = marked;
    else this.words[this.returnsAt + (this.returned & this.mask)] = marked;
    this.returned = (this.returned + 1) | 0;
    this.listener.slotsReturned();
  }

  /** Shows the peer what it has got back, with a full barrier behind it if asked for. False: nothing new. */
  publish(barrier: boolean): boolean {
    if (this.published === this.returned) return false;
    const at = this.returnsAt + (this.published & this.mask);
    this.published = this.returned;
    if (barrier) Atomics.store(this.words, at, this.firstReturn);
    else this.words[at] = this.firstReturn;
    return true;
  }

  /** Tells the peer how many bytes to have under way at most. */
  setWindow(windowBytes: number): void {
    this.words[this.ownAt + WINDOW_BYTES] = windowBytes;
  }

  /** What the peer says of itself: `STATE_…` bits. Read before `ready`, it says nothing of what comes later. */
  get peerState(): number {
    return Atomics.load(this.words, this.peerAt + STATE);
  }

  /** Lets go of the shared memory, which is about to be unmapped. */
  detach(nothing: Int32Array): void {
    this.words = nothing;
    this.nextFlags = UNKNOWN;
  }
}
