// Keys and values of a message, by where they lie. What they mean is messages.ts's.

import { copyBetween, type Region, type ScatterGatherArray, type SlotPool } from '@demikernel/memory';
import { MAX_BLOBS } from './protocol.ts';

const FIRST_PIECES = 1024;

/**
 * Several stretches of bytes of one region. Each is one piece, or when it arrived in several segments several; values at rest are
 * always one. Numbers only: who reads them holds the memory.
 *
 * ```
 *  blob i = pieces firstPieces[i] … firstPieces[i + 1] - 1,  each `pieceLengths[p]` bytes at `offsets[p]` of `region`
 * ```
 */
export class Blobs {
  region: Region;
  /** Set when the region's slots may be referred to: then the blobs can be sent from where they lie. */
  pool: SlotPool | undefined;
  count: number;
  pieceCount: number;
  /** Bytes of all blobs. */
  totalBytes: number;
  readonly lengths: Int32Array;
  readonly firstPieces: Int32Array;
  offsets: Int32Array;
  pieceLengths: Int32Array;

  constructor(region: Region) {
    this.region = region;
    this.pool = undefined;
    this.count = 0;
    this.pieceCount = 0;
    this.totalBytes = 0;
    this.lengths = new Int32Array(MAX_BLOBS);
    this.firstPieces = new Int32Array(MAX_BLOBS + 1);
    this.offsets = new Int32Array(FIRST_PIECES);
    this.pieceLengths = new Int32Array(FIRST_PIECES);
  }

  /** Begins anew, over a region; with `pool`, over that pool's. */
  reset(region: Region, pool?: SlotPool): void {
    this.region = region;
    this.pool = pool;
    this.count = 0;
    this.pieceCount = 0;
    this.totalBytes = 0;
  }

  /** Another blob, of one piece. False when there are {@link MAX_BLOBS} already. */
  add(offset: number, lengthBytes: number): boolean {
    if (!this.begin()) return false;
    this.extend(offset, lengthBytes);
    return true;
  }

  /** Another blob, empty until it is extended. False when there are {@link MAX_BLOBS} already. */
  begin(): boolean {
    if (this.count === MAX_BLOBS) return false;
    this.lengths[this.count] = 0;
    this.count++;
    this.firstPieces[this.count] = this.pieceCount;
    return true;
  }

  /** One piece more of the last blob. */
  extend(offset: number, lengthBytes: number): void {
    if (lengthBytes === 0) return;
    const piece = this.pieceCount;
    if (piece === this.offsets.length) this.grow();
    this.offsets[piece] = offset;
    this.pieceLengths[piece] = lengthBytes;
    this.pieceCount = piece + 1;
    this.firstPieces[this.count] = piece + 1;
    this.lengths[this.count - 1] = this.lengths[this.count - 1]! + lengthBytes;
    this.totalBytes += lengthBytes;
  }

  private grow(): void {
    const { offsets, pieceLengths } = this;
    this.offsets = new Int32Array(offsets.length * 2);
    this.offsets.set(offsets);
    this.pieceLengths = new Int32Array(offsets.length * 2);
    this.pieceLengths.set(pieceLengths);
  }

  /** Another blob: what a library's view shows. False when that is memory of another region, or there are too many. */
  addView(view: Uint8Array): boolean {
    if (view.length === 0) return this.begin();
    return view.buffer === this.region.buffer && this.add(view.byteOffset, view.length);
  }

  /** Another blob: `lengthBytes` at `start` of an array whose slices all lie in this region. False when they end before. */
  addRange(array: ScatterGatherArray, start: number, lengthBytes: number): boolean {
    if (!this.begin()) return false;
    let skip = start;
    let left = lengthBytes;
    for (let i = 0; i < array.count && left > 0; i++) {
      const slice = array.segments[i]!;
      const { length } = slice;
      if (skip >= length) {
        skip -= length;
        continue;
      }
      const part = length - skip < left ? length - skip : left;
      this.extend(slice.offset + skip, part);
      left -= part;
      skip = 0;
    }
    return left === 0;
  }

  /** Whether a blob lies in one piece; an empty one does. */
  isWhole(index: number): boolean {
    return this.firstPieces[index + 1]! - this.firstPieces[index]! <= 1;
  }

  /** Where a blob of one piece lies. */
  offsetOf(index: number): number {
    return this.lengths[index] === 0 ? 0 : this.offsets[this.firstPieces[index]!]!;
  }

  /** Copies a blob; its length. */
  copyTo(index: number, to: Region, toOffset: number): number {
    const end = this.firstPieces[index + 1]!;
    let at = toOffset;
    for (let piece = this.firstPieces[index]!; piece < end; piece++) {
      const length = this.pieceLengths[piece]!;
      copyBetween(to, at, this.region, this.offsets[piece]!, length);
      at += length;
    }
    return at - toOffset;
  }

  /** A blob's bytes: a view of what lies in one piece, else a copy. */
  view(index: number): Uint8Array {
    const length = this.lengths[index]!;
    if (this.isWhole(index)) {
      const offset = this.offsetOf(index);
      return this.region.bytes.subarray(offset, offset + length);
    }
    const copy = new Uint8Array(length);
    let at = 0;
    for (let piece = this.firstPieces[index]!; piece < this.firstPieces[index + 1]!; piece++) {
      const offset = this.offsets[piece]!;
      copy.set(this.region.bytes.subarray(offset, offset + this.pieceLengths[piece]!), at);
      at += this.pieceLengths[piece]!;
    }
    return copy;
  }

  /** Whether a blob's bytes are these. */
  equals(index: number, bytes: Uint8Array): boolean {
    if (this.lengths[index] !== bytes.length) return false;
    const from = this.region.bytes;
    let at = 0;
    for (let piece = this.firstPieces[index]!; piece < this.firstPieces[index + 1]!; piece++) {
      const offset = this.offsets[piece]!;
      const length = this.pieceLengths[piece]!;
      for (let i = 0; i < length; i++) if (from[offset + i] !== bytes[at + i]) return false;
      at += length;
    }
    return true;
  }
}
