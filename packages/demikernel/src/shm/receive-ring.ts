// The receiving half of one direction: descriptors in, slices of the peer's memory out, slots given back when the last
// slice of each is gone. Knows memory only: no system calls, no waiting.

import { type Region, type Slice, type SlotLender, SlotPool } from '@demikernel/memory';
import {
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_WORDS,
  DESCRIPTORS,
  FLAG_LAP,
  FLAG_MORE,
  FLAG_YOURS,
  ID_BITS,
  RETURN_LAP,
  returnedAt,
  STATE,
  WINDOW_BYTES,
} from './layout.ts';
import type { RingPlace, SendRing } from './send-ring.ts';

/** No flags are negative. */
const UNKNOWN = -1;
const ID_MASK = (1 << ID_BITS) - 1;

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
  /** What the peer may send back to us. */
  sender: SendRing;
  /** Of what is lent: it goes back to the peer by reference. Default the pool's (see `SlotPool`). */
  copyThresholdBytes?: number;
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
  /** Ids that the peer has not been shown to be free again. */
  unpublished: number;
  private words: Int32Array;
  private readonly capacity: number;
  private readonly mask: number;
  private readonly ownAt: number;
  private readonly peerAt: number;
  private readonly returnsAt: number;
  private readonly regionBytes: number;
  private readonly listener: ReturnListener;
  private readonly sender: SendRing;
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
      copyThresholdBytes: options.copyThresholdBytes,
      debug,
    });
    this.lent = 0;
    this.violated = false;
    this.more = false;
    this.unpublished = 0;
    this.words = place.words;
    this.capacity = capacity;
    this.mask = capacity - 1;
    this.ownAt = place.ownAt;
    this.peerAt = place.peerAt;
    this.returnsAt = place.ownAt + returnedAt(capacity);
    this.regionBytes = region.lengthBytes;
    this.listener = options.listener;
    this.sender = options.sender;
    this.sender.sendBackFrom(this.pool);
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
    const lap = (this.received & this.capacity) === 0 ? FLAG_LAP : 0;
    // A plain load to see whether there is anything, because V8 compiles it in place and calls Atomics.load.
    if ((this.words[at + DESCRIPTOR_FLAGS]! & FLAG_LAP) !== lap || this.violated) return false;
    // An acquire: what the rest of the descriptor and the payload say is read after it.
    const flags = Atomics.load(this.words, at + DESCRIPTOR_FLAGS);
    if ((flags & FLAG_LAP) !== lap) return false;
    if ((flags & ~(FLAG_LAP | FLAG_MORE | FLAG_YOURS)) !== 0) {
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
    if ((flags & FLAG_YOURS) !== 0) return this.nextOfOurs(id, offset, length);
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

  /** The next slice, which we have sent before: it is ours, and its descriptor done with. */
  private nextOfOurs(ids: number, offset: number, length: number): Slice | undefined {
    const slice = this.sender.sliceOnItsWay(ids >>> ID_BITS, offset, length);
    this.more = (this.nextFlags & FLAG_MORE) !== 0;
    if (slice !== undefined && this.passOver(ids & ID_MASK)) return slice;
    slice?.release();
    this.violated = true;
    return undefined;
  }

  /** Gives the next one back unseen; `ready` must hold. False: the peer has lied (`violated`). */
  skip(): boolean {
    const at = this.peerAt + DESCRIPTORS + (this.received & this.mask) * DESCRIPTOR_WORDS;
    const word = this.words[at]!;
    return this.passOver((this.nextFlags & FLAG_YOURS) === 0 ? word : word & ID_MASK);
  }

  private passOver(id: number): boolean {
    this.nextFlags = UNKNOWN;
    if (id < 0 || id > this.mask || this.pool.references[id] !== 0) {
      this.violated = true;
      return false;
    }
    this.received = (this.received + 1) | 0;
    this.giveBack(id);
    return true;
  }

  /** Whether, among what is there, something is ours that the peer sends back. */
  bringsOurs(): boolean {
    const { words, mask } = this;
    if (!this.ready) return false;
    for (let count = 0; count < this.capacity; count++) {
      const place = this.received + count;
      const flags = words[this.peerAt + DESCRIPTORS + (place & mask) * DESCRIPTOR_WORDS + DESCRIPTOR_FLAGS]!;
      if ((flags & FLAG_LAP) !== ((place & this.capacity) === 0 ? FLAG_LAP : 0)) return false;
      if ((flags & FLAG_YOURS) !== 0) return true;
    }
    return false;
  }

  /** The last reference is gone: the id goes back with the next `publish`. */
  slotReturned(id: number): void {
    this.lent--;
    this.giveBack(id);
  }

  private giveBack(id: number): void {
    const marked = (id << 1) | ((this.returned & this.capacity) === 0 ? RETURN_LAP : 0);
    if (this.returned === this.published) this.firstReturn = marked;
    else this.words[this.returnsAt + (this.returned & this.mask)] = marked;
    this.returned = (this.returned + 1) | 0;
    this.unpublished++;
    this.listener.slotsReturned();
  }

  /** Shows the peer what it has got back, with a full barrier behind it if asked for. False: nothing new. */
  publish(barrier: boolean): boolean {
    if (this.unpublished === 0) return false;
    const at = this.returnsAt + (this.published & this.mask);
    this.published = this.returned;
    this.unpublished = 0;
    if (barrier) Atomics.store(this.words, at, this.firstReturn);
    else this.words[at] = this.firstReturn;
    return true;
  }

  /** Tells the peer how many bytes to have under way at most. */
  setWindow(windowBytes: number): void {
    this.words[this.ownAt + WINDOW_BYTES] = windowBytes;
  }

  /** Whether the peer says something else of itself than `state`. A plain load, as in `look`. */
  peerStateIsNot(state: number): boolean {
    return this.words[this.peerAt + STATE] !== state;
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
