// A queue on a log: pushes append, pops read forward from the queue's own cursor and wait at the end.

import type { ScatterGatherArray } from '@demikernel/memory';
import { EAGAIN, EBADMSG, EBUSY, ECANCELED, EINVAL, EOPNOTSUPP, ESHUTDOWN } from '../runtime/errno.ts';
import type { LibraryOs } from '../runtime/library-os.ts';
import { type Operation, OperationList } from '../runtime/operation.ts';
import { PlainQueue } from '../runtime/plain-queue.ts';
import { STORE_READ, type StoreBuffer, type StoreClient, StoreRequest } from '../runtime/segment-store.ts';
import type { Extent } from './extent.ts';
import type { Log } from './log.ts';
import type { LogCounters } from './log-counters.ts';
import type { LogIdentity } from './log-identity.ts';
import type { LogReader } from './log-readers.ts';
import {
  DATA,
  NEEDS_MORE,
  RECORD_HEADER_BYTES,
  RecordView,
  ROLLED,
  readRecord,
  recordBytes,
  WHOLE,
} from './record.ts';
import { nextBlock } from './scan.ts';
import { SEGMENT_HEADER_BYTES } from './segment-header.ts';
import type { LogSettings } from './settings.ts';

/** What the queues of one storage share. */
export interface LogQueueHost extends Pick<LibraryOs, 'runtime' | 'pool' | 'sliceBytes'> {
  readonly settings: LogSettings;
  readonly counters: LogCounters;
  /** A pop found no memory; it is tried again in a later turn. */
  starved(queue: LogQueue): void;
  /** The queue has been closed. */
  queueClosed(log: Log): void;
}

/** Nothing is known of the sequence number that comes next. */
const UNKNOWN = -1;

export class LogQueue extends PlainQueue implements LogReader, StoreClient {
  private readonly host: LogQueueHost;
  private readonly log: Log;
  private readonly identity: LogIdentity;
  private readonly extent: Extent;
  private readonly pops: OperationList;
  private readonly record: RecordView;
  private readonly request: StoreRequest;
  /** Position of the next record. */
  private cursor: number;
  private expected: number;
  private epoch: number;
  // The window: what has been read of the segment `windowNumber`, from `windowStart` to `windowEnd`.
  private window: StoreBuffer | undefined;
  private windowNumber: number;
  private windowStart: number;
  private windowEnd: number;
  private readFailure: number;
  private closed: boolean;

  constructor(host: LogQueueHost, log: Log) {
    super(host);
    this.host = host;
    this.log = log;
    this.identity = log.identity;
    this.extent = log.extent;
    this.pops = new OperationList();
    this.record = new RecordView();
    this.request = new StoreRequest(this);
    this.cursor = log.extent.startPosition;
    this.expected = UNKNOWN;
    this.epoch = 0;
    this.window = undefined;
    this.windowNumber = -1;
    this.windowStart = 0;
    this.windowEnd = 0;
    this.readFailure = 0;
    this.closed = false;
    log.readers.add(this);
  }

  get reading(): boolean {
    return this.request.busy;
  }

  // ---- calls ----

  override push(operation: Operation): void {
    this.log.append(operation);
  }

  override pop(operation: Operation): void {
    if (this.pops.count >= this.host.settings.waitingPops) this.operations.complete(operation, EAGAIN);
    else {
      this.pops.push(operation);
      this.serve();
    }
  }

  override seek(position: number): number {
    if (this.pops.head !== undefined) return EBUSY;
    const cursor = this.extent.positionOf(position);
    if (cursor < 0) return EINVAL;
    this.moveTo(cursor);
    return 0;
  }

  private moveTo(cursor: number): void {
    this.cursor = cursor;
    this.expected = UNKNOWN;
    this.epoch = 0;
  }

  override truncate(operation: Operation): number {
    return this.log.truncate(operation);
  }

  override shutdown(): number {
    return EOPNOTSUPP;
  }

  override cancel(operation: Operation): boolean {
    if (operation.list !== this.pops) return this.log.cancel(operation);
    this.pops.remove(operation);
    this.operations.complete(operation, ECANCELED);
    return true;
  }

  override close(): void {
    if (this.closed) return;
    this.closed = true;
    this.endPops(ECANCELED);
    this.log.cancelAll(this.qd);
    this.log.readers.remove(this);
    this.host.queueClosed(this.log);
  }

  private endPops(errno: number): void {
    for (let pop = this.pops.shift(); pop !== undefined; pop = this.pops.shift()) {
      this.operations.complete(pop, errno);
    }
  }

  // ---- reading ----

  /** @internal */
  logMoved(): void {
    this.serve();
  }

  /** Completes pops while there are records for them; where it stops, something else will call again. */
  serve(): void {
    while (this.pops.head !== undefined && !this.request.busy && !this.closed && this.step());
  }

  /** Looks at what is at the cursor. False: nothing more can be done now. */
  private step(): boolean {
    const { extent, identity } = this;
    if (this.cursor < extent.startPosition) this.moveTo(extent.startPosition);
    if (this.cursor >= extent.durablePosition) return false;
    const number = Math.floor(this.cursor / extent.segmentBytes);
    const offset = this.cursor - number * extent.segmentBytes;
    if (number !== this.windowNumber || offset < this.windowStart || offset >= this.windowEnd) {
      return this.load(number, offset, RECORD_HEADER_BYTES);
    }
    const { record, window, windowStart, windowEnd } = this;
    const at = offset - windowStart;
    const verdict = readRecord(
      record,
      window!,
      at,
      windowEnd - windowStart,
      identity.id,
      identity.largestPayloadBytes,
    );
    if (verdict === NEEDS_MORE && windowEnd < extent.limitOf(number)) {
      const known = at + RECORD_HEADER_BYTES <= windowEnd - windowStart;
      return this.load(number, offset, known ? recordBytes(record.lengthBytes) : RECORD_HEADER_BYTES);
    }
    if (verdict === WHOLE && this.follows(record)) return this.take(record);
    return this.skipPadding(number, offset);
  }

  private follows(record: RecordView): boolean {
    return (this.expected === UNKNOWN || record.sequence === this.expected) && record.epoch >= this.epoch;
  }

  /** A whole record is at the cursor. */
  private take(record: RecordView): boolean {
    const { extent } = this;
    if (record.kind === DATA && !this.deliver(record)) return false;
    this.expected = record.sequence + 1;
    this.epoch = record.epoch;
    if (record.kind === ROLLED) {
      this.cursor =
        (Math.floor(this.cursor / extent.segmentBytes) + 1) * extent.segmentBytes + SEGMENT_HEADER_BYTES;
    } else this.cursor += recordBytes(record.lengthBytes);
    return true;
  }

  /** Copies a record into memory of the device's and completes a pop with it. False when there is no memory. */
  private deliver(record: RecordView): boolean {
    const { pool, sliceBytes } = this.host;
    const array = pool.allocArray(record.lengthBytes, sliceBytes);
    if (array === undefined) {
      this.host.starved(this);
      return false;
    }
    copyOut(array, this.window!.bytes, record.payload);
    const pop = this.pops.shift()!;
    pop.array = array;
    pop.position = this.cursor;
    this.host.counters.read();
    this.operations.complete(pop, 0);
    return true;
  }

  /** No record is at the cursor: padding behind a group, or damage. */
  private skipPadding(number: number, offset: number): boolean {
    const { extent, identity } = this;
    const next = nextBlock(offset, identity.blockBytes);
    if (this.expected !== UNKNOWN && next !== offset && next < extent.segmentBytes) {
      this.cursor = number * extent.segmentBytes + next;
      return true;
    }
    this.host.counters.damaged();
    this.endOne(EBADMSG);
    return true;
  }

  private endOne(errno: number): void {
    this.operations.complete(this.pops.shift()!, errno);
  }

  /** Reads ahead from `offset` of a segment, `lengthBytes` at least. */
  private load(number: number, offset: number, lengthBytes: number): boolean {
    const { extent, host, log } = this;
    if (this.readFailure !== 0) {
      const errno = this.readFailure;
      this.readFailure = 0;
      this.endOne(errno);
      return true;
    }
    const { blockBytes } = this.identity;
    const start = offset - (offset % blockBytes);
    const wanted = Math.max(host.settings.readAheadBytes, offset - start + lengthBytes);
    const length = Math.min(nextBlock(wanted, blockBytes), extent.limitOf(number) - start);
    if (this.window === undefined || this.window.lengthBytes < length) {
      this.window?.release();
      this.windowNumber = -1;
      this.window = log.store.makeBuffer(nextBlock(wanted, blockBytes));
    }
    const segment = extent.segmentOf(number);
    if (segment < 0) {
      this.endOne(ESHUTDOWN);
      return true;
    }
    this.windowNumber = number;
    this.windowStart = start;
    this.windowEnd = start + length;
    log.store.submit(this.request.transfer(STORE_READ, segment, start, length, this.window));
    return false;
  }

  storeDone(request: StoreRequest): void {
    // A segment that was dropped meanwhile may hold anything by now.
    const dropped = this.extent.segmentOf(this.windowNumber) < 0;
    if (request.errno !== 0 || dropped) this.windowNumber = -1;
    if (request.errno !== 0 && !dropped) this.readFailure = request.errno;
    if (this.closed) {
      this.release();
      this.log.closeIfIdle();
    } else this.serve();
  }

  /** @internal */
  release(): void {
    this.window?.release();
    this.window = undefined;
  }
}

function copyOut(array: ScatterGatherArray, source: Uint8Array, from: number): void {
  let at = from;
  for (let i = 0; i < array.count; i++) {
    const slice = array.segments[i]!;
    slice.pool.region.bytes.set(source.subarray(at, at + slice.length), slice.offset);
    at += slice.length;
  }
}
