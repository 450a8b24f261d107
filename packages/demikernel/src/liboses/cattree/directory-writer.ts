// Makes changes of the directory durable: one write at a time, whatever has changed until then, and who waited is told.
// What is written is directory.ts's.

import { STORE_WRITE, type StoreClient, StoreRequest } from '../../runtime/segment-store.ts';
import { COPY_BYTES, type Directory } from './directory.ts';
import type { DeviceBuffer, Transfers } from './transfers.ts';

/** Who is told how a write that contains its change has ended. */
export interface ChangeWaiter {
  directoryWritten(errno: number): void;
}

export class DirectoryWriter implements StoreClient {
  private readonly directory: Directory;
  private readonly transfers: Transfers;
  private readonly buffer: DeviceBuffer;
  private readonly request: StoreRequest;
  /** Which copy is written next: not the newest that is whole. */
  private copy: number;
  private changed: boolean;
  /** Who waits for the next write, and for the one under way. */
  private waiting: ChangeWaiter[];
  private written: ChangeWaiter[];

  /** @param copy the one that may be lost: 0 or 1 */
  constructor(directory: Directory, transfers: Transfers, copy: number) {
    this.directory = directory;
    this.transfers = transfers;
    this.buffer = transfers.makeBuffer(COPY_BYTES);
    this.request = new StoreRequest(this);
    this.copy = copy;
    this.changed = false;
    this.waiting = [];
    this.written = [];
  }

  /** Something is not durable yet. */
  get busy(): boolean {
    return this.changed || this.request.busy;
  }

  /** The directory has been changed; `waiter` hears when that is durable. */
  change(waiter?: ChangeWaiter): void {
    this.changed = true;
    if (waiter !== undefined) this.waiting.push(waiter);
  }

  /** Begins to write, if there is something to write and nothing under way. */
  flush(): void {
    if (!this.changed || this.request.busy) return;
    const { buffer, directory } = this;
    directory.sequence++;
    const lengthBytes = directory.encode(buffer);
    this.changed = false;
    this.written = this.waiting;
    this.waiting = [];
    this.request.transfer(STORE_WRITE, -1, 0, lengthBytes, buffer);
    this.transfers.start(this.request, this.copy * COPY_BYTES);
  }

  storeDone(request: StoreRequest): void {
    // A copy that failed may be torn: the other one stays the last whole one.
    if (request.errno === 0) this.copy ^= 1;
    const told = this.written;
    this.written = [];
    for (const waiter of told) waiter.directoryWritten(request.errno);
  }

  release(): void {
    this.buffer.release();
  }
}
