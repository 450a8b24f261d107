// The store: keys, values, expiry, and the bounds on their memory. Knows no protocol and no connection, so that several
// protocols can stand in front of it.

import type { Region, ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { copyBetween } from '@demikernel/memory';
import { Arena } from './arena.ts';
import { KeyHash } from './key-hash.ts';
import { KeyTable } from './key-table.ts';
import type { KvLimits } from './limits.ts';

/*
 * An entry is one arena block:
 *
 *   word 0  hash of the key
 *        1  length of the key
 *        2  length of the value
 *        3  number of the value in slots, or -1: then the value lies here, behind the key
 *      4-5  when it expires: milliseconds since 1970 as a double; 0 never
 *   byte 24 the key, the value
 *
 * A value in slots is never written again: a new one takes its place, and who still sends the old one holds references.
 * A value in a block is only ever copied out, so it may be overwritten.
 */
const HASH = 0;
const KEY_LENGTH = 1;
const VALUE_LENGTH = 2;
const LARGE = 3;
const HEADER_BYTES = 24;
const NOT_LARGE = -1;

export interface StoreOptions {
  /** Where long values lie. */
  pool: SlotPool;
  /** Bytes per slice of a long value. */
  sliceBytes: number;
  limits: KvLimits;
  /** Two random words for the hash. */
  secret: readonly [number, number];
}

/** One database. Every call that names a key works on the bytes of a region, where they lie. */
export class Store {
  readonly limits: KvLimits;
  readonly region: Region;
  /** Element 0: now, in milliseconds since 1970. Whoever drives the store sets it. */
  readonly nowMs: Float64Array;
  /** Element 0: what {@link expire} takes, likewise, but not 0. An argument would be boxed. */
  readonly moment: Float64Array;
  /** Keys that will expire. */
  expiring: number;
  /** Keys that have expired, since the start. */
  expired: number;
  /** Lookups that found something, and that did not. */
  hits: number;
  misses: number;
  /** Slots that values lie in. */
  slots: number;
  readonly slotLimit: number;
  private readonly arena: Arena;
  private table: KeyTable;
  private readonly hash: KeyHash;
  private readonly pool: SlotPool;
  private readonly sliceBytes: number;
  private readonly larges: (ScatterGatherArray | undefined)[];
  private readonly freeLarges: Int32Array;
  private freeLargeCount: number;
  private sweepPlace: number;
  // What the last `find` has found; `block` 0: nothing.
  private foundHash: number;
  private place: number;
  private block: number;

  constructor(options: StoreOptions) {
    const { limits, pool, secret } = options;
    this.limits = limits;
    this.arena = new Arena(limits.memoryBytes);
    this.region = this.arena.region;
    this.table = new KeyTable(this.arena.capacity);
    this.hash = new KeyHash(secret[0], secret[1]);
    this.pool = pool;
    this.sliceBytes = options.sliceBytes;
    this.slotLimit = Math.floor(pool.slotCount * limits.slotShare);
    this.larges = Array.from({ length: this.slotLimit }, () => undefined);
    this.freeLarges = Int32Array.from({ length: this.slotLimit }, (_, i) => i);
    this.freeLargeCount = this.slotLimit;
    this.nowMs = new Float64Array(1);
    this.moment = new Float64Array(1);
    this.expiring = 0;
    this.expired = 0;
    this.hits = 0;
    this.misses = 0;
    this.slots = 0;
    this.sweepPlace = 0;
    this.foundHash = 0;
    this.place = 0;
    this.block = 0;
  }

  /** Keys. */
  get size(): number {
    return this.table.count;
  }

  /** Bytes of keys and values. */
  get usedBytes(): number {
    return this.arena.usedBytes + this.slots * this.pool.slotSizeBytes;
  }

  get memoryBytes(): number {
    return this.arena.lengthBytes + this.slotLimit * this.pool.slotSizeBytes;
  }

  /** Looks for a key; the calls below are about the last one looked for. A key whose time has come is gone. */
  find(region: Region, offset: number, lengthBytes: number): boolean {
    const hash = this.hash.of(region, offset, lengthBytes);
    const { arena, table } = this;
    const { words } = arena;
    this.foundHash = hash;
    let place = table.first(hash);
    for (let block = table.blockAt(place); block !== 0; block = table.blockAt(place)) {
      if (
        table.hashAt(place) === hash &&
        words[(block << 4) + KEY_LENGTH] === lengthBytes &&
        equalBytes(arena.region, (block << 6) + HEADER_BYTES, region, offset, lengthBytes)
      ) {
        this.place = place;
        this.block = block;
        if (this.expiring === 0 || !this.isOver(block)) return true;
        this.expired++;
        this.remove();
        return false;
      }
      place = table.next(place);
    }
    this.block = 0;
    return false;
  }

  private isOver(block: number): boolean {
    const atMs = this.arena.doubles[(block << 3) + 2]!;
    return atMs !== 0 && atMs <= this.nowMs[0]!;
  }

  /** Length of the value found. */
  get valueLength(): number {
    return this.arena.words[(this.block << 4) + VALUE_LENGTH]!;
  }

  /** The value found, where it lies in slots; `undefined`: it is `valueLength` bytes at `valueOffset` of `region`. */
  get large(): ScatterGatherArray | undefined {
    const number = this.arena.words[(this.block << 4) + LARGE]!;
    return number === NOT_LARGE ? undefined : this.larges[number];
  }

  get valueOffset(): number {
    return (this.block << 6) + HEADER_BYTES + this.arena.words[(this.block << 4) + KEY_LENGTH]!;
  }

  /** Milliseconds since 1970 when the key found expires; 0: never. */
  get expiresMs(): number {
    return this.arena.doubles[(this.block << 3) + 2]!;
  }

  /** Has the key found expire at {@link moment}. */
  expire(): void {
    const { doubles } = this.arena;
    const index = (this.block << 3) + 2;
    if (doubles[index] === 0) this.expiring++;
    doubles[index] = this.moment[0]!;
  }

  /** Lets the key found stay for ever. */
  persist(): void {
    const { doubles } = this.arena;
    const index = (this.block << 3) + 2;
    if (doubles[index] !== 0) this.expiring--;
    doubles[index] = 0;
  }

  /** Takes the key found out. */
  remove(): void {
    const { block } = this;
    this.persist();
    this.dropLarge(block);
    this.table.remove(this.place);
    this.arena.free(block);
    this.block = 0;
  }

  /**
   * Gives the key that was looked for a value; the time it expires stays. False when memory is used up: then nothing has
   * changed.
   *
   * @param large the value where it lies in slots already, from {@link allocLarge}; it is the store's if true is returned
   */
  put(
    keyRegion: Region,
    keyOffset: number,
    keyLength: number,
    valueRegion: Region,
    valueOffset: number,
    valueLength: number,
    large: ScatterGatherArray | undefined,
  ): boolean {
    const { arena } = this;
    const inSlots = valueLength >= this.limits.gatherBytes || large !== undefined;
    const bytes = HEADER_BYTES + keyLength + (inSlots ? 0 : valueLength);
    const old = this.block;
    const fits = old !== 0 && arena.orderOf(old) === arena.orderFor(bytes);
    const block = fits ? old : arena.alloc(bytes);
    if (block < 0) return false;
    let number = NOT_LARGE;
    if (inSlots) {
      number = this.keepLarge(valueRegion, valueOffset, valueLength, large);
      if (number === NOT_LARGE) {
        if (!fits) arena.free(block);
        return false;
      }
    }
    const { words } = arena;
    const at = block << 4;
    if (old !== 0) this.dropLarge(old);
    if (!fits) {
      words[at + HASH] = this.foundHash;
      words[at + KEY_LENGTH] = keyLength;
      copyBetween(arena.region, (block << 6) + HEADER_BYTES, keyRegion, keyOffset, keyLength);
      if (old === 0) {
        arena.doubles[(block << 3) + 2] = 0;
        this.place = this.table.insert(this.foundHash, block);
      } else {
        arena.doubles[(block << 3) + 2] = arena.doubles[(old << 3) + 2]!;
        this.table.move(this.place, block);
        arena.free(old);
      }
      this.block = block;
    }
    words[at + VALUE_LENGTH] = valueLength;
    words[at + LARGE] = number;
    if (!inSlots) {
      const to = (block << 6) + HEADER_BYTES + keyLength;
      copyBetween(arena.region, to, valueRegion, valueOffset, valueLength);
    }
    return true;
  }

  /** Slots for a long value, within the store's share; `undefined` when they are used up. They count from now on. */
  allocLarge(lengthBytes: number): ScatterGatherArray | undefined {
    const wanted = Math.ceil(lengthBytes / this.sliceBytes);
    if (this.slots + wanted > this.slotLimit) return undefined;
    const array = this.pool.allocArray(lengthBytes, this.sliceBytes);
    if (array !== undefined) this.slots += array.count;
    return array;
  }

  /** Gives back what {@link allocLarge} gave and no key has. */
  freeLarge(array: ScatterGatherArray): void {
    this.slots -= array.count;
    array.free();
  }

  private keepLarge(
    region: Region,
    offset: number,
    lengthBytes: number,
    large: ScatterGatherArray | undefined,
  ): number {
    if (this.freeLargeCount === 0) return NOT_LARGE;
    const array = large ?? this.allocLarge(lengthBytes);
    if (array === undefined) return NOT_LARGE;
    if (large === undefined) {
      let at = offset;
      for (let i = 0; i < array.count; i++) {
        const slice = array.segments[i]!;
        copyBetween(this.pool.region, slice.offset, region, at, slice.length);
        at += slice.length;
      }
    }
    const number = this.freeLarges[--this.freeLargeCount]!;
    this.larges[number] = array;
    return number;
  }

  private dropLarge(block: number): void {
    const number = this.arena.words[(block << 4) + LARGE]!;
    if (number === NOT_LARGE) return;
    this.freeLarge(this.larges[number]!);
    this.larges[number] = undefined;
    this.freeLarges[this.freeLargeCount++] = number;
  }

  /** Looks at so many places of the table for keys whose time has come; the next call goes on behind them. */
  sweep(places: number): void {
    if (this.expiring === 0) return;
    const { table } = this;
    for (let i = 0; i < places; i++) {
      const place = this.sweepPlace;
      const block = table.blockAt(place);
      if (block !== 0 && this.isOver(block)) {
        this.place = place;
        this.block = block;
        this.expired++;
        // Another entry may close up into this place: it is looked at again.
        this.remove();
      } else this.sweepPlace = table.next(place);
    }
  }

  /** Takes every key out. */
  clear(): void {
    const { table } = this;
    for (let place = 0; table.count > 0 && place < table.capacity; place++) {
      // Entries close up into the place just emptied.
      while (table.blockAt(place) !== 0) {
        this.place = place;
        this.block = table.blockAt(place);
        this.remove();
      }
    }
    this.block = 0;
  }
}

/** Whether two stretches of bytes are the same. */
export function equalBytes(
  a: Region,
  aOffset: number,
  b: Region,
  bOffset: number,
  lengthBytes: number,
): boolean {
  const first = a.view;
  const second = b.view;
  let at = 0;
  for (; at + 4 <= lengthBytes; at += 4) {
    if (first.getInt32(aOffset + at, true) !== second.getInt32(bOffset + at, true)) return false;
  }
  for (; at < lengthBytes; at++) {
    if (first.getUint8(aOffset + at) !== second.getUint8(bOffset + at)) return false;
  }
  return true;
}
