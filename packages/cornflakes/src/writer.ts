// Writing a message: one pass that measures, one that writes header and small fields once, to where they are sent from,
// and notes what is sent by reference. Which bytes a field has is the field's business (fields/).

import { DemiError, type ScatterGatherArray, type SlotPool } from '@demikernel/memory';
import type { Internals, References } from './internals.ts';
import type { HeaderLayout } from './layout.ts';
import type { Message } from './message.ts';
import type { MessageType } from './message-type.ts';
import { Segments } from './segments.ts';
import type { Source } from './source.ts';
import { utf8Length, writeUtf8 } from './text.ts';
import { referredFrom, tuning } from './tuning.ts';
import { kindOf, MAX_SPARSE_ENTRIES, population, SPARSE_ENTRY_BYTES, VERSION_EXTENDED } from './wire.ts';

/** Up to so many bytes a loop is cheaper than a call: byte by byte, and word by word where both sides have words. */
const LOOP_BYTES = 48;
/** The same within one memory, where `copyWithin` needs no views: 17 ns, whatever the length. */
const OWN_LOOP_BYTES = 8;
const WORD_LOOP_BYTES = 192;

/**
 * ```
 *  0          headBytes of the root            + copiedBytes          + referredBytes
 *  | headers and tables | blobs that are copied | blobs sent by reference |
 *  |<-- written into the target, in one go ---->|
 * ```
 * While measuring, the three counters are sizes; while writing, they are the offsets of the next byte of each part.
 */
export class Writer extends Segments {
  headBytes: number;
  copiedBytes: number;
  referredBytes: number;
  /** Received blobs at least this long are sent by reference. */
  copyThresholdBytes: number;
  /** Whether headers are written in the extended format. */
  extended: boolean;
  private kindBytes: number;
  private references: References | undefined;

  constructor() {
    super();
    this.headBytes = 0;
    this.copiedBytes = 0;
    this.referredBytes = 0;
    this.copyThresholdBytes = 0;
    this.extended = false;
    this.kindBytes = 0;
    this.references = undefined;
  }

  /** Measures a whole message. Afterwards the counters are the sizes of its parts. */
  measure(message: Message, internals: Internals): void {
    this.headBytes = 0;
    this.copiedBytes = 0;
    this.referredBytes = 0;
    this.kindBytes = 0;
    this.copyThresholdBytes = internals.copyThresholdBytes;
    // A message that keeps unknown fields is of the extended format, whatever its own fields are.
    this.extended = tuning.alwaysExtended || message.type.layout.extended;
    message.measure(this);
    if (this.extended) this.headBytes += this.kindBytes;
  }

  /** Writes a message that has been measured and whose target this lies over. */
  write(message: Message, internals: Internals): void {
    const { headBytes, copiedBytes } = internals;
    if (this.lengthBytes < headBytes + copiedBytes)
      throw targetTooSmall(headBytes + copiedBytes, this.lengthBytes);
    const references = internals.referencesToSend();
    this.headBytes = 0;
    this.copiedBytes = headBytes;
    this.referredBytes = headBytes + copiedBytes;
    this.copyThresholdBytes = internals.copyThresholdBytes;
    this.extended = internals.extended;
    this.references = references;
    references.count = 0;
    try {
      message.emit(this, 0);
    } finally {
      this.references = undefined;
      this.overNothing();
    }
  }

  // Measuring

  /** Begins a header of `words` and `sparse` entries of the message's own. */
  measureHeader(internals: Internals, type: MessageType<Message>, sparse: number): void {
    const { layout } = type;
    internals.headerBytes = 4 + 4 * layout.words + SPARSE_ENTRY_BYTES * sparse;
    this.kindBytes += layout.kindBytes;
    const { unknown } = internals;
    if (unknown !== undefined && unknown.count !== 0) {
      if (sparse + unknown.count > MAX_SPARSE_ENTRIES) throw tooManySparse(layout);
      this.extended = true;
      internals.headerBytes += SPARSE_ENTRY_BYTES * unknown.count;
      unknown.measure(this);
    } else if (sparse > MAX_SPARSE_ENTRIES) throw tooManySparse(layout);
    this.headBytes += internals.headerBytes;
  }

  /** Adds the entries of one presence word, `wide` of which take eight bytes. */
  measureEntries(internals: Internals, present: number, wide: number): void {
    const bytes = 4 * (population(present) + population(present & wide));
    internals.headerBytes += bytes;
    this.headBytes += bytes;
  }

  /** A received blob. */
  measureSource(source: Source, length: number): void {
    if (this.refers(source, length)) this.referredBytes += length;
    else this.copiedBytes += length;
  }

  /** Whether a received blob is sent by reference. */
  refers(source: Source, length: number): boolean {
    if (!source.inSlots || length === 0) return false;
    // Of one pool for the whole message: both passes must decide alike.
    return length >= referredFrom(this.copyThresholdBytes, source.firstPool);
  }

  /** A string; returns its length in UTF-8. */
  measureText(text: string): number {
    const length = utf8Length(text);
    this.copiedBytes += length;
    return length;
  }

  // Writing

  /** Writes what stands before a header's entries, but for the presence words; returns where the entries begin. */
  header(internals: Internals, at: number, type: MessageType<Message>, sparse: number): number {
    const { layout } = type;
    const { words } = layout;
    this.headBytes = at + internals.headerBytes;
    if (!this.extended) {
      this.u32(at, words);
      return at + 4 + 4 * words;
    }
    const { kinds, kindBytes } = layout;
    const { unknown } = internals;
    const entries = sparse + (unknown === undefined ? 0 : unknown.count);
    this.headBytes += kindBytes;
    this.u32(at, words | ((kindBytes >> 2) << 8) | (entries << 16) | (VERSION_EXTENDED << 24));
    const kindsAt = at + 4 + 4 * words;
    for (let i = 0; i < kinds.length; i++) this.u32(kindsAt + 4 * i, kinds[i]!);
    if (unknown !== undefined) internals.unknownWritten = 0;
    return kindsAt + kindBytes;
  }

  /** Begins a sparse entry at `p`, behind unknown ones of lower numbers; returns where it ends, its value 8 before. */
  sparse(p: number, number: number, type: number, label: number, internals: Internals): number {
    if (internals.unknown !== undefined) p = this.unknown(p, internals, number);
    this.u32(p, (kindOf(type, label) << 29) | number);
    // A 32-bit value leaves the rest of its eight bytes to be cleared.
    this.u32(p + 8, 0);
    return p + SPARSE_ENTRY_BYTES;
  }

  /** Writes the unknown fields that are left. */
  unknownRest(p: number, internals: Internals): void {
    this.unknown(p, internals, Number.POSITIVE_INFINITY);
  }

  private unknown(p: number, internals: Internals, limit: number): number {
    const index = internals.unknownWritten;
    const next = internals.unknown!.emit(this, p, index, limit);
    internals.unknownWritten = next;
    return p + SPARSE_ENTRY_BYTES * (next - index);
  }

  u32(offset: number, value: number): void {
    if (offset <= this.lastFirstWord) this.firstView.setInt32(offset + this.firstDelta, value, true);
    else this.u32Elsewhere(offset, value);
  }

  u64(offset: number, low: number, high: number): void {
    this.u32(offset, low);
    this.u32(offset + 4, high);
  }

  f64(offset: number, value: number): void {
    if (offset < this.lastFirstWord - 3) {
      this.firstView.setFloat64(offset + this.firstDelta, value, true);
    } else {
      joint.setFloat64(0, value, true);
      this.u64(offset, joint.getInt32(0, true), joint.getInt32(4, true));
    }
  }

  f32(offset: number, value: number): void {
    joint.setFloat32(0, value, true);
    this.u32(offset, joint.getInt32(0, true));
  }

  u8(offset: number, value: number): void {
    this.seek(offset, 1);
    this.bytes[offset + this.delta] = value;
  }

  private u32Elsewhere(offset: number, value: number): void {
    if (this.seek(offset, 4)) {
      this.view.setInt32(offset + this.delta, value, true);
      return;
    }
    for (let i = 0; i < 4; i++) this.u8(offset + i, (value >>> (8 * i)) & 0xff);
  }

  /** Takes `length` bytes of the copied part: where they go. */
  takeCopied(length: number): number {
    const at = this.copiedBytes;
    this.copiedBytes = at + length;
    return at;
  }

  /** Writes an entry for `length` copied bytes and the bytes themselves, from `start` of `from`. */
  emitCopied(p: number, from: Uint8Array, start: number, length: number): void {
    const at = this.takeCopied(length);
    this.u32(p, length);
    this.u32(p + 4, at);
    this.copyIn(at, from, start, length);
  }

  /** As {@link emitCopied}, from a slot's region. */
  emitCopiedSlot(p: number, pool: SlotPool, offset: number, length: number): void {
    const at = this.takeCopied(length);
    this.u32(p, length);
    this.u32(p + 4, at);
    this.copyWords(at, pool.region.bytes, pool.region.view, offset, length);
  }

  emitText(p: number, text: string, length: number): void {
    const at = this.takeCopied(length);
    this.u32(p, length);
    this.u32(p + 4, at);
    if (length === 0) return;
    if (this.seek(at, length)) writeUtf8(text, this.bytes, at + this.delta, length);
    else this.copyIn(at, new TextEncoder().encode(text), 0, length);
  }

  /** Writes an entry for `length` bytes by reference; {@link refer} names them, in the same order. */
  emitReferred(p: number, length: number): void {
    this.u32(p, length);
    this.u32(p + 4, this.referredBytes);
    this.referredBytes += length;
  }

  /** Notes `length` bytes of a slot, at `offset` of its region. */
  refer(pool: SlotPool, slot: number, offset: number, length: number): void {
    this.references!.add(pool, slot, offset, length);
  }

  /** Notes every slice of an array. */
  referAll(array: ScatterGatherArray): void {
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!;
      if (slice.length !== 0) this.refer(slice.pool, slice.slot, slice.offset, slice.length);
    }
  }

  /** Writes an entry for received bytes, copied or by reference as {@link measureSource} decided. */
  emitSource(p: number, source: Source, offset: number, length: number): void {
    if (!this.refers(source, length)) {
      const at = this.takeCopied(length);
      this.u32(p, length);
      this.u32(p + 4, at);
      this.copySource(at, source, offset, length);
      return;
    }
    this.emitReferred(p, length);
    while (length > 0) {
      source.seek(offset, 1);
      const part = Math.min(length, source.windowEnd - offset);
      this.refer(source.pool, source.slot, offset + source.delta, part);
      offset += part;
      length -= part;
    }
  }

  private copySource(at: number, source: Source, offset: number, length: number): void {
    while (length > 0) {
      source.seek(offset, 1);
      const part = Math.min(length, source.windowEnd - offset);
      this.copyWords(at, source.bytes, source.view, offset + source.delta, part);
      at += part;
      offset += part;
      length -= part;
    }
  }

  /** Copies the slices of an array. */
  copyArray(at: number, array: ScatterGatherArray): void {
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!;
      const { bytes, view } = slice.pool.region;
      this.copyWords(at, bytes, view, slice.offset, slice.length);
      at += slice.length;
    }
  }

  /** As {@link copyIn}, from memory that has a view. */
  private copyWords(at: number, from: Uint8Array, words: DataView, start: number, length: number): void {
    if (from === this.bytes || length > WORD_LOOP_BYTES || length === 0 || !this.seek(at, length)) {
      this.copyIn(at, from, start, length);
      return;
    }
    const to = at + this.delta;
    const { view, bytes } = this;
    let i = 0;
    for (; i + 4 <= length; i += 4) view.setInt32(to + i, words.getInt32(start + i, true), true);
    for (; i < length; i++) bytes[to + i] = from[start + i]!;
  }

  copyIn(at: number, from: Uint8Array, start: number, length: number): void {
    while (length > 0) {
      this.seek(at, 1);
      const part = Math.min(length, this.windowEnd - at);
      const to = at + this.delta;
      const bytes = this.bytes;
      if (from === bytes && part > OWN_LOOP_BYTES) {
        // Within the device's memory: no views needed.
        bytes.copyWithin(to, start, start + part);
      } else if (part <= LOOP_BYTES) {
        for (let i = 0; i < part; i++) bytes[to + i] = from[start + i]!;
      } else {
        bytes.set(start === 0 && part === from.length ? from : from.subarray(start, start + part), to);
      }
      at += part;
      start += part;
      length -= part;
    }
  }
}

const joint: DataView = new DataView(new ArrayBuffer(8));

function targetTooSmall(needed: number, given: number): DemiError {
  return new DemiError('ERR_DEMI_OUT_OF_RANGE', `a message of ${needed} bytes does not fit in ${given}`);
}

function tooManySparse(layout: HeaderLayout): DemiError {
  return new DemiError(
    'ERR_DEMI_TOO_MANY_FIELDS',
    `a ${layout.name} with more than ${MAX_SPARSE_ENTRIES} sparse and unknown fields cannot be written`,
  );
}
