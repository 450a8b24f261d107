// Messages on a stream: each behind a u32 with its length, little-endian. Datagrams that are too small for a message are
// fragments.ts.

import { DemiError, type Gatherable, type ScatterGatherArray, type Slice } from '@demikernel/memory';
import type { Message } from './message.ts';
import { DEFAULT_MAX_BYTES } from './verify.ts';

/** Bytes in front of each message. */
export const PREFIX_BYTES = 4;

/** A message with its length in front, to be pushed into a stream. One serves for any number of messages in turn. */
export class Framed implements Gatherable {
  private message: Message | undefined;

  constructor(message?: Message) {
    this.message = message;
  }

  /** Frames another message. */
  of(message: Message): this {
    this.message = message;
    return this;
  }

  copiedBytes(): number {
    return PREFIX_BYTES + this.message!.copiedBytes();
  }

  write(into: ScatterGatherArray): void {
    let value = this.message!.measuredBytes;
    let written = 0;
    for (let i = 0; i < into.count && written < PREFIX_BYTES; i++) {
      const slice = into.segments[i]!;
      const { bytes } = slice.pool.region;
      for (
        let at = slice.offset;
        at < slice.offset + slice.length && written < PREFIX_BYTES;
        at++, written++
      ) {
        bytes[at] = value & 0xff;
        value >>>= 8;
      }
    }
    this.message!.write(into, PREFIX_BYTES);
  }

  gather(into: ScatterGatherArray): void {
    this.message!.gather(into);
  }
}

/** Slices that may be held without a look at how little is in them. */
const FREE_SLICES = 32;

/**
 * Cuts what arrives from a stream into messages, without copying: a frame is an array over the received slices.
 *
 * Until a frame is whole its slices are held, so `maxFrameBytes` bounds what a peer can make this keep; what arrives in many small
 * pieces, each of which holds a slot, is copied together.
 */
export class Deframer {
  readonly maxFrameBytes: number;
  /** Bytes that have arrived and are in no frame yet. */
  pendingBytes: number;
  private readonly slices: Slice[];
  // Those of `slices` that are still to be read: an array that shrank and grew again would be new memory every time.
  private first: number;
  private end: number;

  constructor(options: { maxFrameBytes?: number } = {}) {
    this.maxFrameBytes = options.maxFrameBytes ?? DEFAULT_MAX_BYTES;
    this.pendingBytes = 0;
    this.slices = [];
    this.first = 0;
    this.end = 0;
  }

  /** Takes what arrived, by references of its own. */
  add(array: ScatterGatherArray): void {
    if (this.first === this.end) {
      this.first = 0;
      this.end = 0;
    }
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!;
      if (slice.length === 0) continue;
      this.append(slice.share());
      this.pendingBytes += slice.length;
    }
    if (this.end - this.first > FREE_SLICES) this.compact();
  }

  private append(slice: Slice): void {
    if (this.end === this.slices.length) this.slices.push(slice);
    else this.slices[this.end] = slice;
    this.end++;
  }

  /** Copies slices together that would fit in a quarter of the slots they hold; not when there is no memory for it. */
  private compact(): void {
    const { pool } = this.slices[this.first]!;
    const needed = Math.ceil(this.pendingBytes / pool.capacityBytes);
    if ((this.end - this.first) >> 2 < needed) return;
    const joined = pool.array();
    for (let i = this.first; i < this.end; i++) joined.append(this.slices[i]!);
    const copy = pool.allocArray(this.pendingBytes);
    if (copy === undefined) {
      // They stay ours.
      joined.count = 0;
      joined.free();
      return;
    }
    copy.copyFromArray(joined);
    joined.free();
    this.first = 0;
    this.end = 0;
    for (let i = 0; i < copy.count; i++) this.append(copy.segments[i]!);
    copy.count = 0;
    copy.free();
  }

  /**
   * The next whole frame, the caller's to free; `undefined` when more has to arrive.
   *
   * @throws ERR_DEMI_FRAME_TOO_LONG when the peer announces more than `maxFrameBytes`: close the stream
   */
  next(): ScatterGatherArray | undefined {
    if (this.pendingBytes < PREFIX_BYTES) return undefined;
    const length = this.peekLength();
    if (length > this.maxFrameBytes) throw frameTooLong(length, this.maxFrameBytes);
    if (this.pendingBytes < PREFIX_BYTES + length) return undefined;
    const frame = this.slices[this.first]!.pool.array();
    this.take(PREFIX_BYTES, undefined);
    this.take(length, frame);
    // What lies before `first` is read and released; its places are used again before the list grows without end.
    if (this.first > 64 && this.first * 2 > this.end) this.closeUp();
    return frame;
  }

  private closeUp(): void {
    const { first } = this;
    for (let i = first; i < this.end; i++) this.slices[i - first] = this.slices[i]!;
    this.end -= first;
    this.first = 0;
  }

  private peekLength(): number {
    let length = 0;
    let shift = 0;
    for (let i = this.first; shift < 32; i++) {
      const slice = this.slices[i]!;
      const { bytes } = slice.pool.region;
      for (let at = 0; at < slice.length && shift < 32; at++, shift += 8) {
        length |= bytes[slice.offset + at]! << shift;
      }
    }
    return length >>> 0;
  }

  private take(bytes: number, into: ScatterGatherArray | undefined): void {
    this.pendingBytes -= bytes;
    while (bytes > 0) {
      const slice = this.slices[this.first]!;
      if (slice.length > bytes) {
        into?.append(slice.sub(0, bytes));
        slice.offset += bytes;
        slice.length -= bytes;
        return;
      }
      bytes -= slice.length;
      this.first++;
      if (into === undefined) slice.release();
      else into.append(slice);
    }
  }

  /** Gives back what never became a frame. */
  close(): void {
    for (; this.first < this.end; this.first++) this.slices[this.first]!.release();
    this.slices.length = 0;
    this.first = 0;
    this.end = 0;
    this.pendingBytes = 0;
  }
}

function frameTooLong(length: number, limit: number): DemiError {
  return new DemiError(
    'ERR_DEMI_FRAME_TOO_LONG',
    `the peer announces a frame of ${length} bytes; ${limit} are allowed`,
  );
}
