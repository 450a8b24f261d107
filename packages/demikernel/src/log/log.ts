// A log that is open: group commit, roll-over, truncation. How records look: record.ts; what a group is: group.ts; reading:
// log-queue.ts; how a log comes back after a crash: recovery.ts.

import { EAGAIN, ECANCELED, EINVAL, EMSGSIZE } from '../runtime/errno.ts';
import { OP_PUSH, type Operation, OperationList, type OperationTable } from '../runtime/operation.ts';
import type { Random } from '../runtime/random.ts';
import {
  type SegmentStore,
  STORE_ALLOCATE,
  STORE_WRITE,
  type StoreBuffer,
  type StoreClient,
  StoreRequest,
} from '../runtime/segment-store.ts';
import { Group } from './group.ts';
import type { LogCounters } from './log-counters.ts';
import { CLOSED, DATA, OPENED, ROLLED, recordBytes, TRUNCATED } from './record.ts';
import { type Recovered, recover, type StoreWork } from './recovery.ts';
import { nextBlock } from './scan.ts';
import {
  largestFitting,
  MARK_BLOCKS,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  writeSegmentHeader,
} from './segment-header.ts';
import type { LogSettings } from './settings.ts';

/** Payload of a truncation mark: a position, as a double. */
const POSITION_BYTES = 8;

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

/** A queue that reads the log. */
export interface LogReader {
  /** More is durable, or the log's start has moved. */
  logMoved(): void;
  /** A read is under way. */
  readonly reading: boolean;
  release(): void;
}

export const LOG_OPENING = 0;
export const LOG_OPEN = 1;
export const LOG_CLOSING = 2;
export const LOG_CLOSED = 3;

export class Log implements StoreClient {
  readonly name: string;
  readonly store: SegmentStore;
  state: number;
  /** Random number of this log; which records are its own. */
  id: number;
  blockBytes: number;
  readonly segmentBytes: number;
  largestPayloadBytes: number;
  /** Positions: segment number times segment size, plus the offset. The oldest record begins here … */
  startPosition: number;
  /** … and the newest durable one ends before here, a block boundary. */
  durablePosition: number;
  /** Records damaged in the middle were cut off when the log was opened. */
  wasCut: boolean;
  readonly readers: LogReader[];
  private readonly owner: LogOwner;
  private readonly operations: OperationTable;
  private readonly request: StoreRequest;
  private readonly allocation: StoreRequest;
  private work: StoreWork<number> | undefined;
  private epoch: number;
  private nextSequence: number;
  private segments: Map<number, number>;
  private tailNumber: number;
  private tailSegment: number;
  private header: StoreBuffer | undefined;
  private filling: Group | undefined;
  private writing: Group | undefined;
  /** Pushes and truncations with no place in a group yet. */
  private readonly waiting: OperationList;
  /** The segment is full: nothing more is placed before the log has rolled over. */
  private full: boolean;
  /** The store's number of the next segment, or -1; and whether its header is durable. */
  private nextSegment: number;
  private nextIsNamed: boolean;
  /** A segment has been asked for in advance; on a full device that is not repeated before something is dropped. */
  private askedAhead: boolean;
  /** What ended all appending: the device failed a write, and nobody knows what it holds now. */
  private failure: number;
  private closeMarked: boolean;

  constructor(name: string, store: SegmentStore, owner: LogOwner) {
    this.name = name;
    this.store = store;
    this.state = LOG_OPENING;
    this.id = 0;
    this.blockBytes = store.blockBytes;
    this.segmentBytes = store.segmentBytes;
    this.largestPayloadBytes = Math.min(
      owner.settings.largestRecordBytes,
      largestFitting(store.segmentBytes, store.blockBytes),
    );
    this.startPosition = 0;
    this.durablePosition = 0;
    this.wasCut = false;
    this.readers = [];
    this.owner = owner;
    this.operations = owner.operations;
    this.request = new StoreRequest(this);
    this.allocation = new StoreRequest(this);
    this.work = undefined;
    this.epoch = 0;
    this.nextSequence = 1;
    this.segments = new Map();
    this.tailNumber = 0;
    this.tailSegment = -1;
    this.header = undefined;
    this.filling = undefined;
    this.writing = undefined;
    this.waiting = new OperationList();
    this.full = false;
    this.nextSegment = -1;
    this.nextIsNamed = false;
    this.askedAhead = false;
    this.failure = 0;
    this.closeMarked = false;
  }

  // ---- opening ----

  /** Begins recovery; `owner.logOpened` says how it ended. */
  open(damaged: 'refuse' | 'cut'): void {
    this.work = this.recovery(damaged);
    this.goOn();
  }

  private *recovery(damaged: 'refuse' | 'cut'): StoreWork<number> {
    const { request, store } = this;
    const recovered = yield* recover(store, request, damaged);
    if (typeof recovered === 'number') return recovered;
    this.header = store.makeBuffer(SEGMENT_HEADER_BYTES);
    for (const segment of recovered.dropped) {
      this.header.bytes.fill(0);
      store.submit(request.transfer(STORE_WRITE, segment, 0, SEGMENT_HEADER_BYTES, this.header));
      yield undefined;
      if (request.errno !== 0) return request.errno;
      store.free(segment);
    }
    for (const segment of recovered.free) store.free(segment);
    if (recovered.header === undefined) {
      const errno = yield* this.makeFirstSegment();
      if (errno !== 0) return errno;
    } else this.takeOver(recovered.header, recovered);
    this.makeGroups();
    return 0;
  }

  private takeOver(header: SegmentHeader, recovered: Recovered): void {
    this.id = header.log;
    this.blockBytes = header.blockBytes;
    this.largestPayloadBytes = header.largestPayloadBytes;
    this.epoch = recovered.epoch + 1;
    this.nextSequence = recovered.nextSequence;
    this.segments = recovered.segments;
    this.tailNumber = header.number;
    this.tailSegment = recovered.segments.get(header.number)!;
    this.startPosition = recovered.startPosition;
    this.durablePosition = header.number * this.segmentBytes + recovered.tailOffset;
    this.wasCut = recovered.cut;
  }

  private *makeFirstSegment(): StoreWork<number> {
    const { request, store } = this;
    do this.id = this.owner.random.int32();
    while (this.id === 0);
    this.epoch = 1;
    store.submit(request.ask(STORE_ALLOCATE));
    yield undefined;
    if (request.errno !== 0) return request.errno;
    const { segment } = request;
    this.startPosition = SEGMENT_HEADER_BYTES;
    this.durablePosition = SEGMENT_HEADER_BYTES;
    this.nameSegment(segment, 0);
    yield undefined;
    if (request.errno !== 0) return request.errno;
    this.segments.set(0, segment);
    this.tailSegment = segment;
    return 0;
  }

  /** Submits the header of a segment that joins the log. */
  private nameSegment(segment: number, number: number): void {
    writeSegmentHeader(this.header!, {
      log: this.id,
      epoch: this.epoch,
      blockBytes: this.blockBytes,
      segmentBytes: this.segmentBytes,
      largestPayloadBytes: this.largestPayloadBytes,
      number,
      // The mark of rolling over comes before it.
      firstSequence: number === 0 ? this.nextSequence : this.nextSequence + 1,
      startPosition: this.startPosition,
    });
    this.store.submit(this.request.transfer(STORE_WRITE, segment, 0, SEGMENT_HEADER_BYTES, this.header!));
  }

  private makeGroups(): void {
    const wanted = Math.max(this.owner.settings.groupBytes, recordBytes(this.largestPayloadBytes));
    const lengthBytes = nextBlock(wanted, 4096);
    this.filling = new Group(this.store.makeBuffer(lengthBytes));
    this.writing = new Group(this.store.makeBuffer(lengthBytes));
    this.filling.begin(this.durablePosition - this.tailNumber * this.segmentBytes);
  }

  /** Lets recovery go on; when it is over, the mark of the new epoch is what remains. */
  private goOn(): void {
    const step = this.work!.next();
    if (step.done !== true) return;
    this.work = undefined;
    if (step.value !== 0) this.openFailed(step.value as number);
    else this.placeMark(OPENED);
  }

  private openFailed(errno: number): void {
    this.finishClosing();
    this.owner.logOpened(this, errno);
  }

  // ---- appending ----

  /** Appends the payload of a push, or the mark of a truncation; the operation ends when that is durable. */
  append(operation: Operation): void {
    if (this.failure !== 0) this.end(operation, this.failure);
    else if (operation.sizeBytes > this.largestPayloadBytes) this.end(operation, EMSGSIZE);
    else if (this.waiting.count === 0 && this.canPlace(operation)) this.place(operation);
    else if (this.waiting.count >= this.owner.settings.waitingPushes) this.end(operation, EAGAIN);
    else this.waiting.push(operation);
  }

  /** Whether there is room for an operation's record; otherwise it has to wait. */
  private canPlace(operation: Operation): boolean {
    const keptBlocks = operation.opcode === OP_PUSH ? MARK_BLOCKS : 1;
    return this.hasRoom(operation.sizeBytes, this.segmentBytes - keptBlocks * this.blockBytes);
  }

  /** Puts an operation's record into the group being filled. */
  private place(operation: Operation): void {
    const group = this.filling!;
    group.operations.push(operation);
    if (operation.opcode !== OP_PUSH) {
      group.buffer.view.setFloat64(group.payloadOffset, operation.position, true);
      group.seal(POSITION_BYTES, this.id, this.epoch, this.nextSequence++, TRUNCATED);
      return;
    }
    const { sizeBytes } = operation;
    const array = operation.array!;
    group.copyPayload(array);
    operation.position = this.tailNumber * this.segmentBytes + group.startOffset + group.filledBytes;
    group.seal(sizeBytes, this.id, this.epoch, this.nextSequence++, DATA);
    array.free();
    operation.array = undefined;
    operation.doneBytes = sizeBytes;
    this.owner.counters.copied(sizeBytes);
  }

  /** Puts a mark of the log's own into the group being filled, if there is room. */
  private placeMark(kind: number): void {
    // The last block is for the mark of rolling over.
    const limit = kind === ROLLED ? this.segmentBytes : this.segmentBytes - this.blockBytes;
    if (this.hasRoom(0, limit)) this.filling!.seal(0, this.id, this.epoch, this.nextSequence++, kind);
  }

  /** Whether a record fits into the group and, before `limit`, into the segment. */
  private hasRoom(payloadBytes: number, limit: number): boolean {
    const group = this.filling!;
    if (this.full && limit !== this.segmentBytes) return false;
    if (!group.hasRoom(payloadBytes)) return false;
    if (group.startOffset + group.filledBytes + recordBytes(payloadBytes) <= limit) return true;
    this.full = true;
    return false;
  }

  /** Once per turn: what has been pushed leaves, if the group before it is durable. Returns how much that was. */
  flush(): number {
    if (this.request.busy || this.work !== undefined || this.filling === undefined || this.failure !== 0) {
      return 0;
    }
    this.placeWaiting();
    if (this.filling.records === 0 && this.state === LOG_CLOSING) this.markClosed();
    if (this.filling.records > 0) this.write();
    else if (this.full) this.rollOver();
    else {
      this.closeIfIdle();
      return 0;
    }
    return 1;
  }

  private placeWaiting(): void {
    for (let operation = this.waiting.head; operation !== undefined; operation = this.waiting.head) {
      if (!this.canPlace(operation)) return;
      this.waiting.remove(operation);
      this.place(operation);
    }
  }

  private write(): void {
    const group = this.filling!;
    const other = this.writing!;
    const lengthBytes = group.pad(this.blockBytes);
    this.filling = other;
    this.writing = group;
    other.begin(group.startOffset + lengthBytes);
    this.owner.counters.wrote(group.records, lengthBytes);
    this.store.submit(
      this.request.transfer(STORE_WRITE, this.tailSegment, group.startOffset, lengthBytes, group.buffer),
    );
  }

  storeDone(request: StoreRequest): void {
    if (request === this.allocation) this.allocated();
    else if (this.work !== undefined) this.goOn();
    else if (this.nextIsNamed || this.writing!.records > 0) this.written(request.errno);
    else this.named(request.errno);
    this.closeIfIdle();
  }

  private written(errno: number): void {
    const group = this.writing!;
    if (errno !== 0) {
      this.fail(errno);
      return;
    }
    group.records = 0;
    const rolled = this.nextIsNamed;
    if (rolled) this.rolledOver();
    else this.durablePosition = this.tailNumber * this.segmentBytes + this.filling!.startOffset;
    for (let operation = group.operations.shift(); operation !== undefined; ) {
      if (operation.opcode !== OP_PUSH) this.dropBefore(operation.position);
      this.operations.complete(operation, 0);
      operation = group.operations.shift();
    }
    if (this.state === LOG_OPENING && !rolled) {
      this.state = LOG_OPEN;
      this.owner.logOpened(this, 0);
    }
    this.wakeReaders();
    this.prepareNext();
  }

  /** A write failed: it may have happened or not, so nothing may be written behind it before the log has been recovered. */
  private fail(errno: number): void {
    this.failure = errno;
    this.writing!.records = 0;
    this.endAll(this.writing!.operations, errno);
    this.endAll(this.filling!.operations, errno);
    this.endAll(this.waiting, errno);
    if (this.state === LOG_OPENING) this.openFailed(errno);
  }

  private wakeReaders(): void {
    for (let i = 0; i < this.readers.length; i++) this.readers[i]!.logMoved();
  }

  // ---- rolling over ----

  /** Asks for the next segment when half of this one is used, so that nobody has to wait for it. */
  private prepareNext(): void {
    const half = this.filling!.startOffset * 2 > this.segmentBytes;
    if (half && this.nextSegment < 0 && !this.askedAhead && !this.allocation.busy) {
      this.askedAhead = true;
      this.store.submit(this.allocation.ask(STORE_ALLOCATE));
    }
  }

  private allocated(): void {
    const { errno, segment } = this.allocation;
    if (errno === 0) {
      this.nextSegment = segment;
      return;
    }
    if (!this.full) return; // that was in advance; it is asked for again
    // Pushes have nowhere to go. Marks may use the blocks kept for them, so that a truncation can make room.
    this.full = false;
    const { waiting } = this;
    const marksOnly = waiting.head !== undefined && !this.endPushes(waiting, errno);
    if (marksOnly) this.endAll(waiting, errno);
    if (this.state === LOG_OPENING) this.openFailed(errno);
  }

  /**
   * The next segment's header becomes durable, then the word that the log goes on there, then records: after a crash at
   * any point it is known whether a segment is missing.
   */
  private rollOver(): void {
    if (this.nextIsNamed) {
      this.placeMark(ROLLED);
      this.write();
    } else if (this.nextSegment >= 0) this.nameSegment(this.nextSegment, this.tailNumber + 1);
    else if (!this.allocation.busy) this.store.submit(this.allocation.ask(STORE_ALLOCATE));
  }

  private named(errno: number): void {
    if (errno === 0) this.nextIsNamed = true;
    else this.fail(errno);
  }

  private rolledOver(): void {
    this.tailNumber++;
    this.tailSegment = this.nextSegment;
    this.segments.set(this.tailNumber, this.tailSegment);
    this.nextSegment = -1;
    this.nextIsNamed = false;
    this.askedAhead = false;
    this.full = false;
    this.filling!.begin(SEGMENT_HEADER_BYTES);
    this.durablePosition = this.tailNumber * this.segmentBytes + SEGMENT_HEADER_BYTES;
    this.owner.counters.rolled();
    // An epoch that could not begin in the segment that was full.
    if (this.state === LOG_OPENING) this.placeMark(OPENED);
  }

  // ---- positions ----

  /** The position meant by 0 (the start), `Infinity` (the end) or a record's own; -1 when it is outside the log. */
  positionOf(position: number): number {
    if (position === 0) return this.startPosition;
    if (position === Number.POSITIVE_INFINITY) return this.durablePosition;
    const inside = position >= this.startPosition && position <= this.durablePosition;
    if (!inside || !Number.isInteger(position) || position % 8 !== 0) return -1;
    return position % this.segmentBytes < SEGMENT_HEADER_BYTES ? -1 : position;
  }

  /** The store's number of a segment of this log; -1 when it has been dropped. */
  segmentOf(number: number): number {
    return this.segments.get(number) ?? -1;
  }

  /** Where the durable part of a segment ends. */
  limitOf(number: number): number {
    const base = number * this.segmentBytes;
    return Math.min(this.segmentBytes, this.durablePosition - base);
  }

  /** Begins to drop what lies before `operation.position`. Returns an errno when that is no place in the log. */
  truncate(operation: Operation): number {
    const position = this.positionOf(operation.position);
    if (position < 0) return EINVAL;
    if (position === this.startPosition) {
      operation.position = position;
      this.operations.complete(operation, 0);
      return 0;
    }
    operation.position = position;
    operation.sizeBytes = POSITION_BYTES;
    this.append(operation);
    return 0;
  }

  private dropBefore(position: number): void {
    if (position <= this.startPosition) return;
    this.startPosition = position;
    this.askedAhead = false;
    const first = Math.floor(position / this.segmentBytes);
    for (const [number, segment] of this.segments) {
      if (number >= first) continue;
      this.segments.delete(number);
      this.store.free(segment);
    }
  }

  // ---- the end ----

  /** Ends an operation that is not in a group any more. */
  end(operation: Operation, errno: number): void {
    operation.array?.free();
    operation.array = undefined;
    operation.doneBytes = 0;
    operation.position = -1;
    this.operations.complete(operation, errno);
  }

  /** Returns whether there were any. */
  private endPushes(list: OperationList, errno: number): boolean {
    let any = false;
    for (let operation = list.head; operation !== undefined; ) {
      const { next } = operation;
      if (operation.opcode === OP_PUSH) {
        any = true;
        list.remove(operation);
        this.end(operation, errno);
      }
      operation = next;
    }
    return any;
  }

  private endAll(list: OperationList, errno: number): void {
    for (let operation = list.shift(); operation !== undefined; operation = list.shift()) {
      this.end(operation, errno);
    }
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
    this.cancelIn(this.waiting, qd);
    if (this.filling !== undefined) this.cancelIn(this.filling.operations, qd);
    if (this.writing !== undefined) this.cancelIn(this.writing.operations, qd);
  }

  private cancelIn(list: OperationList, qd: number): void {
    for (let operation = list.head; operation !== undefined; ) {
      const { next } = operation;
      if (operation.qd === qd) {
        list.remove(operation);
        this.end(operation, ECANCELED);
      }
      operation = next;
    }
  }

  removeReader(reader: LogReader): void {
    this.readers.splice(this.readers.indexOf(reader), 1);
    if (!reader.reading) reader.release();
  }

  /** The last queue is closed: what is in groups is written, then the word that the log ended well, then all is given back. */
  close(): void {
    this.state = LOG_CLOSING;
    this.closeIfIdle();
  }

  private markClosed(): void {
    if (this.closeMarked) return;
    this.closeMarked = true;
    this.placeMark(CLOSED);
    this.full = false;
  }

  /** Closes the store as soon as nothing is under way any more; called whenever a request has ended. */
  closeIfIdle(): void {
    if (this.state !== LOG_CLOSING) return;
    const written = this.failure !== 0 || (this.closeMarked && this.filling!.records === 0);
    if (written && !this.request.busy && !this.allocation.busy) this.finishClosing();
  }

  private finishClosing(): void {
    if (this.nextSegment >= 0 && !this.nextIsNamed) this.store.free(this.nextSegment);
    this.nextSegment = -1;
    this.header?.release();
    this.filling?.buffer.release();
    this.writing?.buffer.release();
    this.header = undefined;
    this.filling = undefined;
    this.writing = undefined;
    this.state = LOG_CLOSED;
    this.store.close();
    this.owner.logClosed(this);
  }
}
