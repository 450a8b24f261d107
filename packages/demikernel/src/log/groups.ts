// The two groups of an open log, one being filled while the other is written, and what finds a place in them. What a group
// is: group.ts. When one leaves, and what happens when the segment is full: log.ts.

import { OP_PUSH, type Operation } from '../runtime/operation.ts';
import type { SegmentStore } from '../runtime/segment-store.ts';
import type { Extent } from './extent.ts';
import { Group } from './group.ts';
import type { LogCounters } from './log-counters.ts';
import type { LogIdentity } from './log-identity.ts';
import { DATA, ROLLED, recordBytes, TRUNCATED } from './record.ts';
import { nextBlock } from './scan.ts';
import { MARK_BLOCKS } from './segment-header.ts';

/** Payload of a truncation mark: a position, as a double. */
export const POSITION_BYTES = 8;
/** Groups are whole pages of memory. */
const PAGE_BYTES = 4096;

export class Groups {
  filling: Group;
  writing: Group;
  /** The segment is full: nothing more is placed before the log has rolled over. */
  full: boolean;
  private readonly identity: LogIdentity;
  private readonly extent: Extent;
  private readonly counters: LogCounters;

  /** @param groupBytes how large a group may become; a record that is larger makes one of its own */
  constructor(
    store: SegmentStore,
    identity: LogIdentity,
    extent: Extent,
    groupBytes: number,
    counters: LogCounters,
  ) {
    const lengthBytes = nextBlock(
      Math.max(groupBytes, recordBytes(identity.largestPayloadBytes)),
      PAGE_BYTES,
    );
    this.filling = new Group(store, lengthBytes);
    this.writing = new Group(store, lengthBytes);
    this.full = false;
    this.identity = identity;
    this.extent = extent;
    this.counters = counters;
    this.filling.begin(extent.durablePosition - extent.tailPosition(0));
  }

  /** Whether there is room for an operation's record; otherwise it has to wait. */
  canPlace(operation: Operation): boolean {
    const { blockBytes, segmentBytes } = this.identity;
    const keptBlocks = operation.opcode === OP_PUSH ? MARK_BLOCKS : 1;
    return this.hasRoom(operation.sizeBytes, segmentBytes - keptBlocks * blockBytes);
  }

  /** Puts an operation's record into the group being filled. */
  place(operation: Operation): void {
    const group = this.filling;
    group.operations.push(operation);
    if (operation.opcode !== OP_PUSH) {
      group.buffer.view.setFloat64(group.payloadOffset, operation.position, true);
      this.seal(POSITION_BYTES, TRUNCATED);
      return;
    }
    const { sizeBytes } = operation;
    const array = operation.array!;
    const copiedBytes = group.placePayload(array);
    operation.position = this.extent.tailPosition(group.startOffset + group.filledBytes);
    this.seal(sizeBytes, DATA);
    array.free();
    operation.array = undefined;
    operation.doneBytes = sizeBytes;
    this.counters.placed(copiedBytes, sizeBytes - copiedBytes);
  }

  /** Puts a mark of the log's own into the group being filled, if there is room. */
  placeMark(kind: number): void {
    const { blockBytes, segmentBytes } = this.identity;
    // The last block is for the mark of rolling over.
    const limit = kind === ROLLED ? segmentBytes : segmentBytes - blockBytes;
    if (this.hasRoom(0, limit)) this.seal(0, kind);
  }

  private seal(payloadBytes: number, kind: number): void {
    const { extent, identity } = this;
    this.filling.seal(payloadBytes, identity.id, identity.epoch, extent.nextSequence++, kind);
  }

  /** Whether a record fits into the group and, before `limit`, into the segment. */
  private hasRoom(payloadBytes: number, limit: number): boolean {
    const group = this.filling;
    if (this.full && limit !== this.identity.segmentBytes) return false;
    if (!group.hasRoom(payloadBytes)) return false;
    if (group.startOffset + group.filledBytes + recordBytes(payloadBytes) <= limit) return true;
    this.full = true;
    return false;
  }

  /** What was being filled is `writing` from here on, and the other one begins behind it. Returns its length in bytes. */
  exchange(): number {
    const { filling, writing } = this;
    const lengthBytes = filling.pad(this.identity.blockBytes);
    this.filling = writing;
    this.writing = filling;
    writing.begin(filling.startOffset + lengthBytes);
    this.counters.wrote(filling.records, lengthBytes);
    return lengthBytes;
  }

  release(): void {
    this.filling.letGo();
    this.writing.letGo();
    this.filling.buffer.release();
    this.writing.buffer.release();
  }
}
