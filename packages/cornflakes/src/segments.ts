// A message's bytes as they lie: one array, or several slices. Offsets of the message are turned into places by a window
// over the segment that was used last. Reading is source.ts, writing is writer.ts.

import type { ScatterGatherArray, Slice } from '@demikernel/memory';
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
  /** The slices, when the bytes are a scatter-gather array; segment i is its slice `firstSegment + i`. */
  array: ScatterGatherArray | undefined;
  /** The segment under the window. */
  segment: number;
  /** Where the entries of a header are put in order. */
  readonly scratch: Uint8Array;
  readonly scratchView: DataView;
  private readonly starts: number[];
  private plain: Uint8Array;
  private plainView: DataView;
  private plainOffset: number;

  constructor() {
    this.lengthBytes = 0;
    this.count = 0;
    this.view = NO_VIEW;
    this.bytes = NO_BYTES;
    this.delta = 0;
    this.windowStart = 0;
    this.windowEnd = 0;
    this.array = undefined;
    this.segment = 0;
    this.scratch = SHARED_SCRATCH;
    this.scratchView = SHARED_SCRATCH_VIEW;
    this.starts = [];
    this.plain = NO_BYTES;
    this.plainView = NO_VIEW;
    this.plainOffset = 0;
  }

  /** Lies over the slices of an array, behind its first `skipBytes`. Takes no references. */
  overArray(array: ScatterGatherArray, skipBytes: number): void {
    const starts = this.starts;
    let at = -skipBytes;
    for (let i = 0; i < array.count; i++) {
      if (i < starts.length) starts[i] = at;
      else starts.push(at);
      at += array.segments[i]!.length;
    }
    this.array = array;
    this.count = array.count;
    this.lengthBytes = at;
    this.move(0);
  }

  /** Lies over plain memory. */
  overBytes(bytes: Uint8Array): void {
    // The same buffer is read again and again by servers that receive into one.
    if (bytes.buffer !== this.plainView.buffer) {
      this.plainView = new DataView(bytes.buffer);
      this.plain = new Uint8Array(bytes.buffer);
    }
    this.plainOffset = bytes.byteOffset;
    this.array = undefined;
    this.count = 1;
    this.starts[0] = 0;
    this.lengthBytes = bytes.length;
    this.move(0);
  }

  /** Lies over nothing. */
  overNothing(): void {
    this.array = undefined;
    // Views are dear to make, and a server receives into the same memory again and again; but do not keep much alive.
    if (this.plain.length > KEPT_BYTES) {
      this.plain = NO_BYTES;
      this.plainView = NO_VIEW;
    }
    this.count = 0;
    this.lengthBytes = 0;
    this.view = NO_VIEW;
    this.bytes = NO_BYTES;
    this.windowStart = 0;
    this.windowEnd = 0;
    this.delta = 0;
  }

  private move(segment: number): void {
    this.segment = segment;
    if (segment >= this.count) {
      this.windowStart = 0;
      this.windowEnd = 0;
      return;
    }
    const start = this.starts[segment]!;
    this.windowStart = start < 0 ? 0 : start;
    if (this.array === undefined) {
      this.view = this.plainView;
      this.bytes = this.plain;
      this.delta = this.plainOffset;
      this.windowEnd = this.lengthBytes;
      return;
    }
    const slice = this.array.segments[segment]!;
    this.view = slice.pool.region.view;
    this.bytes = slice.pool.region.bytes;
    this.delta = slice.offset - start;
    this.windowEnd = start + slice.length;
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

  /** The slice under the window. */
  get slice(): Slice | undefined {
    return this.array?.segments[this.segment];
  }
}

// One for all: a header is put in order and read by `load` at once, with nothing in between.
const SHARED_SCRATCH: Uint8Array = new Uint8Array(SCRATCH_BYTES);
const SHARED_SCRATCH_VIEW: DataView = new DataView(SHARED_SCRATCH.buffer);
