// A list of nested messages, or a map as a list of entries: each is read when somebody asks for it.

import type { Message } from '../message.ts';
import type { MessageType } from '../message-type.ts';
import type { Source } from '../source.ts';
import { tuning } from '../tuning.ts';
import { ENTRY_BYTES } from '../wire.ts';
import type { Writer } from '../writer.ts';
import { MAX_KEPT_ELEMENTS } from './kept-elements.ts';
import { outOfRange } from './out-of-range.ts';

export class MessageList<T extends Message> implements Iterable<T> {
  private readonly type: MessageType<T>;
  private readonly items: (T | undefined)[];
  // `epochs[i] === epoch`: item i has been read. So a clear is one increment.
  private readonly epochs: number[];
  private epoch: number;
  private count: number;
  private source: Source | undefined;
  private offset: number;

  constructor(type: MessageType<T>) {
    this.type = type;
    this.items = [];
    this.epochs = [];
    this.epoch = 0;
    this.count = 0;
    this.source = undefined;
    this.offset = 0;
  }

  get length(): number {
    return this.count;
  }

  /** The message at `index`. Valid as long as the owner of the list. */
  at(index: number): T {
    if (!(index >= 0 && index < this.count)) throw outOfRange(index, this.count);
    while (this.items.length <= index) {
      this.items.push(undefined);
      this.epochs.push(-1);
    }
    let item = this.items[index];
    if (item === undefined) this.items[index] = item = this.type.createPart();
    if (this.epochs[index] !== this.epoch) {
      if (this.source !== undefined) this.read(item, this.source, index);
      this.epochs[index] = this.epoch;
    }
    return item;
  }

  /** Reads an item, which is empty: `clear` saw to that. */
  private read(item: T, source: Source, index: number): void {
    try {
      item.load(source, source.u32(this.offset + ENTRY_BYTES * index + 4));
    } catch (error) {
      // The memory has changed since it was verified. Nobody sees the half.
      item.clear();
      throw error;
    }
  }

  /** Adds a message, to be filled in. */
  add(): T {
    this.own();
    this.count++;
    const item = this.at(this.count - 1);
    // A part is used again and again, and the setting may have changed since it was made.
    item.internals.copyThresholdBytes = tuning.copyThresholdBytes;
    return item;
  }

  clear(): void {
    if (this.count === 0 && this.source === undefined) return;
    for (let i = 0; i < this.count && i < this.items.length; i++) {
      if (this.epochs[i] === this.epoch) this.items[i]!.clear();
    }
    this.epoch = (this.epoch + 1) | 0;
    this.count = 0;
    this.source = undefined;
    if (this.items.length > MAX_KEPT_ELEMENTS) {
      this.items.length = 0;
      this.epochs.length = 0;
    }
  }

  /** Reads every message that has not been read yet, so that the list can change. */
  own(): void {
    if (this.source === undefined) return;
    for (let i = 0; i < this.count; i++) this.at(i);
    this.source = undefined;
  }

  /** Takes the entry at `p` of a verified message. */
  load(source: Source, p: number): void {
    this.clear();
    this.count = source.u32(p);
    this.offset = source.u32(p + 4);
    this.source = source;
  }

  measure(w: Writer): void {
    w.headBytes += ENTRY_BYTES * this.count;
    for (let i = 0; i < this.count; i++) this.at(i).measure(w);
  }

  emit(w: Writer, p: number): void {
    const table = w.headBytes;
    w.u32(p, this.count);
    w.u32(p + 4, table);
    w.headBytes += ENTRY_BYTES * this.count;
    for (let i = 0; i < this.count; i++) {
      const at = w.headBytes;
      this.at(i).emit(w, at);
      w.u32(table + ENTRY_BYTES * i, w.headBytes - at);
      w.u32(table + ENTRY_BYTES * i + 4, at);
    }
  }

  *[Symbol.iterator](): Generator<T> {
    for (let i = 0; i < this.count; i++) yield this.at(i);
  }
}
