// Packed lists of scalars: read from the message element by element, or kept as numbers.

import { high64, int64, int64Number, low64, uint64, uint64Number } from '../int64.ts';
import type { Source } from '../source.ts';
import { BOOL, DOUBLE, FIXED32, FIXED64, FLOAT, packedBytes, UINT32, UINT64 } from '../wire.ts';
import type { Writer } from '../writer.ts';
import { MAX_KEPT_ELEMENTS } from './kept-elements.ts';
import { outOfRange } from './out-of-range.ts';

/** A list of 32-bit integers, enumeration values, booleans (as 0 and 1), floats or doubles. */
export class NumberList implements Iterable<number> {
  private readonly type: number;
  private readonly elementBytes: number;
  private readonly values: number[];
  private count: number;
  private source: Source | undefined;
  private offset: number;

  /** @param type one of the scalar type constants with at most 53 bits */
  constructor(type: number) {
    this.type = type;
    this.elementBytes = packedBytes(type);
    this.values = [];
    this.count = 0;
    this.source = undefined;
    this.offset = 0;
  }

  get length(): number {
    return this.count;
  }

  at(index: number): number {
    if (!(index >= 0 && index < this.count)) throw outOfRange(index, this.count);
    return this.source === undefined ? this.values[index]! : this.received(this.source, index);
  }

  /** For lists of booleans. */
  flagAt(index: number): boolean {
    return this.at(index) !== 0;
  }

  private received(source: Source, index: number): number {
    const at = this.offset + this.elementBytes * index;
    switch (this.type) {
      case BOOL:
        return source.u8(at) === 0 ? 0 : 1;
      case DOUBLE:
        return source.f64(at);
      case FLOAT:
        return source.f32(at);
      case UINT32:
      case FIXED32:
        return source.u32(at);
      default:
        return source.i32(at);
    }
  }

  add(value: number | boolean): void {
    this.own();
    this.put(this.count++, this.normal(value));
  }

  set(index: number, value: number | boolean): void {
    if (!(index >= 0 && index < this.count)) throw outOfRange(index, this.count);
    this.own();
    this.values[index] = this.normal(value);
  }

  /** Replaces the list. */
  assign(values: ArrayLike<number | boolean>): void {
    this.clear();
    for (let i = 0; i < values.length; i++) this.put(i, this.normal(values[i]!));
    this.count = values.length;
  }

  private put(index: number, value: number): void {
    if (index < this.values.length) this.values[index] = value;
    else this.values.push(value);
  }

  private normal(value: number | boolean): number {
    const number = Number(value);
    switch (this.type) {
      case BOOL:
        return value ? 1 : 0;
      case DOUBLE:
        return number;
      case FLOAT:
        return Math.fround(number);
      case UINT32:
      case FIXED32:
        return number >>> 0;
      default:
        return number | 0;
    }
  }

  private own(): void {
    const { source } = this;
    if (source === undefined) return;
    for (let i = 0; i < this.count; i++) this.put(i, this.received(source, i));
    this.source = undefined;
  }

  clear(): void {
    if (this.count === 0 && this.source === undefined) return;
    this.count = 0;
    this.source = undefined;
    if (this.values.length > MAX_KEPT_ELEMENTS) this.values.length = 0;
  }

  /** Takes the entry at `p` of a verified message. */
  load(source: Source, p: number): void {
    this.count = Math.floor(source.u32(p) / this.elementBytes);
    this.offset = source.u32(p + 4);
    this.source = source;
  }

  measure(w: Writer): void {
    if (this.source !== undefined) w.measureSource(this.source, this.elementBytes * this.count);
    else w.copiedBytes += this.elementBytes * this.count;
  }

  emit(w: Writer, p: number): void {
    const { count, elementBytes, values } = this;
    if (this.source !== undefined) {
      w.emitSource(p, this.source, this.offset, elementBytes * count);
      return;
    }
    const at = w.takeCopied(elementBytes * count);
    w.u32(p, elementBytes * count);
    w.u32(p + 4, at);
    if (elementBytes === 1) for (let i = 0; i < count; i++) w.u8(at + i, values[i]!);
    else if (elementBytes === 8) for (let i = 0; i < count; i++) w.f64(at + 8 * i, values[i]!);
    else if (this.type === FLOAT) for (let i = 0; i < count; i++) w.f32(at + 4 * i, values[i]!);
    else for (let i = 0; i < count; i++) w.u32(at + 4 * i, values[i]!);
  }

  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.count; i++) yield this.at(i);
  }
}

/** A list of 64-bit integers. */
export class BigIntList implements Iterable<bigint> {
  private readonly signed: boolean;
  private readonly lows: number[];
  private readonly highs: number[];
  private count: number;
  private source: Source | undefined;
  private offset: number;

  /** @param type one of the 64-bit integer type constants */
  constructor(type: number) {
    this.signed = type !== UINT64 && type !== FIXED64;
    this.lows = [];
    this.highs = [];
    this.count = 0;
    this.source = undefined;
    this.offset = 0;
  }

  get length(): number {
    return this.count;
  }

  at(index: number): bigint {
    const low = this.low(index);
    const high = this.high(index);
    return this.signed ? int64(low, high) : uint64(low, high);
  }

  /** @throws ERR_DEMI_UNSAFE_INTEGER beyond 2^53 */
  numberAt(index: number): number {
    const low = this.low(index);
    const high = this.high(index);
    return this.signed ? int64Number(low, high) : uint64Number(low, high);
  }

  private low(index: number): number {
    if (!(index >= 0 && index < this.count)) throw outOfRange(index, this.count);
    return this.source === undefined ? this.lows[index]! : this.source.i32(this.offset + 8 * index);
  }

  private high(index: number): number {
    return this.source === undefined ? this.highs[index]! : this.source.i32(this.offset + 8 * index + 4);
  }

  add(value: bigint | number): void {
    this.own();
    this.put(this.count++, low64(value), high64(value));
  }

  set(index: number, value: bigint | number): void {
    if (!(index >= 0 && index < this.count)) throw outOfRange(index, this.count);
    this.own();
    this.put(index, low64(value), high64(value));
  }

  /** Replaces the list. */
  assign(values: ArrayLike<bigint | number>): void {
    this.clear();
    for (let i = 0; i < values.length; i++) this.add(values[i]!);
  }

  private put(index: number, low: number, high: number): void {
    if (index < this.lows.length) {
      this.lows[index] = low;
      this.highs[index] = high;
      return;
    }
    this.lows.push(low);
    this.highs.push(high);
  }

  private own(): void {
    const { source } = this;
    if (source === undefined) return;
    for (let i = 0; i < this.count; i++) this.put(i, this.low(i), this.high(i));
    this.source = undefined;
  }

  clear(): void {
    if (this.count === 0 && this.source === undefined) return;
    this.count = 0;
    this.source = undefined;
    if (this.lows.length > MAX_KEPT_ELEMENTS) {
      this.lows.length = 0;
      this.highs.length = 0;
    }
  }

  /** Takes the entry at `p` of a verified message. */
  load(source: Source, p: number): void {
    this.count = source.u32(p) >>> 3;
    this.offset = source.u32(p + 4);
    this.source = source;
  }

  measure(w: Writer): void {
    if (this.source !== undefined) w.measureSource(this.source, 8 * this.count);
    else w.copiedBytes += 8 * this.count;
  }

  emit(w: Writer, p: number): void {
    const { count } = this;
    if (this.source !== undefined) {
      w.emitSource(p, this.source, this.offset, 8 * count);
      return;
    }
    const at = w.takeCopied(8 * count);
    w.u32(p, 8 * count);
    w.u32(p + 4, at);
    for (let i = 0; i < count; i++) w.u64(at + 8 * i, this.lows[i]!, this.highs[i]!);
  }

  *[Symbol.iterator](): Generator<bigint> {
    for (let i = 0; i < this.count; i++) yield this.at(i);
  }
}
