// What every generated message is: presence, pooling, reading, and being sent (`Gatherable`). The fields are in the
// generated subclass, their bytes in fields/.

import { DemiError, type Gatherable, type ScatterGatherArray } from '@demikernel/memory';
import { debugging } from './debug.ts';
import { MalformedMessageError, OK } from './error.ts';
import { Internals } from './internals.ts';
import { messageToJson } from './json.ts';
import type { JsonValue } from './json-value.ts';
import type { MessageType } from './message-type.ts';
import type { AnySource, Source } from './source.ts';
import { type ReadOptions, Verifier } from './verify.ts';
import { Writer } from './writer.ts';

// Scratch: a pass over a message runs to its end before another begins.
const verifier: Verifier = new Verifier();
const writer: Writer = new Writer();

/** Where short messages for plain Node are written before they are copied out. */
const workshop: Uint8Array = new Uint8Array(16_384);

/**
 * A message. Made by `Type.acquire()` or `Type.read()`; `release` gives it, and every reference it holds, back.
 *
 * Byte arrays that were set are borrowed until the message has been pushed or written: change them afterwards.
 */
export abstract class Message implements Gatherable {
  readonly type: MessageType<Message>;
  /** @internal Generated code and the runtime work on these. */
  readonly internals: Internals;

  constructor(type: MessageType<Message>) {
    this.type = type;
    this.internals = new Internals(this);
  }

  /** Values at least this long, in registered memory, are sent by reference. 0, Infinity and BY_DEVICE are allowed. */
  get copyThresholdBytes(): number {
    return this.internals.copyThresholdBytes;
  }
  set copyThresholdBytes(bytes: number) {
    this.internals.copyThresholdBytes = bytes;
  }

  /** Whether fields that the schema does not know had to be left behind: the reference's format cannot keep them. */
  get lost(): boolean {
    return this.internals.lost;
  }

  /** Resets every field to absent, giving up references. */
  abstract clearFields(): void;
  /** Takes the fields of the verified header at an offset. */
  abstract load(source: Source, at: number): void;
  /** First pass: sizes. */
  abstract measure(w: Writer): void;
  /** Second pass: the header at an offset, and what hangs on it. */
  abstract emit(w: Writer, at: number): void;

  /** Makes the message empty, and gives up what it was read from. */
  clear(): void {
    this.clearFields();
    this.internals.forget();
  }

  /**
   * Gives the message back to its pool, with every reference it holds. What it lent (views, nested messages, lists) ends with it;
   * leases do not.
   *
   * @throws ERR_DEMI_STALE_MESSAGE when it was released before, or is part of another
   */
  release(): void {
    const { internals } = this;
    if (!internals.live || internals.isPart) throw staleMessage(this.type.name);
    internals.live = false;
    this.clearFields();
    internals.forget();
    if (debugging.on) debugging.released(this);
    this.type.recycle(internals);
  }

  /**
   * Reads without throwing: `OK`, or the reason why this is no such message, which then is empty.
   *
   * References to slices are taken; plain memory must stay unchanged as long as the message is used.
   */
  tryRead(source: AnySource, options?: ReadOptions): number {
    const { internals } = this;
    this.clearFields();
    internals.forget();
    const from = internals.sourceToRead();
    from.attach(source);
    try {
      if (options === undefined || options.verify !== false) {
        const reason = verifier.verify(from, this.type.layout, options);
        if (reason !== OK) {
          from.detach();
          return reason;
        }
      }
      this.load(from, 0);
    } catch (error) {
      // Not verified, or changed meanwhile by whom else can write the memory.
      this.clear();
      if (error instanceof MalformedMessageError) return error.reason;
      throw error;
    }
    return OK;
  }

  /** Bytes that `write` writes: headers, tables and copied fields. First pass of a push. */
  copiedBytes(): number {
    const { internals } = this;
    writer.measure(this, internals);
    internals.headBytes = writer.headBytes;
    internals.copiedBytes = writer.copiedBytes;
    internals.referredBytes = writer.referredBytes;
    internals.extended = writer.extended;
    return writer.headBytes + writer.copiedBytes;
  }

  /** Bytes of the whole message on the wire. */
  byteLength(): number {
    this.copiedBytes();
    return this.measuredBytes;
  }

  /** Bytes of the whole message, as `copiedBytes` found it last. */
  get measuredBytes(): number {
    const { headBytes, copiedBytes, referredBytes } = this.internals;
    return headBytes + copiedBytes + referredBytes;
  }

  /** Writes into slices, behind their first `skipBytes`. Second pass of a push, right after `copiedBytes`. */
  write(into: ScatterGatherArray, skipBytes = 0): void {
    writer.overArray(into, skipBytes);
    writer.write(this, this.internals);
  }

  /** Appends what `write` left out: the fields that are sent by reference. */
  gather(into: ScatterGatherArray): void {
    const { count, pools, slots, offsets, lengths } = this.internals.referencesToSend();
    for (let i = 0; i < count; i++) {
      const pool = pools[i]!;
      const slot = slots[i]!;
      pool.retain(slot);
      const slice = pool.slice(slot, offsets[i]!, lengths[i]!);
      into.append(debugging.on ? debugging.watch(slice) : slice);
    }
  }

  /** The message as byte arrays for `writev` and `dgram`: written ones first, then views of what is referred to. */
  toIovec(): Uint8Array[] {
    const parts: Uint8Array[] = [this.writtenBytes()];
    const { count, pools, offsets, lengths } = this.internals.referencesToSend();
    for (let i = 0; i < count; i++) {
      parts.push(new Uint8Array(pools[i]!.region.buffer, offsets[i]!, lengths[i]!));
    }
    return parts;
  }

  /** What `write` writes, as a fresh array. */
  private writtenBytes(): Uint8Array {
    const length = this.copiedBytes();
    if (length > workshop.length) {
      const written = new Uint8Array(length);
      writer.overBytes(written);
      writer.write(this, this.internals);
      return written;
    }
    // A copy of so few bytes costs less than the views that writing into a fresh array takes.
    writer.overBytes(workshop);
    writer.write(this, this.internals);
    return workshop.slice(0, length);
  }

  /** The message as one fresh array. */
  toBytes(): Uint8Array {
    const first = this.writtenBytes();
    if (this.internals.referencesToSend().count === 0) return first;
    const parts = this.toIovec();
    let length = 0;
    for (const part of parts) length += part.length;
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** By the proto3 JSON mapping. */
  toJSON(): JsonValue {
    return messageToJson(this);
  }
}

function staleMessage(name: string): DemiError {
  return new DemiError(
    'ERR_DEMI_STALE_MESSAGE',
    `this ${name} has been released, or is part of another message`,
  );
}
