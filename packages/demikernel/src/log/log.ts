// A log that is open: when groups leave, when it rolls over, when operations end, and how it closes. What finds a place in
// a group: groups.ts; positions: extent.ts; reading: log-queue.ts; how a log comes back after a crash: recovery.ts.

import { EAGAIN, ECANCELED, EINVAL, EMSGSIZE } from '../runtime/errno.ts';
import { OP_PUSH, type Operation, OperationList, type OperationTable } from '../runtime/operation.ts';
import type { Random } from '../runtime/random.ts';
import { type SegmentStore, STORE_WRITE, type StoreClient, StoreRequest } from '../runtime/segment-store.ts';
import { end, endAll, endOfQueue, endPushes } from './endings.ts';
import { Extent } from './extent.ts';
import { Groups, POSITION_BYTES } from './groups.ts';
import { HeaderWriter } from './header-writer.ts';
import type { LogCounters } from './log-counters.ts';
import { LogIdentity } from './log-identity.ts';
import { LogReaders } from './log-readers.ts';
import { NextSegment, type NextSegmentOwner } from './next-segment.ts';
import { openLog } from './opening.ts';
import { CLOSED, OPENED, ROLLED } from './record.ts';
import type { StoreWork } from './recovery.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import type { LogSettings } from './settings.ts';

/** What a log tells its owner. */
export interface LogOwner {
  readonly operations: OperationTable;
  readonly random: Random;
  readonly settings: LogSettings;
  readonly counters: LogCounters;
  /** Recovery is over: 0, or why the log cannot be opened; it is then closed. */
  logOpened(log: Log, errno: number): void;
  /** The log is at rest and its store closed. */
  logClosed(log: Log): void;
}

export const LOG_OPENING = 0;
export const LOG_OPEN = 1;
export const LOG_CLOSING = 2;
export const LOG_CLOSED = 3;

export class Log implements StoreClient, NextSegmentOwner {
  readonly name: string;
  readonly store: SegmentStore;
  state: number;
  readonly identity: LogIdentity;
  readonly extent: Extent;
  readonly readers: LogReaders;
  private readonly owner: LogOwner;
  private readonly operations: OperationTable;
  /** Writes groups and headers, one after the other. */
  private readonly request: StoreRequest;
  private readonly headers: HeaderWriter;
  private readonly next: NextSegment;
  private opening: StoreWork<number> | undefined;
  /** From the end of recovery to the closing of the store. */
  private groups: Groups | undefined;
  /** Pushes and truncations with no place in a group yet. */
  private readonly waiting: OperationList;
  /** What ended all appending: the device failed a write, and nobody knows what it holds now. */
  private failure: number;
  private closeMarked: boolean;

  constructor(name: string, store: SegmentStore, owner: LogOwner) {
    this.name = name;
    this.store = store;
    this.state = LOG_OPENING;
    this.identity = new LogIdentity(store, owner.settings.largestRecordBytes);
    this.extent = new Extent(store);
    this.readers = new LogReaders();
    this.owner = owner;
    this.operations = owner.operations;
    this.request = new StoreRequest(this);
    this.headers = new HeaderWriter(store, this.request, this.identity, this.extent);
    this.next = new NextSegment(store, this);
    this.opening = undefined;
    this.groups = undefined;
    this.waiting = new OperationList();
    this.failure = 0;
    this.closeMarked = false;
  }

  // ---- opening ----

  /** Begins recovery; `owner.logOpened` says how it ended. */
  open(damaged: 'refuse' | 'cut'): void {
    const { extent, headers, identity, request, store } = this;
    const { random } = this.owner;
    this.opening = openLog({ store, request, random, identity, extent, headers }, damaged);
    this.goOn();
  }

  /** Lets recovery go on; when it is over, the mark of the new epoch is what remains. */
  private goOn(): void {
    const step = this.opening!.next();
    if (step.done !== true) return;
    this.opening = undefined;
    if (step.value !== 0) {
      this.openFailed(step.value);
      return;
    }
    const { settings, counters } = this.owner;
    this.groups = new Groups(this.store, this.identity, this.extent, settings.groupBytes, counters);
    this.groups.placeMark(OPENED);
  }

  private openFailed(errno: number): void {
    this.finishClosing();
    this.owner.logOpened(this, errno);
  }

  // ---- appending ----

  /** Appends the payload of a push, or the mark of a truncation; the operation ends when that is durable. */
  append(operation: Operation): void {
    if (this.failure !== 0) this.end(operation, this.failure);
    else if (operation.sizeBytes > this.identity.largestPayloadBytes) this.end(operation, EMSGSIZE);
    else if (this.waiting.count === 0 && this.groups!.canPlace(operation)) this.groups!.place(operation);
    else if (this.waiting.count >= this.owner.settings.waitingPushes) this.end(operation, EAGAIN);
    else this.waiting.push(operation);
  }

  /** Begins to drop what lies before `operation.position`. Returns an errno when that is no place in the log. */
  truncate(operation: Operation): number {
    const position = this.extent.positionOf(operation.position);
    if (position < 0) return EINVAL;
    operation.position = position;
    if (position === this.extent.startPosition) {
      this.operations.complete(operation, 0);
      return 0;
    }
    operation.sizeBytes = POSITION_BYTES;
    this.append(operation);
    return 0;
  }

  /** Once per turn: what has been pushed leaves, if the group before it is durable. Returns how much that was. */
  flush(): number {
    const { groups } = this;
    if (groups === undefined || this.request.busy || this.failure !== 0) return 0;
    this.placeWaiting(groups);
    if (groups.filling.records === 0 && this.state === LOG_CLOSING) this.markClosed(groups);
    if (groups.filling.records > 0) this.write(groups);
    else if (groups.full) this.rollOver(groups);
    else {
      this.closeIfIdle();
      return 0;
    }
    return 1;
  }

  private placeWaiting(groups: Groups): void {
    for (let operation = this.waiting.head; operation !== undefined; operation = this.waiting.head) {
      if (!groups.canPlace(operation)) return;
      this.waiting.remove(operation);
      groups.place(operation);
    }
  }

  private write(groups: Groups): void {
    const lengthBytes = groups.exchange();
    const { buffer, pieces, startOffset } = groups.writing;
    const { tailSegment } = this.extent;
    this.request.transfer(STORE_WRITE, tailSegment, startOffset, lengthBytes, buffer);
    if (pieces.count > 0) this.request.pieces = pieces;
    this.store.submit(this.request);
  }

  storeDone(request: StoreRequest): void {
    if (this.opening !== undefined) this.goOn();
    else if (this.next.named || this.groups!.writing.records > 0) this.written(this.groups!, request.errno);
    else if (request.errno === 0) this.next.named = true;
    else this.fail(request.errno);
    this.closeIfIdle();
  }

  private written(groups: Groups, errno: number): void {
    if (errno !== 0) {
      this.fail(errno);
      return;
    }
    const { operations } = groups.writing;
    groups.writing.letGo();
    const rolled = this.next.named;
    if (rolled) this.rolledOver(groups);
    else this.extent.durablePosition = this.extent.tailPosition(groups.filling.startOffset);
    for (let operation = operations.shift(); operation !== undefined; operation = operations.shift()) {
      if (operation.opcode !== OP_PUSH && this.extent.dropBefore(operation.position)) this.next.roomMade();
      this.operations.complete(operation, 0);
    }
    if (this.state === LOG_OPENING && !rolled) {
      this.state = LOG_OPEN;
      this.owner.logOpened(this, 0);
    }
    this.readers.wake();
    // When half of this segment is used: then nobody has to wait for the next one.
    if (groups.filling.startOffset * 2 > this.extent.segmentBytes) this.next.askAhead();
  }

  /** A write failed: it may have happened or not, so nothing may be written behind it before the log has been recovered. */
  private fail(errno: number): void {
    const { filling, writing } = this.groups!;
    this.failure = errno;
    writing.letGo();
    filling.letGo();
    endAll(this.operations, writing.operations, errno);
    endAll(this.operations, filling.operations, errno);
    endAll(this.operations, this.waiting, errno);
    if (this.state === LOG_OPENING) this.openFailed(errno);
  }

  // ---- rolling over ----

  /**
   * The next segment's header becomes durable, then the word that the log goes on there, then records: after a crash at
   * any point it is known whether a segment is missing.
   */
  private rollOver(groups: Groups): void {
    const { next } = this;
    if (next.named) {
      groups.placeMark(ROLLED);
      this.write(groups);
    } else if (next.segment >= 0) this.headers.name(next.segment, this.extent.tailNumber + 1);
    else next.ask();
  }

  private rolledOver(groups: Groups): void {
    this.extent.begin(this.extent.tailNumber + 1, this.next.take());
    groups.full = false;
    groups.filling.begin(SEGMENT_HEADER_BYTES);
    this.owner.counters.rolled();
    // An epoch that could not begin in the segment that was full.
    if (this.state === LOG_OPENING) groups.placeMark(OPENED);
  }

  nextSegmentCame(errno: number): void {
    // One that was asked for in advance is asked for again.
    if (errno !== 0 && this.groups!.full) this.deviceFull(this.groups!, errno);
    this.closeIfIdle();
  }

  /** Pushes have nowhere to go. Marks may use the blocks kept for them, so that a truncation can make room. */
  private deviceFull(groups: Groups, errno: number): void {
    groups.full = false;
    const { operations, waiting } = this;
    const marksOnly = waiting.head !== undefined && !endPushes(operations, waiting, errno);
    if (marksOnly) endAll(operations, waiting, errno);
    if (this.state === LOG_OPENING) this.openFailed(errno);
  }

  // ---- the end ----

  private end(operation: Operation, errno: number): void {
    end(this.operations, operation, errno);
  }

  /** Takes back an append that is in no group yet. */
  cancel(operation: Operation): boolean {
    if (operation.list !== this.waiting) return false;
    this.waiting.remove(operation);
    this.end(operation, ECANCELED);
    return true;
  }

  /** Ends a queue's appends, wherever they stand: what is in a group already may become durable all the same. */
  cancelAll(qd: number): void {
    const { groups, operations } = this;
    endOfQueue(operations, this.waiting, qd, ECANCELED);
    if (groups === undefined) return;
    endOfQueue(operations, groups.filling.operations, qd, ECANCELED);
    endOfQueue(operations, groups.writing.operations, qd, ECANCELED);
  }

  /** The last queue is closed: what is in groups is written, then the word that the log ended well, then all is given back. */
  close(): void {
    this.state = LOG_CLOSING;
    this.closeIfIdle();
  }

  private markClosed(groups: Groups): void {
    if (this.closeMarked) return;
    this.closeMarked = true;
    groups.placeMark(CLOSED);
    groups.full = false;
  }

  /** Closes the store as soon as nothing is under way any more; called whenever a request has ended. */
  closeIfIdle(): void {
    if (this.state !== LOG_CLOSING) return;
    const written = this.failure !== 0 || (this.closeMarked && this.groups!.filling.records === 0);
    if (written && !this.request.busy && !this.next.busy) this.finishClosing();
  }

  private finishClosing(): void {
    this.next.release();
    this.headers.release();
    this.groups?.release();
    this.groups = undefined;
    this.state = LOG_CLOSED;
    this.store.close();
    this.owner.logClosed(this);
  }
}
