// One value of type bytes or string: set from memory, slices or text, or lying in a received message.

import {
  lowestCopyThresholdBytes,
  poolOf,
  RELEASED,
  ScatterGatherArray,
  Slice,
  type SlotPool,
} from '@demikernel/memory';
import { debugging } from '../debug.ts';
import type { Source } from '../source.ts';
import { readUtf8, utf8Length } from '../text.ts';
import { referredFrom, tuning } from '../tuning.ts';
import type { Writer } from '../writer.ts';

/** What a bytes field can be set to. Slices and arrays are shared; plain memory is borrowed until the message is written. */
export type BytesValue = Uint8Array | Slice | ScatterGatherArray | BytesField;

/** What a string field can be set to: text, or memory that holds UTF-8. */
export type StringValue = string | BytesValue;

const EMPTY = 0;
/** Plain memory, copied when written. */
const BORROWED = 1;
/** Bytes of a slot to which we hold a reference: sent by reference or copied, as decided when they were set. */
const SLICE = 2;
/** An array of ours. */
const ARRAY = 3;
/** Bytes of the message that this one was read from. */
const RECEIVED = 4;
/** Text that has not been encoded. */
const TEXT = 5;

const NO_BYTES: Uint8Array = new Uint8Array(0);

export class BytesField {
  /** Bytes; of text, once it has been measured. */
  protected lengthBytes: number;
  protected state: number;
  protected characters: string;
  private byReference: boolean;
  private offset: number;
  private memory: Uint8Array;
  // Of a slice its parts: one object less for each value that is set.
  private pool: SlotPool | undefined;
  private slot: number;
  private array: ScatterGatherArray | undefined;
  private source: Source | undefined;

  constructor() {
    this.lengthBytes = 0;
    this.state = EMPTY;
    this.characters = '';
    this.byReference = false;
    this.offset = 0;
    this.memory = NO_BYTES;
    this.pool = undefined;
    this.slot = RELEASED;
    this.array = undefined;
    this.source = undefined;
  }

  /** Bytes of the value. */
  get length(): number {
    if (this.state === TEXT) return utf8Length(this.characters);
    return this.lengthBytes;
  }

  /** Where a received value begins in its message; -1 for one that was set. For who knows where the message lies. */
  get messageOffset(): number {
    return this.state === RECEIVED ? this.offset : -1;
  }

  /** Whether the value is sent by reference. */
  get referred(): boolean {
    return this.byReference;
  }

  /**
   * Sets the value. At least `copyThresholdBytes` long and in registered memory it will be sent by reference, and a
   * reference is held from now on; else it is copied once, when the message is written.
   */
  set(value: BytesValue | string, copyThresholdBytes: number = tuning.copyThresholdBytes): void {
    if (typeof value === 'string') {
      this.setText(value);
    } else if (value instanceof Uint8Array) {
      this.setMemory(value, copyThresholdBytes);
    } else if (value instanceof Slice) {
      this.setSlice(value, copyThresholdBytes);
    } else if (value instanceof ScatterGatherArray) {
      this.setArray(value.share(), copyThresholdBytes);
    } else if (value !== this) {
      const lease = value.share();
      if (lease !== undefined) this.setArray(lease, copyThresholdBytes);
      // Bytes of a message that may be released before this one is written.
      else this.setMemory(value.copy(), copyThresholdBytes);
    }
  }

  private setText(text: string): void {
    this.clear();
    this.state = TEXT;
    this.characters = text;
  }

  private setMemory(bytes: Uint8Array, copyThresholdBytes: number): void {
    const { length } = bytes;
    let slice: Slice | undefined;
    const least = copyThresholdBytes < 0 ? lowestCopyThresholdBytes() : copyThresholdBytes;
    if (length >= least) slice = poolOf(bytes.buffer)?.sliceOf(bytes);
    if (slice !== undefined) {
      this.setSlice(slice, copyThresholdBytes);
      slice.release();
      return;
    }
    this.clear();
    this.state = BORROWED;
    this.memory = bytes;
    this.lengthBytes = length;
  }

  private setSlice(slice: Slice, copyThresholdBytes: number): void {
    const { pool, slot, offset, length } = slice;
    // A released one throws at its own `share`.
    if (slot === RELEASED) slice.share();
    this.setIn(pool, slot, offset, length, copyThresholdBytes);
  }

  /** As `set` with a slice of `length` bytes at `offset` of the pool's region, for who has none but holds their slot. */
  setIn(
    pool: SlotPool,
    slot: number,
    offset: number,
    length: number,
    copyThresholdBytes: number = tuning.copyThresholdBytes,
  ): void {
    pool.retain(slot);
    this.clear();
    this.state = SLICE;
    this.pool = pool;
    this.slot = slot;
    this.offset = offset;
    this.lengthBytes = length;
    this.byReference = length !== 0 && length >= referredFrom(copyThresholdBytes, pool);
  }

  private setArray(array: ScatterGatherArray, copyThresholdBytes: number): void {
    const length = array.lengthBytes;
    this.clear();
    this.state = ARRAY;
    this.array = array;
    this.lengthBytes = length;
    this.byReference = length !== 0 && length >= referredFrom(copyThresholdBytes, array.segments[0]!.pool);
  }

  clear(): void {
    if (this.state === RECEIVED) {
      this.state = EMPTY;
      this.lengthBytes = 0;
      this.source = undefined;
    } else if (this.state !== EMPTY) this.clearOwn();
  }

  /** Of values that were set: gives references back. */
  private clearOwn(): void {
    const { state, array } = this;
    this.state = EMPTY;
    this.lengthBytes = 0;
    this.byReference = false;
    this.characters = '';
    this.memory = NO_BYTES;
    this.source = undefined;
    if (state === SLICE) this.pool!.release(this.slot);
    if (array !== undefined) {
      this.array = undefined;
      array.free();
    }
  }

  /** Takes the entry at `p` of a verified message. */
  load(source: Source, p: number): void {
    this.lengthBytes = source.u32(p);
    this.offset = source.u32(p + 4);
    this.source = source;
    this.state = RECEIVED;
  }

  /** The bytes: a view where they lie in one piece, else a copy. Ends with the message; a {@link lease} does not. */
  bytes(): Uint8Array {
    switch (this.state) {
      case BORROWED:
        return this.memory;
      case SLICE:
        return new Uint8Array(this.pool!.region.buffer, this.offset, this.lengthBytes);
      case ARRAY:
        return this.array!.count === 1 ? this.array!.segments[0]!.bytes() : this.array!.toBytes();
      case RECEIVED:
        return this.source!.bytesAt(this.offset, this.lengthBytes);
      case TEXT:
        return new TextEncoder().encode(this.characters);
      default:
        return NO_BYTES;
    }
  }

  /** The bytes as a fresh copy. */
  copy(): Uint8Array {
    // Memory that others can write may have changed since it was verified: no allocation by its word alone.
    if (this.state === RECEIVED && this.lengthBytes > 0) this.source!.seek(this.offset, this.lengthBytes);
    const copy = new Uint8Array(this.length);
    this.copyTo(copy, 0);
    return copy;
  }

  /** Copies into `target`, which must be long enough; returns the bytes copied. */
  copyTo(target: Uint8Array, targetOffset = 0): number {
    if (this.state === RECEIVED) this.source!.copyTo(target, targetOffset, this.offset, this.lengthBytes);
    else if (this.state === ARRAY) this.array!.copyTo(target, targetOffset);
    else target.set(this.bytes(), targetOffset);
    return this.length;
  }

  /**
   * A 32-bit hash of the bytes (FNV-1a), so that tables keyed by a field need no string per look-up. Not for keys that an enemy
   * chooses: mix in a secret first, or bound the length of chains.
   */
  hash(seed = 0x811c9dc5): number {
    let hash = seed | 0;
    if (this.state === RECEIVED) return this.source!.hash(hash, this.offset, this.lengthBytes);
    const bytes = this.bytes();
    for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    return hash;
  }

  /** Whether the bytes are the `length` ones at `start` of `other`. */
  equals(other: Uint8Array, start = 0, length: number = other.length - start): boolean {
    if (length !== this.length) return false;
    if (this.state === RECEIVED) return this.source!.equals(other, start, this.offset, length);
    const bytes = this.bytes();
    for (let i = 0; i < length; i++) if (bytes[i] !== other[start + i]) return false;
    return true;
  }

  /**
   * The bytes without a copy, kept by references of their own until the array is freed; `undefined` when they do not lie
   * in slices.
   */
  lease(): ScatterGatherArray | undefined {
    const array = this.share();
    if (debugging.on && array !== undefined) debugging.leased(array);
    return array;
  }

  private share(): ScatterGatherArray | undefined {
    if (this.state === SLICE) {
      const pool = this.pool!;
      const array = pool.array();
      pool.retain(this.slot);
      array.append(pool.slice(this.slot, this.offset, this.lengthBytes));
      return array;
    }
    if (this.state === ARRAY) return this.array!.share();
    const { source } = this;
    if (this.state !== RECEIVED || !source!.inSlots) return undefined;
    const array = source!.pool.array();
    source!.appendTo(array, this.offset, this.lengthBytes);
    return array;
  }

  measure(w: Writer): void {
    if (this.state === RECEIVED) w.measureSource(this.source!, this.lengthBytes);
    else if (this.state === TEXT) this.lengthBytes = w.measureText(this.characters);
    else if (this.byReference) w.referredBytes += this.lengthBytes;
    else w.copiedBytes += this.lengthBytes;
  }

  emit(w: Writer, p: number): void {
    const length = this.lengthBytes;
    switch (this.state) {
      case RECEIVED:
        w.emitSource(p, this.source!, this.offset, length);
        return;
      case TEXT:
        w.emitText(p, this.characters, length);
        return;
      case SLICE:
        if (!this.byReference) {
          w.emitCopiedSlot(p, this.pool!, this.offset, length);
          return;
        }
        w.emitReferred(p, length);
        w.refer(this.pool!, this.slot, this.offset, length);
        return;
      case ARRAY:
        if (!this.byReference) {
          const at = w.takeCopied(length);
          w.u32(p, length);
          w.u32(p + 4, at);
          w.copyArray(at, this.array!);
          return;
        }
        w.emitReferred(p, length);
        w.referAll(this.array!);
        return;
      default:
        w.emitCopied(p, this.memory, 0, length);
    }
  }

  /** @internal text of received bytes */
  protected receivedText(): string {
    return this.source!.text(this.offset, this.lengthBytes);
  }

  protected get isReceived(): boolean {
    return this.state === RECEIVED;
  }

  protected get isText(): boolean {
    return this.state === TEXT;
  }
}

/** A string: its text is decoded when somebody asks. */
export class StringField extends BytesField {
  // Text of received bytes, once it has been decoded.
  private decoded: string | undefined;

  constructor() {
    super();
    this.decoded = undefined;
  }

  override clear(): void {
    this.decoded = undefined;
    super.clear();
  }

  override load(source: Source, p: number): void {
    this.decoded = undefined;
    super.load(source, p);
  }

  /** The text. @throws MalformedMessageError when received bytes are not UTF-8 */
  text(): string {
    if (this.isText) return this.characters;
    if (this.decoded === undefined)
      this.decoded = this.isReceived ? this.receivedText() : decode(this.bytes());
    return this.decoded;
  }
}

function decode(bytes: Uint8Array): string {
  return bytes.length === 0 ? '' : readUtf8(bytes, 0, bytes.length);
}
