// The send queue: slices over sequence space, from the oldest unacknowledged byte on. Which of them may go is transmit.ts.
//
//   head            next                 tail
//    v               v                    v
//   [slice][slice][slice][slice] … [slice] .
//    ^ headSkip      ^ nextSkip
//    sndUna          sndNxt

import type { Slice } from '@demikernel/memory';
import type { FrameBuilder } from '../frame-builder.ts';

const FIRST_CAPACITY = 4;

/** A growing ring of slices. Nothing is allocated before the first push. */
export class SendQueue {
  /** Bytes held: unacknowledged and unsent. */
  bytes: number;
  /** Slices held. */
  count: number;
  private ring: (Slice | undefined)[];
  private mask: number;
  // Positions count up and wrap; `position & mask` is the index.
  private head: number;
  private headSkip: number;
  private next: number;
  private nextSkip: number;

  constructor() {
    this.bytes = 0;
    this.count = 0;
    this.ring = [];
    this.mask = -1;
    this.head = 0;
    this.headSkip = 0;
    this.next = 0;
    this.nextSkip = 0;
  }

  /** Adds a slice that is not empty at the end and takes over its reference. */
  append(slice: Slice): void {
    if (this.count > this.mask) this.grow();
    this.ring[(this.head + this.count) & this.mask] = slice;
    this.count++;
    this.bytes = (this.bytes + slice.length) | 0;
  }

  /** Gives `length` acknowledged bytes up. */
  acknowledge(length: number): void {
    this.bytes = (this.bytes - length) | 0;
    let left = length;
    while (left > 0) {
      const slice = this.ring[this.head & this.mask]!;
      const rest = slice.length - this.headSkip;
      if (left < rest) {
        this.headSkip = (this.headSkip + left) | 0;
        break;
      }
      left -= rest;
      slice.release();
      this.ring[this.head & this.mask] = undefined;
      this.head = (this.head + 1) | 0;
      this.headSkip = 0;
      this.count--;
    }
    const behind = (this.next - this.head) | 0;
    if (behind < 0 || (behind === 0 && this.nextSkip < this.headSkip)) this.rewind();
  }

  /** Moves the transmission position back to the oldest byte: go back N. */
  rewind(): void {
    this.next = this.head;
    this.nextSkip = this.headSkip;
  }

  /** Moves the transmission position behind the byte `distance` bytes after the oldest. */
  seek(distance: number): void {
    this.rewind();
    this.skip(distance);
  }

  /** Adds the `length` bytes at the transmission position to a frame. */
  addNext(builder: FrameBuilder, length: number): void {
    this.add(builder, this.next, this.nextSkip, length);
  }

  /** Adds the oldest `length` bytes to a frame. */
  addHead(builder: FrameBuilder, length: number): void {
    this.add(builder, this.head, this.headSkip, length);
  }

  /** Moves the transmission position forward. */
  skip(length: number): void {
    let left = length;
    while (left > 0) {
      const rest = this.ring[this.next & this.mask]!.length - this.nextSkip;
      if (left < rest) {
        this.nextSkip = (this.nextSkip + left) | 0;
        return;
      }
      left -= rest;
      this.next = (this.next + 1) | 0;
      this.nextSkip = 0;
    }
  }

  /** Copies every byte held, in order; returns the place behind them. */
  copyTo(target: Uint8Array, at: number): number {
    let end = at;
    let skip = this.headSkip;
    for (let i = 0; i < this.count; i++) {
      const bytes = this.ring[(this.head + i) & this.mask]!.bytes();
      target.set(skip === 0 ? bytes : bytes.subarray(skip), end);
      end += bytes.length - skip;
      skip = 0;
    }
    return end;
  }

  /** Releases everything. */
  clear(): void {
    for (let i = 0; i < this.count; i++) {
      const index = (this.head + i) & this.mask;
      this.ring[index]!.release();
      this.ring[index] = undefined;
    }
    this.bytes = 0;
    this.count = 0;
    this.head = 0;
    this.headSkip = 0;
    this.next = 0;
    this.nextSkip = 0;
    this.ring = [];
    this.mask = -1;
  }

  private add(builder: FrameBuilder, position: number, skip: number, length: number): void {
    let left = length;
    while (left > 0) {
      const slice = this.ring[position & this.mask]!;
      const rest = slice.length - skip;
      const take = Math.min(left, rest);
      builder.add(slice, skip, take);
      left -= take;
      skip = 0;
      position = (position + 1) | 0;
    }
  }

  private grow(): void {
    const capacity = this.mask < 0 ? FIRST_CAPACITY : (this.mask + 1) * 2;
    const ring = new Array<Slice | undefined>(capacity).fill(undefined);
    for (let i = 0; i < this.count; i++) ring[i] = this.ring[(this.head + i) & this.mask];
    this.next = (this.next - this.head) | 0;
    this.head = 0;
    this.ring = ring;
    this.mask = capacity - 1;
  }
}
