// A message's bytes as they lie: one array, or several slices. Offsets of the message are turned into places by a window
// over the segment that was used last. Reading is source.ts, writing is writer.ts.

import type { ScatterGatherArray, Slice, SlotPool } from '@demikernel/memory';
import { MalformedMessageError, OUT_OF_BOUNDS } from './error.ts';
import { MAX_FIELDS } from './wire.ts';

const NO_BYTES: Uint8Array = new Uint8Array(0);
const NO_VIEW: DataView = new DataView(NO_BYTES.buffer);

/** Offsets from here on lie in the scratch of a header that had to be put in order; messages are shorter. */
export const SCRATCH_OFFSET = 0x4000_0000;
/** Plain memory up to this size is remembered after its message has gone. */
const KEPT_BYTES = 1 << 17;
const SCRATCH_BYTES = 8 * MAX_FIELDS;

/**
 * Some bytes in pieces.
 *
 * ```
 *  offset   0 ......... start[1] ......... start[2] ....... lengthBytes
 *  segment  |----- 0 -------|------ 1 ---------|----- 2 -------|
 *  window                   windowStart  windowEnd;  place in `view` = offset + delta
 * ```
 */
export class Segments {
  lengthBytes: number;
  /** Segments. */
  count: number;
  view: DataView;
  /** All of the memory that the window's segment lies in. */
  bytes: Uint8Array;
  /** Place of the message's byte 0 in `bytes` and `view`, were it in the window's segment. */
  delta: number;
  windowStart: number;
  windowEnd: number;
  // The first segment, whatever the window is over: headers and tables stand in front, so nearly all words lie in it.
  protected firstView: DataView;
  protected firstDelta: number;
  /** Offset of the last word that lies whole in it; less than 0 when none does. */
  protected lastFirstWord: number;
  /** Whether the segments are slots of pools, so that bytes can be referred to; else there is one, of plain memory. */
  inSlots: boolean;
  /** The segment under the window. */
  segment: number;
  /** Where the entries of a header are put in order. */
  readonly scratch: Uint8Array;
  readonly scratchView: DataView;
  // By segment: the message's offset of its first byte, that byte's place, and the slot.
  private readonly starts: number[];
  private readonly places: number[];
  protected readonly pools: SlotPool[];
  protected readonly slots: number[];
  private plain: Uint8Array;
  private plainView: DataView;

  constructor() {
    this.lengthBytes = 0;
    this.count = 0;
    this.view = NO_VIEW;
    this.bytes = NO_BYTES;
    this.delta = 0;
    this.windowStart = 0;
    this.windowEnd = 0;
    this.firstView = NO_VIEW;
    this.firstDelta = 0;
    this.lastFirstWord = -1;
    this.inSlots = false;
    this.segment = 0;
    this.scratch = SHARED_SCRATCH;
    this.scratchView = SHARED_SCRATCH_VIEW;
    this.starts = [];
    this.places = [];
    this.pools = [];
    this.slots = [];
    this.plain = NO_BYTES;
    this.plainView = NO_VIEW;
  }

  /** Lies over the slices of an array, behind its first `skipBytes`. Takes no references. */
  overArray(array: ScatterGatherArray, skipBytes: number): void {
    const { count, segments } = array;
    if (count === 1) {
      this.overSlice(segments[0]!, skipBytes);
      return;
    }
    let start = -skipBytes;
    for (let i = 0; i < count; i++) {
      const slice = segments[i]!;
      this.put(i, slice, start);
      start += slice.length;
    }
    this.inSlots = true;
    this.count = count;
    this.lengthBytes = start;
    this.begun();
  }

  /** Lies over one slice, behind its first `skipBytes`. Takes no reference. */
  overSlice(slice: Slice, skipBytes: number): void {
    const lengthBytes = slice.length - skipBytes;
    this.put(0, slice, -skipBytes);
    this.inSlots = true;
    this.count = 1;
    this.lengthBytes = lengthBytes;
    this.begun();
  }

  private put(index: number, slice: Slice, start: number): void {
    this.starts[index] = start;
    this.places[index] = slice.offset;
    this.pools[index] = slice.pool;
    this.slots[index] = slice.slot;
  }

  private begun(): void {
    this.move(0);
    this.firstView = this.view;
    this.firstDelta = this.delta;
    this.lastFirstWord = this.windowEnd - 4;
  }

  /** Lies over plain memory. */
  overBytes(bytes: Uint8Array): void {
    // The same buffer is read again and again by servers that receive into one.
    if (bytes.buffer !== this.plainView.buffer) {
      this.plainView = new DataView(bytes.buffer);
      this.plain = new Uint8Array(bytes.buffer);
    }
    this.inSlots = false;
    this.count = 1;
    this.starts[0] = 0;
    this.places[0] = bytes.byteOffset;
    this.lengthBytes = bytes.length;
    this.begun();
  }

  /** Lies over nothing. */
  overNothing(): void {
    // The views of the last message stay, because the next one probably lies in the same memory: only their bounds go. Plain
    // memory is kept while there is not much of it.
    this.inSlots = false;
    this.count = 0;
    this.lengthBytes = 0;
    this.windowStart = 0;
    this.windowEnd = 0;
    this.lastFirstWord = -1;
    if (this.plain.length > KEPT_BYTES) this.dropPlain();
  }

  private dropPlain(): void {
    this.plain = NO_BYTES;
    this.plainView = NO_VIEW;
    this.bytes = NO_BYTES;
    this.view = NO_VIEW;
    this.firstView = NO_VIEW;
  }

  private move(segment: number): void {
    this.segment = segment;
    if (segment >= this.count) {
      this.windowStart = 0;
      this.windowEnd = 0;
      return;
    }
    const start = this.starts[segment]!;
    if (this.inSlots) {
      const { region } = this.pools[segment]!;
      this.view = region.view;
      this.bytes = region.bytes;
    } else {
      this.view = this.plainView;
      this.bytes = this.plain;
    }
    this.delta = this.places[segment]! - start;
    this.windowStart = start < 0 ? 0 : start;
    this.windowEnd = segment + 1 < this.count ? this.starts[segment + 1]! : this.lengthBytes;
  }

  /**
   * Puts the window over `offset`. False when fewer than `length` bytes follow in that segment.
   *
   * @throws MalformedMessageError when the message has no such bytes: it was not verified.
   */
  seek(offset: number, length: number): boolean {
    if (offset >= this.windowStart && offset + length <= this.windowEnd) return true;
    if (offset >= SCRATCH_OFFSET) return this.seekScratch(offset, length);
    if (!(offset >= 0 && offset + length <= this.lengthBytes)) {
      throw new MalformedMessageError('message', OUT_OF_BOUNDS);
    }
    const starts = this.starts;
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    this.move(low);
    return offset + length <= this.windowEnd;
  }

  private seekScratch(offset: number, length: number): boolean {
    if (offset + length > SCRATCH_OFFSET + this.scratch.length) {
      throw new MalformedMessageError('message', OUT_OF_BOUNDS);
    }
    this.view = this.scratchView;
    this.bytes = this.scratch;
    this.delta = -SCRATCH_OFFSET;
    this.windowStart = SCRATCH_OFFSET;
    this.windowEnd = SCRATCH_OFFSET + this.scratch.length;
    return true;
  }

  /** Pool of the slot that the window's segment lies in. Only when {@link inSlots}. */
  get pool(): SlotPool {
    return this.pools[this.segment]!;
  }

  /** Pool of the first segment. Only when {@link inSlots}, and there is one. */
  get firstPool(): SlotPool {
    return this.pools[0]!;
  }

  /** The slot that the window's segment lies in. */
  get slot(): number {
    return this.slots[this.segment]!;
  }
}

// One for all: a header is put in order and read by `load` at once, with nothing in between.
const SHARED_SCRATCH: Uint8Array = new Uint8Array(SCRATCH_BYTES);
const SHARED_SCRATCH_VIEW: DataView = new DataView(SHARED_SCRATCH.buffer);
