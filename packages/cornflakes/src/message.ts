// What every generated message is: presence, pooling, reading, and being sent (`Gatherable`). The fields are in the
// generated subclass, their bytes in fields/.

import { DemiError, type Gatherable, type ScatterGatherArray, type Slice } from '@demikernel/memory';
import { debugging } from './debug.ts';
import { MalformedMessageError, OK } from './error.ts';
import { messageToJson } from './json.ts';
import type { JsonValue } from './json-value.ts';
import type { MessageType } from './message-type.ts';
import { type AnySource, Source } from './source.ts';
import { tuning } from './tuning.ts';
import type { UnknownFields } from './unknown-fields.ts';
import { type ReadOptions, Verifier } from './verify.ts';
import { type References, Writer } from './writer.ts';

// Scratch: a pass over a message runs to its end before another begins.
const verifier: Verifier = new Verifier();
const writer: Writer = new Writer();

/** Where short messages for plain Node are written before they are copied out. */
const workshop: Uint8Array = new Uint8Array(16_384);

/** What a message has that is no part of another: where it was read from, and its measures while it is sent. */
class Root {
  readonly source: Source;
  readonly references: References;
  headBytes: number;
  copiedBytes: number;
  referredBytes: number;
  extended: boolean;

  constructor() {
    this.source = new Source();
    this.references = { count: 0, slices: [], starts: [], lengths: [] };
    this.headBytes = 0;
    this.copiedBytes = 0;
    this.referredBytes = 0;
    this.extended = false;
  }
}

/**
 * A message. Made by `Type.acquire()` or `Type.read()`; `release` gives it, and every reference it holds, back.
 *
 * Byte arrays that were set are borrowed until the message has been pushed or written: change them afterwards.
 */
export abstract class Message implements Gatherable {
  readonly type: MessageType<Message>;
  present0: number;
  /** Fields that the schema does not know; they are written again. */
  unknown: UnknownFields | undefined;
  /** Whether fields that the schema does not know had to be left behind: the reference's format cannot keep them. */
  lost: boolean;
  /** Values at least this long, in registered memory, are sent by reference. 0, Infinity and BY_DEVICE are allowed. */
  copyThresholdBytes: number;
  /** Bytes of the header as measured, without kind words. */
  headerBytes: number;
  /** Unknown fields written so far. */
  unknownWritten: number;
  /** Whether the message belongs to another, which clears it. */
  isPart: boolean;
  live: boolean;
  private root: Root | undefined;

  constructor(type: MessageType<Message>) {
    this.type = type;
    this.present0 = 0;
    this.unknown = undefined;
    this.lost = false;
    this.copyThresholdBytes = tuning.copyThresholdBytes;
    this.headerBytes = 0;
    this.unknownWritten = 0;
    this.isPart = false;
    this.live = false;
    this.root = undefined;
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
    this.present0 = 0;
    this.unknown = undefined;
    this.lost = false;
    this.root?.source.detach();
  }

  /**
   * Gives the message back to its pool, with every reference it holds. What it lent (views, nested messages, lists) ends with it;
   * leases do not.
   *
   * @throws ERR_DEMI_STALE_MESSAGE when it was released before, or is part of another
   */
  release(): void {
    if (!this.live || this.isPart) throw staleMessage(this.type.name);
    this.live = false;
    this.clear();
    if (debugging.on) debugging.released(this);
    this.type.recycle(this);
  }

  /**
   * Reads without throwing: `OK`, or the reason why this is no such message, which then is empty.
   *
   * References to slices are taken; plain memory must stay unchanged as long as the message is used.
   */
  tryRead(source: AnySource, options?: ReadOptions): number {
    this.clear();
    const root = this.rootState();
    root.source.attach(source);
    if (options === undefined || options.verify !== false) {
      const reason = verifier.verify(root.source, this.type.layout, options);
      if (reason !== OK) {
        root.source.detach();
        return reason;
      }
    }
    try {
      this.load(root.source, 0);
    } catch (error) {
      // Not verified, or changed since by whom else can write the memory.
      this.clear();
      if (error instanceof MalformedMessageError) return error.reason;
      throw error;
    }
    return OK;
  }

  private rootState(): Root {
    this.root ??= new Root();
    return this.root;
  }

  /** Bytes that `write` writes: headers, tables and copied fields. First pass of a push. */
  copiedBytes(): number {
    const root = this.rootState();
    writer.measure(this);
    root.headBytes = writer.headBytes;
    root.copiedBytes = writer.copiedBytes;
    root.referredBytes = writer.referredBytes;
    root.extended = writer.extended;
    return writer.headBytes + writer.copiedBytes;
  }

  /** Bytes of the whole message on the wire. */
  byteLength(): number {
    this.copiedBytes();
    return this.measuredBytes;
  }

  /** Bytes of the whole message, as `copiedBytes` found it last. */
  get measuredBytes(): number {
    const root = this.rootState();
    return root.headBytes + root.copiedBytes + root.referredBytes;
  }

  /** Writes into slices, behind their first `skipBytes`. Second pass of a push, right after `copiedBytes`. */
  write(into: ScatterGatherArray, skipBytes = 0): void {
    writer.overArray(into, skipBytes);
    this.writeOut();
  }

  private writeOut(): void {
    const root = this.rootState();
    writer.write(this, root.headBytes, root.copiedBytes, root.extended, root.references);
  }

  /** Appends what `write` left out: the fields that are sent by reference. */
  gather(into: ScatterGatherArray): void {
    const references = this.rootState().references;
    for (let i = 0; i < references.count; i++) {
      const slice = references.slices[i]!.sub(references.starts[i]!, references.lengths[i]!);
      into.append(debugging.on ? debugging.watch(slice) : slice);
    }
  }

  /** The message as byte arrays for `writev` and `dgram`: written ones first, then views of what is referred to. */
  toIovec(): Uint8Array[] {
    const parts: Uint8Array[] = [this.writtenBytes()];
    const { count, slices, starts, lengths } = this.rootState().references;
    for (let i = 0; i < count; i++) {
      const slice: Slice = slices[i]!;
      const start = slice.offset + starts[i]!;
      parts.push(slice.pool.region.bytes.subarray(start, start + lengths[i]!));
    }
    return parts;
  }

  /** What `write` writes, as a fresh array. */
  private writtenBytes(): Uint8Array {
    const length = this.copiedBytes();
    if (length > workshop.length) {
      const written = new Uint8Array(length);
      writer.overBytes(written);
      this.writeOut();
      return written;
    }
    // A copy of so few bytes costs less than the views that writing into a fresh array takes.
    writer.overBytes(workshop);
    this.writeOut();
    return workshop.slice(0, length);
  }

  /** The message as one fresh array. */
  toBytes(): Uint8Array {
    const first = this.writtenBytes();
    if (this.rootState().references.count === 0) return first;
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
