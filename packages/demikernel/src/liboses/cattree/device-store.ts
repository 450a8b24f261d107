// The segments of one log on a namespace: taken, used again, given back. Whose they are is in the directory.

import type { Slice } from '@demikernel/memory';
import { SEGMENT_HEADER_BYTES } from '../../log/segment-header.ts';
import { NVM_DATASET_MANAGEMENT } from '../../nvme/commands.ts';
import { type NvmeClient, NvmeRequest } from '../../nvme/request.ts';
import { EIO, ENOSPC } from '../../runtime/errno.ts';
import {
  type SegmentStore,
  STORE_ALLOCATE,
  STORE_SYNC,
  STORE_WRITE,
  type StoreBuffer,
  type StoreClient,
  StoreRequest,
} from '../../runtime/segment-store.ts';
import type { DeviceStorage } from './device-storage.ts';
import { segmentOffset } from './directory.ts';
import type { ChangeWaiter } from './directory-writer.ts';

/** Segments kept for the log's next allocation; more are given back. */
const SPARE_SEGMENTS = 2;

/** What is erased of a segment before a log gets it: all that tells whose it is, and the first record behind. */
const ERASED_BYTES: number = SEGMENT_HEADER_BYTES + 4096;

/**
 * A request for a segment that waits: first until nothing in it says that it is another log's, then until the directory says
 * that it is this one's. In the other order, a crash in between would leave this log with a stranger's header.
 */
class Allocation implements ChangeWaiter, StoreClient {
  private readonly store: DeviceStore;
  private readonly request: StoreRequest;
  private readonly segment: number;
  private readonly zeros: StoreBuffer;

  constructor(store: DeviceStore, storage: DeviceStorage, request: StoreRequest, segment: number) {
    const { layout, transfers } = storage;
    this.store = store;
    this.request = request;
    this.segment = segment;
    this.zeros = transfers.makeBuffer(ERASED_BYTES);
    this.zeros.bytes.fill(0);
    const erasing = new StoreRequest(this).transfer(STORE_WRITE, segment, 0, ERASED_BYTES, this.zeros);
    transfers.start(erasing, segmentOffset(layout, segment));
  }

  storeDone(erasing: StoreRequest): void {
    this.zeros.release();
    if (erasing.errno !== 0) this.store.allocated(this.request, this.segment, erasing.errno);
    else this.store.erased(this.segment, this);
  }

  directoryWritten(errno: number): void {
    this.store.allocated(this.request, this.segment, errno);
  }
}

export class DeviceStore implements SegmentStore {
  readonly blockBytes: number;
  readonly segmentBytes: number;
  private readonly storage: DeviceStorage;
  private readonly name: string;
  private readonly log: number;
  private readonly spare: number[];
  private closed: boolean;

  constructor(storage: DeviceStorage, name: string, log: number) {
    this.blockBytes = storage.layout.blockBytes;
    this.segmentBytes = storage.layout.segmentBytes;
    this.storage = storage;
    this.name = name;
    this.log = log;
    this.spare = [];
    this.closed = false;
  }

  segments(): readonly number[] {
    return this.storage.directory.segmentsOf(this.log);
  }

  makeBuffer(lengthBytes: number): StoreBuffer {
    return this.storage.transfers.makeBuffer(lengthBytes);
  }

  takes(slice: Slice, before: number): boolean {
    return this.storage.transfers.takes(slice, before);
  }

  submit(request: StoreRequest): void {
    const { storage } = this;
    const { kind, segment } = request;
    if (kind === STORE_ALLOCATE) this.allocate(request);
    else if (kind === STORE_SYNC) storage.transfers.sync(request);
    else if (storage.directory.owners[segment] !== this.log) storage.endLater(request, EIO);
    else storage.transfers.start(request, segmentOffset(storage.layout, segment) + request.offsetBytes);
  }

  private allocate(request: StoreRequest): void {
    const { storage } = this;
    const recycled = this.spare.pop();
    if (recycled !== undefined) {
      request.segment = recycled;
      storage.endLater(request, 0);
      return;
    }
    const segment = storage.takeSegment();
    if (segment < 0) {
      request.segment = -1;
      storage.endLater(request, ENOSPC);
      return;
    }
    request.busy = true;
    request.errno = 0;
    new Allocation(this, storage, request, segment);
  }

  /** @internal */
  erased(segment: number, waiter: ChangeWaiter): void {
    this.storage.grantSegment(segment, this.log, waiter);
  }

  /** @internal */
  allocated(request: StoreRequest, segment: number, errno: number): void {
    // The directory on the device may say that it is this log's: it holds nothing of it, and is found to be free.
    if (errno !== 0) this.storage.returnSegment(segment);
    request.segment = errno === 0 ? segment : -1;
    request.errno = errno;
    request.busy = false;
    request.client.storeDone(request);
  }

  free(segment: number): void {
    if (this.spare.length < SPARE_SEGMENTS) this.spare.push(segment);
    else this.storage.giveUp(segment);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.storage.storeClosed(this.name);
  }
}

/** Tells the device that a segment's blocks are not needed; only then may somebody else have it. */
export class Discard implements NvmeClient {
  private readonly storage: DeviceStorage;
  private readonly segment: number;

  constructor(storage: DeviceStorage, segment: number) {
    this.storage = storage;
    this.segment = segment;
    const { layout, transfers } = storage;
    const { blockBytes, id } = transfers.namespace;
    const request = new NvmeRequest(this);
    request.command(
      NVM_DATASET_MANAGEMENT,
      id,
      segmentOffset(layout, segment) / blockBytes,
      layout.segmentBytes / blockBytes,
    );
    transfers.controller.submit(request);
  }

  /** It was advice: a device that would not hear it does no harm. */
  nvmeDone(): void {
    this.storage.returnSegment(this.segment);
  }
}
