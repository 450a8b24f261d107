// Where a read message's bytes come from: reading words, blobs and strings at offsets of the message, whatever slices
// they lie in. What may be read was decided by verify.ts; putting headers in order is header.ts.

import { isUtf8 } from 'node:buffer';
import { RELEASED, ScatterGatherArray, Slice } from '@demikernel/memory';
import { enterInGeneral } from './header.ts';
import type { Internals } from './internals.ts';
import type { HeaderLayout } from './layout.ts';
import { Segments } from './segments.ts';
import { readUtf8 } from './text.ts';
import { MAX_FIELDS, VERSION_EXTENDED } from './wire.ts';

/** What a message can be read from. */
export type AnySource = ScatterGatherArray | Slice | Uint8Array;

/** Below this many bytes a loop is cheaper than making a view to copy from. */
const LOOP_BYTES = 48;

/** The bytes of one message that is being read, and the references that keep them. */
export class Source extends Segments {
  /** Presence words of the header entered last; the first of them apart, because it is what most types have. */
  present0: number;
  readonly present: Int32Array;

  constructor() {
    super();
    this.present0 = 0;
    this.present = new Int32Array(MAX_FIELDS / 32);
  }

  /** Lies over a message and takes references of its own to slices; plain memory is the caller's to keep unchanged. */
  attach(source: AnySource): void {
    if (source instanceof ScatterGatherArray) {
      // A freed array or slice throws at its own `share`.
      if (!source.live) source.share();
      if (source.count === 1) this.attachSlice(source.segments[0]!);
      else {
        this.overArray(source, 0);
        this.retainSlots();
      }
    } else if (source instanceof Slice) {
      if (source.slot === RELEASED) source.share();
      this.attachSlice(source);
    } else this.overBytes(source);
  }

  private attachSlice(slice: Slice): void {
    slice.pool.retain(slice.slot);
    this.overSlice(slice, 0);
  }

  /** References to slots, not slices of our own: two objects less for each message. */
  private retainSlots(): void {
    let held = 0;
    try {
      for (; held < this.count; held++) this.pools[held]!.retain(this.slots[held]!);
    } catch (error) {
      // An array with a slice that was released: give back what was taken, and no more.
      this.count = held;
      this.detach();
      throw error;
    }
  }

  /** Gives the references up. */
  detach(): void {
    if (this.inSlots) for (let i = 0; i < this.count; i++) this.pools[i]!.release(this.slots[i]!);
    this.overNothing();
  }

  i32(offset: number): number {
    if (offset <= this.lastFirstWord) return this.firstView.getInt32(offset + this.firstDelta, true);
    return this.i32Elsewhere(offset);
  }

  u32(offset: number): number {
    if (offset <= this.lastFirstWord) return this.firstView.getUint32(offset + this.firstDelta, true);
    return this.i32Elsewhere(offset) >>> 0;
  }

  f64(offset: number): number {
    if (offset < this.lastFirstWord - 3) return this.firstView.getFloat64(offset + this.firstDelta, true);
    joint.setInt32(0, this.i32(offset), true);
    joint.setInt32(4, this.i32(offset + 4), true);
    return joint.getFloat64(0, true);
  }

  f32(offset: number): number {
    if (offset <= this.lastFirstWord) return this.firstView.getFloat32(offset + this.firstDelta, true);
    joint.setInt32(0, this.i32(offset), true);
    return joint.getFloat32(0, true);
  }

  u8(offset: number): number {
    this.seek(offset, 1);
    return this.bytes[offset + this.delta]!;
  }

  private i32Elsewhere(offset: number): number {
    if (this.seek(offset, 4)) return this.view.getInt32(offset + this.delta, true);
    return (
      this.u8(offset) | (this.u8(offset + 1) << 8) | (this.u8(offset + 2) << 16) | (this.u8(offset + 3) << 24)
    );
  }

  /**
   * Begins reading the header at `offset`: sets the presence words here and returns where its entries, in order and
   * without gaps for what the schema does not know, begin.
   */
  enter(internals: Internals, type: { readonly layout: HeaderLayout }, offset: number): number {
    const { layout } = type;
    if (layout.words === 1) {
      const first = this.i32(offset);
      const present = this.i32(offset + 4);
      if ((present & layout.unknown0) === 0) {
        const isPlain = first === 1;
        if (isPlain || (first === layout.extendedWord && this.kindsAre(offset + 8, layout.kinds))) {
          this.present0 = present;
          // Words of sparse fields: none of them is here.
          for (let word = 1; word < layout.memoryWords; word++) this.present[word] = 0;
          return offset + (isPlain ? 8 : 8 + layout.kindBytes);
        }
      }
    }
    return enterInGeneral(this, internals, layout, offset);
  }

  /** The first presence bit from `bit` on that is set in the header at an offset; -1 when none is in its `words`. */
  nextPresent(offset: number, words: number, bit: number): number {
    while (bit < 32 * words) {
      const rest = this.i32(offset + 4 + 4 * (bit >> 5)) >>> (bit & 31);
      if (rest !== 0) return bit + 31 - Math.clz32(rest & -rest);
      bit = (bit | 31) + 1;
    }
    return -1;
  }

  /** Whether the kind words at `offset` are those of a layout. */
  kindsAre(offset: number, kinds: Int32Array): boolean {
    for (let i = 0; i < kinds.length; i++) {
      if (this.i32(offset + 4 * i) !== kinds[i]) return false;
    }
    return true;
  }

  /** Copies `length` bytes at `offset` into `target`. */
  copyTo(target: Uint8Array, targetOffset: number, offset: number, length: number): void {
    while (length > 0) {
      this.seek(offset, 1);
      const part = Math.min(length, this.windowEnd - offset);
      const from = offset + this.delta;
      const bytes = this.bytes;
      if (part <= LOOP_BYTES) {
        for (let i = 0; i < part; i++) target[targetOffset + i] = bytes[from + i]!;
      } else {
        target.set(bytes.subarray(from, from + part), targetOffset);
      }
      offset += part;
      targetOffset += part;
      length -= part;
    }
  }

  /** FNV-1a of `length` bytes at `offset`, going on from `hash`. */
  hash(hash: number, offset: number, length: number): number {
    while (length > 0) {
      this.seek(offset, 1);
      const part = Math.min(length, this.windowEnd - offset);
      const from = offset + this.delta;
      const bytes = this.bytes;
      for (let i = from; i < from + part; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
      offset += part;
      length -= part;
    }
    return hash;
  }

  /** Whether `length` bytes at `offset` are those at `start` of `other`. */
  equals(other: Uint8Array, start: number, offset: number, length: number): boolean {
    while (length > 0) {
      this.seek(offset, 1);
      const part = Math.min(length, this.windowEnd - offset);
      const from = offset + this.delta;
      const bytes = this.bytes;
      for (let i = 0; i < part; i++) if (bytes[from + i] !== other[start + i]) return false;
      offset += part;
      start += part;
      length -= part;
    }
    return true;
  }

  /** `length` bytes at `offset`: a view where they lie in one piece, a copy where they do not. */
  bytesAt(offset: number, length: number): Uint8Array {
    if (length > 0 && this.seek(offset, length)) {
      // Half the time of `subarray`, which asks for the species.
      return new Uint8Array(this.view.buffer, offset + this.delta, length);
    }
    const copy = new Uint8Array(length);
    this.copyTo(copy, 0, offset, length);
    return copy;
  }

  /** The string of `length` bytes at `offset`. @throws MalformedMessageError when they are not UTF-8 */
  text(offset: number, length: number): string {
    if (length > 0 && this.seek(offset, length)) return readUtf8(this.bytes, offset + this.delta, length);
    return readUtf8(this.bytesAt(offset, length), 0, length);
  }

  isUtf8(offset: number, length: number): boolean {
    return isUtf8(this.bytesAt(offset, length));
  }

  /** Appends slices of `length` bytes at `offset`, with references of their own. Only when {@link inSlots}. */
  appendTo(into: ScatterGatherArray, offset: number, length: number): void {
    while (length > 0) {
      this.seek(offset, 1);
      const part = Math.min(length, this.windowEnd - offset);
      const { pool, slot } = this;
      pool.retain(slot);
      into.append(pool.slice(slot, offset + this.delta, part));
      offset += part;
      length -= part;
    }
  }

  /** Whether the message is in the format whose headers describe themselves. */
  get extended(): boolean {
    return this.i32(0) >>> 24 === VERSION_EXTENDED;
  }
}

const joint: DataView = new DataView(new ArrayBuffer(8));
