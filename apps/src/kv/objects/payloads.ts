// What libraries make, as something to push: bytes in one piece, and text. And what they want to read: bytes in one piece.

import {
  copyBetween,
  type Gatherable,
  heapRegion,
  type Region,
  type ScatterGatherArray,
  type SlotPool,
} from '@demikernel/memory';
import { MAX_MESSAGE_BYTES } from './protocol.ts';

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Bytes in one piece, copied once into what is sent. */
export class BytesPayload implements Gatherable {
  private bytes: Uint8Array;

  constructor() {
    this.bytes = NO_BYTES;
  }

  of(bytes: Uint8Array): this {
    this.bytes = bytes;
    return this;
  }

  copiedBytes(): number {
    return this.bytes.length;
  }

  write(into: ScatterGatherArray): void {
    const { bytes } = this;
    const first = into.segments[0]!;
    if (first.length === bytes.length) first.pool.region.bytes.set(bytes, first.offset);
    else into.copyFrom(bytes);
  }

  gather(): void {}
}

/** Copies parts one after another into the slices of an array. */
export class Filler {
  private array: ScatterGatherArray | undefined;
  private segment: number;
  private at: number;

  constructor() {
    this.array = undefined;
    this.segment = 0;
    this.at = 0;
  }

  over(array: ScatterGatherArray | undefined): void {
    this.array = array;
    this.segment = 0;
    this.at = 0;
  }

  copy(from: Region, fromOffset: number, lengthBytes: number): void {
    let left = lengthBytes;
    let offset = fromOffset;
    while (left > 0) {
      const slice = this.array!.segments[this.segment]!;
      const room = slice.length - this.at;
      const part = room < left ? room : left;
      copyBetween(slice.pool.region, slice.offset + this.at, from, offset, part);
      offset += part;
      left -= part;
      this.at += part;
      if (this.at === slice.length) {
        this.segment++;
        this.at = 0;
      }
    }
  }
}

/** The pool that all slices of a message lie in; `undefined` when there are several, or no slices. */
export function commonPool(frame: ScatterGatherArray): SlotPool | undefined {
  if (frame.count === 0) return undefined;
  const { pool } = frame.segments[0]!;
  for (let i = 1; i < frame.count; i++) if (frame.segments[i]!.pool !== pool) return undefined;
  return pool;
}

/** A received message in one piece: where it lies when that is one slice, else copied together. */
export class OnePiece {
  region: Region;
  offset: number;
  lengthBytes: number;
  private readonly scratch: Region;

  constructor() {
    this.scratch = heapRegion(MAX_MESSAGE_BYTES + 8);
    this.region = this.scratch;
    this.offset = 0;
    this.lengthBytes = 0;
  }

  /** False when the message is too long. */
  take(frame: ScatterGatherArray): boolean {
    if (frame.count !== 1) return this.copy(frame);
    this.takeFirst(frame);
    return this.lengthBytes <= MAX_MESSAGE_BYTES;
  }

  /** Its first slice alone. */
  takeFirst(frame: ScatterGatherArray): void {
    const slice = frame.segments[0]!;
    this.region = slice.pool.region;
    this.offset = slice.offset;
    this.lengthBytes = slice.length;
  }

  /** As `take`, but always a copy, at offset 0 of memory that nobody else writes. */
  copy(frame: ScatterGatherArray): boolean {
    const { scratch } = this;
    this.region = scratch;
    this.offset = 0;
    this.lengthBytes = frame.lengthBytes;
    if (this.lengthBytes > MAX_MESSAGE_BYTES) return false;
    let at = 0;
    for (let i = 0; i < frame.count; i++) {
      const slice = frame.segments[i]!;
      copyBetween(scratch, at, slice.pool.region, slice.offset, slice.length);
      at += slice.length;
    }
    return true;
  }

  /** The message; a view. */
  view(): Uint8Array {
    return this.region.bytes.subarray(this.offset, this.offset + this.lengthBytes);
  }

  /** Whether a view that a library has given lies within the message. */
  holds(view: Uint8Array): boolean {
    return (
      view.buffer === this.region.buffer &&
      view.byteOffset >= this.offset &&
      view.byteOffset + view.length <= this.offset + this.lengthBytes
    );
  }
}
