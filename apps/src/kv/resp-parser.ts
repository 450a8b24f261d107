// Commands out of a stream: RESP arrays of bulk strings, and inline commands. Finds where arguments lie and copies none of
// them, except the part of a command that its slice has cut off. What commands mean is commands.ts.

import { copyBetween, heapRegion, type Region, type ScatterGatherArray } from '@demikernel/memory';
import { bytesFrom } from '../moving/session.ts';
import { splitInline } from './inline.ts';
import { ARGUMENTS, COMMAND_BYTES, LINE_BYTES, STREAMED_BYTES } from './limits.ts';

/** Results of {@link RespParser.next}. */
export const NEED_MORE = 0;
export const COMMAND = 1;
/** The stream makes no sense from here on: {@link RespParser.error} says why. */
export const BROKEN = 2;
/** Inside: a long argument begins that has not arrived whole. */
const STREAM = 3;

/** What the next bytes are. */
const START = 0;
const COUNT = 1;
const INLINE = 2;
const LENGTH = 3;
const DATA = 4;
/** The bytes of a long argument, straight from the input. */
const STREAMED = 5;
/** The end of the line behind them. */
const STREAM_END = 6;

const CR = 13;
const LF = 10;
const CARRY_BYTES = 4096;
/** An argument that was too much to keep. */
const REFUSED = -0x4000_0000;
const BAD_NUMBER: number = Number.NaN;

/** Where long arguments go. */
export interface LongArguments {
  readonly limits: { readonly valueBytes: number };
  allocLarge(lengthBytes: number): ScatterGatherArray | undefined;
  freeLarge(array: ScatterGatherArray): void;
}

/**
 * ```
 * input   │ slice            │ slice            │ …     commands that lie in one slice are read where they are
 *          [command][command][com                      the beginning of one that goes on in the next slice
 *                             └─> carry <─ mand]        is copied aside, with as much of the next as it needs
 * ```
 */
export class RespParser {
  /** Arguments of the command, its name first. */
  count: number;
  /** Where the arguments lie. */
  region: Region;
  error: string;
  /** There was no memory for an argument of the command. */
  refused: boolean;
  private readonly long: LongArguments;
  // The input: an array of slices, and how far it has been read.
  private input: ScatterGatherArray | undefined;
  private segment: number;
  private position: number;
  // The command under way: `at` and offsets count from its first byte, which lies at `base` of `region`.
  private base: number;
  private at: number;
  private scanned: number;
  private state: number;
  private wanted: number;
  private length: number;
  private offsets: Int32Array;
  private lengths: Int32Array;
  private streams: (ScatterGatherArray | undefined)[];
  private streamCount: number;
  /** Where in the carry each of them belongs, and how long it is. */
  private readonly streamStarts: number[];
  private readonly streamLengths: number[];
  private streamSegment: number;
  private streamAt: number;
  private carry: Region;
  private carried: number;
  private inCarry: boolean;
  private done: boolean;

  constructor(long: LongArguments) {
    this.count = 0;
    this.region = NO_BYTES;
    this.error = '';
    this.refused = false;
    this.long = long;
    this.input = undefined;
    this.segment = 0;
    this.position = 0;
    this.base = 0;
    this.at = 0;
    this.scanned = 0;
    this.state = START;
    this.wanted = 0;
    this.length = 0;
    this.offsets = new Int32Array(8);
    this.lengths = new Int32Array(8);
    this.streams = [];
    this.streamCount = 0;
    this.streamStarts = [];
    this.streamLengths = [];
    this.streamSegment = 0;
    this.streamAt = 0;
    this.carry = NO_BYTES;
    this.carried = 0;
    this.inCarry = false;
    this.done = false;
  }

  /** Gives it the next bytes; those before must have been used up. It frees the array when they are. */
  feed(array: ScatterGatherArray): void {
    this.input = array;
    this.segment = 0;
    this.position = 0;
  }

  /** Offset of an argument in {@link region}. */
  offset(argument: number): number {
    return this.base + this.offsets[argument]!;
  }

  lengthOf(argument: number): number {
    return this.lengths[argument]!;
  }

  /** An argument that is long and came in pieces, which then does not lie in {@link region}; else `undefined`. */
  stream(argument: number): ScatterGatherArray | undefined {
    const offset = this.offsets[argument]!;
    return offset < 0 && offset !== REFUSED ? this.streams[-1 - offset] : undefined;
  }

  /** Takes over what {@link stream} returns. */
  takeStream(argument: number): void {
    this.streams[-1 - this.offsets[argument]!] = undefined;
  }

  /** Whether an argument lies in {@link region}. */
  isPlain(argument: number): boolean {
    return this.offsets[argument]! >= 0;
  }

  /** The next command. Its arguments are valid until the next call. */
  next(): number {
    if (this.done) this.finish();
    for (;;) {
      let status: number;
      if (this.inCarry) {
        if (this.input === undefined) return NEED_MORE;
        if (this.state === STREAMED) status = this.takeStreamed();
        else {
          this.feedCarry();
          this.region = this.carry;
          this.base = 0;
          status = this.parse(this.carry, 0, this.carried);
          if (status === COMMAND) this.releaseIfRead();
        }
      } else {
        const { input } = this;
        if (input === undefined) return NEED_MORE;
        if (this.segment === input.count) {
          this.releaseInput();
          return NEED_MORE;
        }
        const slice = input.segments[this.segment]!;
        const { region } = slice.pool;
        const end = slice.offset + slice.length;
        this.region = region;
        this.base = slice.offset + this.position;
        status = this.parse(region, this.base, end);
        if (status === COMMAND) {
          this.position += this.at;
          if (this.position === slice.length) {
            this.segment++;
            this.position = 0;
          }
        } else if (status === NEED_MORE) {
          this.setAside(region, this.base, end - this.base);
          this.segment++;
          this.position = 0;
        } else if (status === STREAM) {
          this.setAside(region, this.base, this.at);
          this.position += this.at;
        }
      }
      if (status === COMMAND) {
        this.done = true;
        return COMMAND;
      }
      if (status === BROKEN) return BROKEN;
      if (this.carried > COMMAND_BYTES) return this.breaks('too big request');
    }
  }

  /**
   * What another parser must be fed to go on from here: the command under way from its first byte, as far as it has come, and what
   * was read ahead. Bytes of a {@link refused} argument are not there any more; zeros stand for them.
   */
  unread(): Uint8Array {
    const parts: Uint8Array[] = [];
    if (this.inCarry && !this.done) {
      const { bytes } = this.carry;
      let from = 0;
      for (let i = 0; i < this.streamCount; i++) {
        const start = this.streamStarts[i]!;
        const isUnderWay = this.state === STREAMED && i === this.streamCount - 1;
        const length = isUnderWay ? this.streamAt : this.streamLengths[i]!;
        const stream = this.streams[i];
        parts.push(bytes.subarray(from, start));
        parts.push(stream === undefined ? new Uint8Array(length) : stream.toBytes().subarray(0, length));
        from = start;
      }
      parts.push(bytes.subarray(from, this.carried));
    }
    if (this.input !== undefined) parts.push(bytesFrom(this.input, this.segment, this.position));
    return Buffer.concat(parts);
  }

  /** The command that is fed next has found no memory where it was read before. For a parser that is new. */
  refuse(): void {
    this.refused = true;
  }

  /** Whether the command under way has found no memory. */
  get refusing(): boolean {
    return this.refused && !this.done;
  }

  /** Forgets everything and gives all memory back. */
  close(): void {
    this.finish();
    this.input?.free();
    this.input = undefined;
  }

  private finish(): void {
    this.done = false;
    for (let i = 0; i < this.streamCount; i++) {
      const stream = this.streams[i];
      if (stream !== undefined) this.long.freeLarge(stream);
      this.streams[i] = undefined;
    }
    this.streamCount = 0;
    this.refused = false;
    this.at = 0;
    this.scanned = 0;
    this.state = START;
    this.count = 0;
    this.carried = 0;
    this.inCarry = false;
    if (this.carry.lengthBytes > CARRY_BYTES) this.carry = NO_BYTES;
    if (this.offsets.length > 1024) {
      this.offsets = new Int32Array(8);
      this.lengths = new Int32Array(8);
    }
  }

  private releaseInput(): void {
    this.input?.free();
    this.input = undefined;
  }

  /** The command lies in the carry, so input that has been read to its end is not needed any more. */
  private releaseIfRead(): void {
    if (this.input !== undefined && this.segment === this.input.count) this.releaseInput();
  }

  // ---- the carry ----

  private setAside(region: Region, offset: number, lengthBytes: number): void {
    if (lengthBytes === 0 && this.state === START) return;
    this.carried = 0;
    this.append(region, offset, lengthBytes);
    this.inCarry = true;
  }

  private append(region: Region, offset: number, lengthBytes: number): void {
    const total = this.carried + lengthBytes;
    if (total > this.carry.lengthBytes) {
      const larger = heapRegion(Math.max(CARRY_BYTES, 1 << (32 - Math.clz32(total - 1))));
      if (this.carried > 0) copyBetween(larger, 0, this.carry, 0, this.carried);
      this.carry = larger;
    }
    if (lengthBytes > 0) copyBetween(this.carry, this.carried, region, offset, lengthBytes);
    this.carried = total;
  }

  /** Copies as much of the input behind the carry as the next step needs. */
  private feedCarry(): void {
    const input = this.input!;
    if (this.segment === input.count) {
      this.releaseInput();
      return;
    }
    const slice = input.segments[this.segment]!;
    const { region } = slice.pool;
    const start = slice.offset + this.position;
    const left = slice.length - this.position;
    let take = left;
    if (this.state === DATA) take = Math.min(left, this.length + 2 - (this.carried - this.at));
    else if (this.state === STREAM_END) take = Math.min(left, 2 - (this.carried - this.at));
    else {
      const { bytes } = region;
      let end = 0;
      while (end < left && bytes[start + end] !== LF) end++;
      take = Math.min(left, end + 1);
    }
    this.append(region, start, take);
    this.position += take;
    if (this.position === slice.length) {
      this.segment++;
      this.position = 0;
    }
    if (this.segment === input.count) this.releaseInput();
  }

  private takeStreamed(): number {
    const input = this.input!;
    if (this.segment === input.count) {
      this.releaseInput();
      return NEED_MORE;
    }
    const slice = input.segments[this.segment]!;
    const stream = this.offsets[this.count]! === REFUSED ? undefined : this.streams[this.streamCount - 1];
    let left = Math.min(slice.length - this.position, this.length - this.streamAt);
    this.streamAt += left;
    if (stream === undefined) this.position += left;
    while (stream !== undefined && left > 0) {
      // `scanned` counts within the slice being filled.
      const target = stream.segments[this.streamSegment]!;
      const take = Math.min(left, target.length - this.scanned);
      const from = slice.offset + this.position;
      copyBetween(target.pool.region, target.offset + this.scanned, slice.pool.region, from, take);
      this.position += take;
      this.scanned += take;
      left -= take;
      if (this.scanned === target.length) {
        this.streamSegment++;
        this.scanned = 0;
      }
    }
    if (this.position === slice.length) {
      this.segment++;
      this.position = 0;
    }
    if (this.segment === input.count) this.releaseInput();
    if (this.streamAt === this.length) this.state = STREAM_END;
    return NEED_MORE;
  }

  // ---- the grammar ----

  /** Goes on with the command whose bytes lie from `base` to `end`. */
  private parse(region: Region, base: number, end: number): number {
    const { bytes } = region;
    for (;;) {
      switch (this.state) {
        case START: {
          if (base + this.at >= end) return NEED_MORE;
          this.count = 0;
          this.scanned = this.at;
          this.state = bytes[base + this.at] === 42 ? COUNT : INLINE;
          break;
        }
        case COUNT: {
          const stop = this.lineEnd(bytes, base, end, CR);
          if (stop < 0)
            return this.lineFits(base, end) ? NEED_MORE : this.breaks('too big mbulk count string');
          const count = integer(bytes, base + this.at + 1, stop);
          if (!(count <= ARGUMENTS)) return this.breaks('invalid multibulk length');
          if (bytes[stop + 1] !== LF) return this.breaks('invalid multibulk length');
          this.at = stop + 2 - base;
          this.scanned = this.at;
          this.wanted = count;
          this.state = LENGTH;
          // An empty command: reported as one without a name.
          if (count <= 0) return COMMAND;
          break;
        }
        case LENGTH: {
          const stop = this.lineEnd(bytes, base, end, CR);
          if (stop < 0)
            return this.lineFits(base, end) ? NEED_MORE : this.breaks('too big bulk count string');
          const first = bytes[base + this.at]!;
          if (first !== 36) return this.breaks(`expected '$', got '${printable(first)}'`);
          const length = integer(bytes, base + this.at + 1, stop);
          const fits = length >= 0 && length <= this.long.limits.valueBytes;
          if (!fits || bytes[stop + 1] !== LF) return this.breaks('invalid bulk length');
          this.at = stop + 2 - base;
          this.scanned = this.at;
          this.length = length;
          if (length >= STREAMED_BYTES && base + this.at + length + 2 > end) return this.beginStream();
          this.state = DATA;
          break;
        }
        case DATA: {
          if (base + this.at + this.length + 2 > end) return NEED_MORE;
          this.argument(this.at, this.length);
          this.at += this.length + 2;
          this.scanned = this.at;
          this.state = LENGTH;
          if (this.count === this.wanted) return COMMAND;
          break;
        }
        case STREAM_END: {
          if (base + this.at + 2 > end) return NEED_MORE;
          this.argument(this.offsets[this.count]!, this.length);
          this.at += 2;
          this.scanned = this.at;
          this.state = LENGTH;
          if (this.count === this.wanted) return COMMAND;
          break;
        }
        default: {
          const stop = this.lineEnd(bytes, base, end, LF);
          if (stop < 0) return this.lineFits(base, end) ? NEED_MORE : this.breaks('too big inline request');
          return this.inline(region, base, stop);
        }
      }
    }
  }

  private inline(region: Region, base: number, stop: number): number {
    const from = base + this.at;
    const lineLength = (stop > from && region.bytes[stop - 1] === CR ? stop - 1 : stop) - from;
    const after = stop + 1 - base;
    const parts = splitInline(region.bytes, from, lineLength);
    if (parts === undefined) return this.breaks('unbalanced quotes in request');
    for (let i = 0; i < parts.count; i++) this.argument(this.at + parts.offsets[i]!, parts.lengths[i]!);
    if (parts.decoded !== undefined) {
      // Quotes were taken off: the arguments lie in bytes of their own.
      const own = heapRegion(Math.max(1, parts.decoded.length));
      own.bytes.set(parts.decoded);
      for (let i = 0; i < parts.count; i++) this.offsets[i] = this.offsets[i]! - this.at;
      this.region = own;
      this.base = 0;
    }
    this.at = after;
    return COMMAND;
  }

  private beginStream(): number {
    this.streamAt = 0;
    this.streamSegment = 0;
    this.scanned = 0;
    const stream = this.refused ? undefined : this.long.allocLarge(this.length);
    this.argument(REFUSED, 0);
    this.count--;
    this.streamStarts[this.streamCount] = this.at;
    this.streamLengths[this.streamCount] = this.length;
    this.streams[this.streamCount++] = stream;
    if (stream === undefined) this.refused = true;
    else this.offsets[this.count] = -this.streamCount;
    this.state = STREAMED;
    return STREAM;
  }

  private argument(offset: number, lengthBytes: number): void {
    if (this.count === this.offsets.length) {
      this.offsets = grown(this.offsets);
      this.lengths = grown(this.lengths);
    }
    this.offsets[this.count] = offset;
    this.lengths[this.count] = lengthBytes;
    this.count++;
  }

  /** Where the line ends: with CR and one byte more, as Redis has it, or with LF; -1 when that is not here yet. */
  private lineEnd(bytes: Uint8Array, base: number, end: number, mark: number): number {
    const last = mark === CR ? end - 1 : end;
    let at = base + this.scanned;
    while (at < last && bytes[at] !== mark) at++;
    if (at < last) return at;
    this.scanned = Math.max(this.scanned, at - base);
    return -1;
  }

  private lineFits(base: number, end: number): boolean {
    return end - (base + this.at) <= LINE_BYTES;
  }

  private breaks(what: string): number {
    this.error = `Protocol error: ${what}`;
    return BROKEN;
  }
}

const NO_BYTES: Region = heapRegion(1);

function grown(old: Int32Array): Int32Array {
  const larger = new Int32Array(old.length * 2);
  larger.set(old);
  return larger;
}

/** A decimal number as lengths and counts are written: no sign but `-`, no leading zero, nothing else; or NaN. */
function integer(bytes: Uint8Array, start: number, stop: number): number {
  let at = start;
  const negative = bytes[at] === 45;
  if (negative) at++;
  const digits = stop - at;
  if (digits < 1 || digits > 9) return BAD_NUMBER;
  if (bytes[at] === 48 && (digits > 1 || negative)) return BAD_NUMBER;
  let value = 0;
  for (; at < stop; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) return BAD_NUMBER;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

function printable(byte: number): string {
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ' ';
}
