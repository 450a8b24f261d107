// Bytes on their way out, written into slots of the device as they are made: replies, and records of the log.

import type { Region, ScatterGatherArray, SlotPool } from '@demikernel/memory';
import { copyBetween } from '@demikernel/memory';

const CR = 13;
const LF = 10;
/** Room for a number and what stands around it. */
const NUMBER_BYTES = 32;
const TEN_DIGITS = 1e10;

/** A scatter-gather array under construction. */
export class Output {
  /** Bytes so far. */
  lengthBytes: number;
  /** The pool had no slot left: what was written since is lost, and the receiver cannot be told apart from a healthy one. */
  failed: boolean;
  private readonly pool: SlotPool;
  private readonly sliceBytes: number;
  private array: ScatterGatherArray | undefined;
  private readonly spare: Region;
  /** Where bytes go: the pool's memory or, after a failure, nowhere. */
  private region: Region;
  private start: number;
  private at: number;
  private end: number;

  /** @param sliceBytes bytes per slice, so that one fills a packet @param spare memory that nobody reads, as long as a slice */
  constructor(pool: SlotPool, sliceBytes: number, spare: Region) {
    this.lengthBytes = 0;
    this.failed = false;
    this.pool = pool;
    this.sliceBytes = sliceBytes;
    this.array = undefined;
    this.spare = spare;
    this.region = pool.region;
    this.start = 0;
    this.at = 0;
    this.end = 0;
  }

  /** Gives what has been written away, and begins anew. `undefined` when nothing was. */
  take(): ScatterGatherArray | undefined {
    const { array } = this;
    if (array === undefined) return undefined;
    this.closeSlice();
    this.array = undefined;
    this.at = 0;
    this.end = 0;
    this.lengthBytes = 0;
    return array;
  }

  /** Forgets what has been written. */
  drop(): void {
    this.take()?.free();
  }

  private closeSlice(): void {
    const { array } = this;
    if (array === undefined || this.end === 0) return;
    const written = this.at - this.start;
    if (this.region === this.pool.region) {
      const slice = array.segments[array.count - 1]!;
      slice.length = written;
    }
    this.lengthBytes += written;
    this.end = 0;
    this.at = 0;
    this.start = 0;
  }

  private openSlice(): void {
    if (this.array === undefined) this.array = this.pool.array();
    else this.closeSlice();
    const slice = this.failed ? undefined : this.pool.alloc(this.sliceBytes);
    if (slice === undefined) {
      this.failed = true;
      this.region = this.spare;
      this.start = 0;
      this.end = this.sliceBytes;
    } else {
      this.region = this.pool.region;
      this.array.append(slice);
      this.start = slice.offset;
      this.end = slice.offset + this.sliceBytes;
    }
    this.at = this.start;
  }

  /** Bytes so far, the slice being written included. */
  get pendingBytes(): number {
    return this.lengthBytes + this.at - this.start;
  }

  /** Writes constant bytes. */
  put(bytes: Uint8Array): void {
    const length = bytes.length;
    if (this.end - this.at < length) {
      this.putSlowly(bytes);
      return;
    }
    const to = this.region.bytes;
    const { at } = this;
    for (let i = 0; i < length; i++) to[at + i] = bytes[i]!;
    this.at = at + length;
  }

  private putSlowly(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      if (this.at === this.end) this.openSlice();
      this.region.bytes[this.at++] = bytes[i]!;
    }
  }

  /** Copies bytes of a region. */
  copy(region: Region, offset: number, lengthBytes: number): void {
    let from = offset;
    let left = lengthBytes;
    while (left > 0) {
      if (this.at === this.end) this.openSlice();
      const length = Math.min(left, this.end - this.at);
      copyBetween(this.region, this.at, region, from, length);
      this.at += length;
      from += length;
      left -= length;
    }
  }

  /** Adds slices by reference, with references of their own. */
  refer(array: ScatterGatherArray): void {
    if (this.array === undefined) this.array = this.pool.array();
    this.closeSlice();
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!.share();
      this.array.append(slice);
      this.lengthBytes += slice.length;
    }
  }

  /** Writes a mark (`$`, `:`, `*`, …), a whole number and the end of the line. Exact up to 2^53. */
  number(mark: number, value: number): void {
    if (this.end - this.at < NUMBER_BYTES) this.openSlice();
    const to = this.region.bytes;
    let { at } = this;
    to[at++] = mark;
    if (value >= 0 && value < 10) {
      to[at++] = 48 + value;
    } else {
      let rest = value;
      if (rest < 0) {
        to[at++] = 45;
        rest = -rest;
      }
      at = writeDigits(to, at, rest);
    }
    to[at] = CR;
    to[at + 1] = LF;
    this.at = at + 2;
  }

  /** Writes a whole number that is not negative. */
  digits(value: number): void {
    if (this.end - this.at < NUMBER_BYTES) this.openSlice();
    this.at = writeDigits(this.region.bytes, this.at, value);
  }

  /** The end of a line. */
  line(): void {
    if (this.end - this.at < 2) this.openSlice();
    const to = this.region.bytes;
    to[this.at] = CR;
    to[this.at + 1] = LF;
    this.at += 2;
  }
}

/** Writes a whole number that is not negative as decimal digits; returns where they end. Exact up to 2^53. */
export function writeDigits(to: Uint8Array, start: number, value: number): number {
  let at = start;
  if (value >= 1e9) {
    // The lower digits fit an int32 only in two pieces.
    const high = Math.floor(value / TEN_DIGITS);
    let low = value - high * TEN_DIGITS;
    if (high === 0) {
      const top = Math.floor(low / 1e9);
      if (top > 0) to[at++] = 48 + top;
      low -= top * 1e9;
      return writePadded(to, at, low | 0, 9);
    }
    at = writeDigits(to, at, high);
    const top = Math.floor(low / 1e9);
    to[at++] = 48 + top;
    return writePadded(to, at, (low - top * 1e9) | 0, 9);
  }
  const whole = value | 0;
  let digits = 1;
  for (let bound = 10; bound <= whole && digits < 9; bound *= 10) digits++;
  return writePadded(to, at, whole, digits);
}

function writePadded(to: Uint8Array, at: number, value: number, digits: number): number {
  let rest = value | 0;
  for (let i = digits - 1; i >= 0; i--) {
    const next = (rest / 10) | 0;
    to[at + i] = 48 + rest - next * 10;
    rest = next;
  }
  return at + digits;
}
