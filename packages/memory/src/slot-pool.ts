// Slots of one size in one region: reference counts, the free list, and the pooled slices and arrays that hold them.

import { DemiError } from './error.ts';
import type { Region } from './region.ts';
import { ScatterGatherArray } from './scatter-gather-array.ts';
import { Slice } from './slice.ts';

/** Byte that fills a freed slot in debug mode. */
export const POISON = 0xdb;

/** Copy threshold of a pool that is told none: what the Cornflakes paper measured on its network cards. */
export const DEFAULT_COPY_THRESHOLD_BYTES = 512;

/** Where the slots of a pool go that have been lent to it. */
export interface SlotLender {
  /** The last reference to a lent slot is gone. */
  slotReturned(slot: number): void;
}

export interface SlotPoolOptions {
  /** Bytes per slot: a power of two, at least 256. */
  slotSizeBytes: number;
  /**
   * The memory is another's, who lends pieces of it under numbers from 0 to `lentSlots - 1`, wherever in the region they lie.
   * Such a pool allocates nothing: slots come in by `borrow` and go back to the lender.
   */
  lender?: SlotLender;
  /** With `lender`: how many pieces may be lent at once. */
  lentSlots?: number;
  /** Bytes in front of an allocated slice, where the stack writes headers. Default 128. */
  headroomBytes?: number;
  /** Slots that only `allocReserved` hands out, so that the stack works when applications hold everything else. */
  reserveSlots?: number;
  /** See {@link SlotPool.copyThresholdBytes}. Default {@link DEFAULT_COPY_THRESHOLD_BYTES}. */
  copyThresholdBytes?: number;
  /** Poison freed slots, never recycle slices, name the place a stale one was released. Slow. */
  debug?: boolean;
}

/**
 * The slots of a region.
 *
 * A slot is free, or has one reference per holder: a slice, a descriptor that a device owns, a frame under way. Slices
 * and arrays are recycled, so that the steady state allocates nothing.
 */
export class SlotPool {
  readonly region: Region;
  readonly slotSizeBytes: number;
  /** log2 of `slotSizeBytes`: `offset >> slotShift` is the slot an offset lies in. */
  readonly slotShift: number;
  readonly slotCount: number;
  readonly headroomBytes: number;
  readonly reserveSlots: number;
  readonly debug: boolean;
  /** Who lends the slots; `undefined` for memory of one's own. */
  readonly lender: SlotLender | undefined;
  /** References per slot; 0 is free. */
  readonly references: Int32Array;
  /** How often each slot has been freed: tells a slot from its earlier lives. */
  readonly generations: Int32Array;
  /** Slots that are free. */
  freeSlots: number;
  /** How often an allocation found nothing. */
  exhausted: number;
  private threshold: number;
  // Last in, first out: the slot freed last is the one most likely still in the cache.
  private readonly freeStack: Int32Array;
  private readonly idleSlices: Slice[];
  private idleSliceCount: number;
  private readonly idleArrays: ScatterGatherArray[];
  private idleArrayCount: number;

  constructor(region: Region, options: SlotPoolOptions) {
    const { slotSizeBytes, headroomBytes = 128, reserveSlots = 0, debug = false } = options;
    if (slotSizeBytes < 256 || (slotSizeBytes & (slotSizeBytes - 1)) !== 0) {
      throw new DemiError(
        'ERR_DEMI_SLOT_SIZE',
        `a slot is a power of two of at least 256 bytes, not ${slotSizeBytes}`,
      );
    }
    const { lender, lentSlots = 0 } = options;
    const slotCount = lender === undefined ? Math.floor(region.lengthBytes / slotSizeBytes) : lentSlots;
    if (slotCount === 0 || reserveSlots >= slotCount || headroomBytes >= slotSizeBytes) {
      throw new DemiError(
        'ERR_DEMI_SLOT_SIZE',
        `${slotCount} slots of ${slotSizeBytes} bytes cannot hold a reserve of ${reserveSlots} and a headroom of ${headroomBytes}`,
      );
    }
    this.region = region;
    this.slotSizeBytes = slotSizeBytes;
    this.slotShift = 31 - Math.clz32(slotSizeBytes);
    this.slotCount = slotCount;
    this.headroomBytes = headroomBytes;
    this.reserveSlots = reserveSlots;
    this.debug = debug;
    this.lender = lender;
    this.references = new Int32Array(slotCount);
    this.generations = new Int32Array(slotCount);
    this.freeStack = new Int32Array(slotCount);
    for (let i = 0; i < slotCount; i++) this.freeStack[i] = slotCount - 1 - i;
    this.freeSlots = lender === undefined ? slotCount : 0;
    this.exhausted = 0;
    this.threshold = 0;
    this.copyThresholdBytes = options.copyThresholdBytes ?? DEFAULT_COPY_THRESHOLD_BYTES;
    this.idleSlices = [];
    this.idleSliceCount = 0;
    this.idleArrays = [];
    this.idleArrayCount = 0;
    if (this.lender === undefined) owners.set(region.buffer, this);
  }

  /**
   * Values in this memory that are shorter than so many bytes are better copied into a message than sent by reference: the one
   * place where a device says so to whoever builds messages. 0 always refers, Infinity always copies.
   */
  get copyThresholdBytes(): number {
    return this.threshold;
  }

  /** @throws ERR_DEMI_OUT_OF_RANGE for what is no number of bytes */
  set copyThresholdBytes(bytes: number) {
    if (!(bytes >= 0)) {
      throw new DemiError(
        'ERR_DEMI_OUT_OF_RANGE',
        `a copy threshold is a number of bytes, 0 or Infinity, not ${bytes}`,
      );
    }
    this.threshold = bytes;
    if (bytes < lowestThreshold) lowestThreshold = bytes;
  }

  /** A free slot with one reference, or -1 when only the reserve is left. */
  allocSlot(): number {
    if (this.freeSlots <= this.reserveSlots) {
      this.exhausted++;
      return -1;
    }
    return this.takeFree();
  }

  /** As `allocSlot`, from the reserve too: for headers, acknowledgements, the fill ring. */
  allocReserved(): number {
    if (this.freeSlots === 0) {
      this.exhausted++;
      return -1;
    }
    return this.takeFree();
  }

  private takeFree(): number {
    const slot = this.freeStack[--this.freeSlots]!;
    this.references[slot] = 1;
    return slot;
  }

  /** Takes a lent slot in, with one reference. @throws ERR_DEMI_SLOT_NOT_HELD when it is lent already, or no number of one */
  borrow(slot: number): void {
    if (this.references[slot] !== 0) throw notHeld(slot);
    this.references[slot] = 1;
  }

  /** One more reference to a slot that has some. */
  retain(slot: number): void {
    const count = this.references[slot]!;
    // An index outside the table reads undefined, which is not positive either.
    if (!(count > 0)) throw notHeld(slot);
    this.references[slot] = count + 1;
  }

  /** One reference less; the last one frees the slot. */
  release(slot: number): void {
    const count = this.references[slot]!;
    if (!(count > 0)) throw notHeld(slot);
    this.references[slot] = count - 1;
    if (count === 1) this.free(slot);
  }

  private free(slot: number): void {
    this.generations[slot] = (this.generations[slot]! + 1) | 0;
    if (this.lender !== undefined) {
      this.lender.slotReturned(slot);
      return;
    }
    if (this.debug) {
      const start = slot << this.slotShift;
      this.region.bytes.fill(POISON, start, start + this.slotSizeBytes);
    }
    this.freeStack[this.freeSlots++] = slot;
  }

  /** Offset of a slot's first byte in the region. */
  slotOffset(slot: number): number {
    return slot << this.slotShift;
  }

  /** Bytes that one allocated slice can hold. */
  get capacityBytes(): number {
    return this.slotSizeBytes - this.headroomBytes;
  }

  /** A slice of bytes in `slot`, taking over one reference that the caller holds. */
  slice(slot: number, offset: number, length: number): Slice {
    const slice = this.idleSliceCount > 0 ? this.idleSlices[--this.idleSliceCount]! : new Slice(this);
    slice.slot = slot;
    slice.offset = offset;
    slice.length = length;
    return slice;
  }

  /** Takes a released slice back; called by `Slice.release`. */
  recycleSlice(slice: Slice): void {
    if (this.debug) {
      slice.releasedAt = new Error().stack?.split('\n').slice(3, 6).join(' <- ').trim();
      return;
    }
    if (this.idleSliceCount < this.idleSlices.length) this.idleSlices[this.idleSliceCount] = slice;
    else this.idleSlices.push(slice);
    this.idleSliceCount++;
  }

  /**
   * A slice of up to `capacityBytes` writable bytes behind the headroom, or `undefined` when the pool is empty.
   *
   * @throws ERR_DEMI_OUT_OF_RANGE when `lengthBytes` is negative or does not fit in one slot.
   */
  alloc(lengthBytes: number): Slice | undefined {
    if (!(lengthBytes >= 0 && lengthBytes <= this.slotSizeBytes - this.headroomBytes)) {
      throw new DemiError(
        'ERR_DEMI_OUT_OF_RANGE',
        `a slot holds at most ${this.capacityBytes} bytes behind its headroom, not ${lengthBytes}`,
      );
    }
    const slot = this.allocSlot();
    if (slot < 0) return undefined;
    return this.slice(slot, (slot << this.slotShift) + this.headroomBytes, lengthBytes);
  }

  /** An empty scatter-gather array. */
  array(): ScatterGatherArray {
    const array =
      this.idleArrayCount > 0 ? this.idleArrays[--this.idleArrayCount]! : new ScatterGatherArray(this);
    array.live = true;
    return array;
  }

  /** Takes a freed array back; called by `ScatterGatherArray.free`. */
  recycleArray(array: ScatterGatherArray): void {
    if (this.debug) return;
    if (this.idleArrayCount < this.idleArrays.length) this.idleArrays[this.idleArrayCount] = array;
    else this.idleArrays.push(array);
    this.idleArrayCount++;
  }

  /**
   * An array of `lengthBytes` writable bytes in slices of at most `sliceBytes`, or `undefined` when the pool has too few
   * slots.
   */
  allocArray(lengthBytes: number, sliceBytes: number = this.capacityBytes): ScatterGatherArray | undefined {
    const array = this.array();
    let left = lengthBytes;
    do {
      const slice = this.alloc(Math.min(left, sliceBytes));
      if (slice === undefined) {
        array.free();
        return undefined;
      }
      array.append(slice);
      left -= slice.length;
    } while (left > 0);
    return array;
  }

  /** Whether a view lies in this pool's region, so that it can be sent without a copy. */
  holds(view: ArrayBufferView): boolean {
    return view.buffer === this.region.buffer;
  }

  /** A slice of the bytes under a view of this pool's region; they must lie in one slot that is in use. */
  sliceOf(view: ArrayBufferView): Slice | undefined {
    const { byteOffset, byteLength } = view;
    if (view.buffer !== this.region.buffer || byteLength === 0) return undefined;
    const slot = byteOffset >> this.slotShift;
    if (slot >= this.slotCount || (byteOffset + byteLength - 1) >> this.slotShift !== slot) return undefined;
    if (this.references[slot]! <= 0) return undefined;
    this.references[slot] = this.references[slot]! + 1;
    return this.slice(slot, byteOffset, byteLength);
  }
}

// Weak: a pool nobody uses any more goes with its region.
const owners: WeakMap<ArrayBufferLike, SlotPool> = new WeakMap();

/** The pool whose slots lie in `buffer`, so that bytes can be recognised as registered memory; the last one made over it. */
export function poolOf(buffer: ArrayBufferLike): SlotPool | undefined {
  return owners.get(buffer);
}

let lowestThreshold = Number.POSITIVE_INFINITY;

/**
 * No pool of this process has, or had, a lower copy threshold: what is shorter is copied wherever it lies, so that nobody needs to
 * look for its pool.
 */
export function lowestCopyThresholdBytes(): number {
  return lowestThreshold;
}

function notHeld(slot: number): DemiError {
  return new DemiError('ERR_DEMI_SLOT_NOT_HELD', `slot ${slot} has no reference left to take or give up`);
}
