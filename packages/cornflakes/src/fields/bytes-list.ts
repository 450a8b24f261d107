// Lists of strings and of byte arrays.

import type { ScatterGatherArray, SlotPool } from '@demikernel/memory';
import type { Source } from '../source.ts';
import { tuning } from '../tuning.ts';
import { ENTRY_BYTES } from '../wire.ts';
import type { Writer } from '../writer.ts';
import { BytesField, type BytesValue, StringField, type StringValue } from './bytes-field.ts';
import { MAX_KEPT_ELEMENTS } from './kept-elements.ts';
import { outOfRange } from './out-of-range.ts';

/** What lists of blobs have in common; `F` is a field that keeps one of them. */
export abstract class BlobList<F extends BytesField> {
  private readonly items: (F | undefined)[];
  // As in MessageList.
  private readonly epochs: number[];
  private epoch: number;
  private count: number;
  private source: Source | undefined;
  private offset: number;

  constructor() {
    this.items = [];
    this.epochs = [];
    this.epoch = 0;
    this.count = 0;
    this.source = undefined;
    this.offset = 0;
  }

  protected abstract create(): F;

  get length(): number {
    return this.count;
  }

  /** The element at `index`: its length, leases and copies. */
  fieldAt(index: number): F {
    if (!(index >= 0 && index < this.count)) throw outOfRange(index, this.count);
    while (this.items.length <= index) {
      this.items.push(undefined);
      this.epochs.push(-1);
    }
    let item = this.items[index];
    if (item === undefined) this.items[index] = item = this.create();
    if (this.epochs[index] !== this.epoch) {
      this.epochs[index] = this.epoch;
      if (this.source !== undefined) item.load(this.source, this.offset + ENTRY_BYTES * index);
    }
    return item;
  }

  /** The bytes at `index` without a copy; see `BytesField.lease`. */
  lease(index: number): ScatterGatherArray | undefined {
    return this.fieldAt(index).lease();
  }

  protected grow(): F {
    if (this.source !== undefined) {
      for (let i = 0; i < this.count; i++) this.fieldAt(i);
      this.source = undefined;
    }
    this.count++;
    return this.fieldAt(this.count - 1);
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

  /** Takes the entry at `p` of a verified message. */
  load(source: Source, p: number): void {
    this.clear();
    this.count = source.u32(p);
    this.offset = source.u32(p + 4);
    this.source = source;
  }

  measure(w: Writer): void {
    w.headBytes += ENTRY_BYTES * this.count;
    for (let i = 0; i < this.count; i++) this.fieldAt(i).measure(w);
  }

  emit(w: Writer, p: number): void {
    const table = w.headBytes;
    w.u32(p, this.count);
    w.u32(p + 4, table);
    w.headBytes += ENTRY_BYTES * this.count;
    for (let i = 0; i < this.count; i++) this.fieldAt(i).emit(w, table + ENTRY_BYTES * i);
  }
}

export class BytesList extends BlobList<BytesField> implements Iterable<Uint8Array> {
  protected override create(): BytesField {
    return new BytesField();
  }

  /** The bytes at `index`; see `BytesField.bytes`. */
  at(index: number): Uint8Array {
    return this.fieldAt(index).bytes();
  }

  add(value: BytesValue, copyThresholdBytes: number = tuning.copyThresholdBytes): void {
    this.grow().set(value, copyThresholdBytes);
  }

  /** As `add`, see `BytesField.setIn`. */
  addIn(
    pool: SlotPool,
    slot: number,
    offset: number,
    length: number,
    copyThresholdBytes: number = tuning.copyThresholdBytes,
  ): void {
    this.grow().setIn(pool, slot, offset, length, copyThresholdBytes);
  }

  set(index: number, value: BytesValue, copyThresholdBytes: number = tuning.copyThresholdBytes): void {
    this.fieldAt(index).set(value, copyThresholdBytes);
  }

  *[Symbol.iterator](): Generator<Uint8Array> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}

export class StringList extends BlobList<StringField> implements Iterable<string> {
  protected override create(): StringField {
    return new StringField();
  }

  /** The text at `index`. @throws MalformedMessageError when received bytes are not UTF-8 */
  at(index: number): string {
    return this.fieldAt(index).text();
  }

  add(value: StringValue, copyThresholdBytes: number = tuning.copyThresholdBytes): void {
    this.grow().set(value, copyThresholdBytes);
  }

  set(index: number, value: StringValue, copyThresholdBytes: number = tuning.copyThresholdBytes): void {
    this.fieldAt(index).set(value, copyThresholdBytes);
  }

  *[Symbol.iterator](): Generator<string> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}
