// Cattree: logs on a namespace of an NVMe controller that this process drives itself. One log's segments are in
// device-store.ts; how the device is taken and given back in open-cattree.ts.

import type { Region } from '@demikernel/memory';
import { NVME_FAILED, NVME_STOPPED, type NvmeController } from '../../nvme/controller.ts';
import type { Clock } from '../../runtime/clock.ts';
import { EBUSY, EEXIST, EINVAL, EIO, ENOENT, ENOSPC } from '../../runtime/errno.ts';
import {
  LOG_NAME,
  type OpenMode,
  type SegmentStore,
  type Storage,
  type StoreRequest,
} from '../../runtime/segment-store.ts';
import { DeviceStore, Discard } from './device-store.ts';
import type { Directory, TreeLayout } from './directory.ts';
import { type ChangeWaiter, DirectoryWriter } from './directory-writer.ts';
import type { Transfers } from './transfers.ts';

/** Owner of a segment that is being erased for a log, or given up by one: nobody has it, and nobody may. */
const IN_BETWEEN = 0xffff;
/** Closing waits so long for the device. */
const CLOSE_TIMEOUT_US = 20_000_000;

export interface DeviceStorageParts {
  clock: Clock;
  transfers: Transfers;
  directory: Directory;
  /** The copy of the directory that is written next. */
  copy: number;
  /** Gives the device back; it has been stopped. */
  release: () => void;
}

export class DeviceStorage implements Storage {
  readonly name = 'cattree';
  /** Nothing to sleep on: answers are looked for. While some are outstanding, `untilNextUs` is 0. */
  readonly descriptors: readonly number[] = [];
  readonly transfers: Transfers;
  readonly directory: Directory;
  readonly writer: DirectoryWriter;
  private readonly controller: NvmeController;
  private readonly clock: Clock;
  private readonly release: () => void;
  private readonly openNames: Set<string>;
  private ended: StoreRequest[];
  private closed: boolean;

  constructor(parts: DeviceStorageParts) {
    this.transfers = parts.transfers;
    this.directory = parts.directory;
    this.writer = new DirectoryWriter(parts.directory, parts.transfers, parts.copy);
    this.controller = parts.transfers.controller;
    this.clock = parts.clock;
    this.release = parts.release;
    this.openNames = new Set();
    this.ended = [];
    this.closed = false;
    // What was being erased or given up when the power went.
    const { owners } = this.directory;
    for (let i = 0; i < owners.length; i++) if (owners[i] === IN_BETWEEN) owners[i] = 0;
  }

  get layout(): TreeLayout {
    return this.directory.layout;
  }

  openStore(name: string, mode: OpenMode): SegmentStore | number {
    if (!LOG_NAME.test(name)) return EINVAL;
    if (this.openNames.has(name)) return EBUSY;
    if (this.controller.state === NVME_FAILED) return EIO;
    let log = this.directory.logs.get(name) ?? 0;
    if (log !== 0 && mode === 'new') return EEXIST;
    if (log === 0) {
      if (mode === 'existing') return ENOENT;
      log = this.directory.addLog(name);
      if (log === 0) return ENOSPC;
      this.writer.change();
    }
    this.openNames.add(name);
    return new DeviceStore(this, name, log);
  }

  register(region: Region): boolean {
    return this.transfers.register(region);
  }

  /** @internal */
  storeClosed(name: string): void {
    this.openNames.delete(name);
  }

  // ---- segments ----

  /** @internal A segment that was free and is nobody else's from here on; -1 when there is none. */
  takeSegment(): number {
    const segment = this.directory.owners.indexOf(0);
    if (segment >= 0) this.directory.owners[segment] = IN_BETWEEN;
    return segment;
  }

  /**
   * @internal A taken segment says nothing any more of whose it was: it is this log's when `waiter` hears that. Not before,
   * because the directory may be written at any time, for whatever reason.
   */
  grantSegment(segment: number, log: number, waiter: ChangeWaiter): void {
    this.directory.owners[segment] = log;
    this.writer.change(waiter);
  }

  /** @internal A segment is nobody's any more. */
  giveUp(segment: number): void {
    if (this.controller.identity.hasDatasetManagement) {
      this.directory.owners[segment] = IN_BETWEEN;
      this.writer.change();
      new Discard(this, segment);
    } else this.returnSegment(segment);
  }

  /** @internal */
  returnSegment(segment: number): void {
    this.directory.owners[segment] = 0;
    this.writer.change();
  }

  /** @internal Ends a request that needed no command; its client hears of it in the next poll. */
  endLater(request: StoreRequest, errno: number): void {
    request.busy = true;
    request.errno = errno;
    this.ended.push(request);
  }

  // ---- the loop ----

  poll(): number {
    let work = this.controller.poll();
    if (this.ended.length > 0) {
      const { ended } = this;
      this.ended = [];
      work += ended.length;
      for (const request of ended) {
        request.busy = false;
        request.client.storeDone(request);
      }
    }
    return work;
  }

  flush(): number {
    this.writer.flush();
    return this.controller.flush();
  }

  untilNextUs(): number {
    return this.ended.length > 0 || this.controller.pending > 0 || this.writer.busy
      ? 0
      : Number.POSITIVE_INFINITY;
  }

  /** Looks for answers until there is one or the time is over: only for closing. */
  wait(timeoutUs: number): void {
    this.spin(timeoutUs, () => this.poll() > 0 || this.untilNextUs() > 0);
  }

  private spin(timeoutUs: number, done: () => boolean): boolean {
    const { clock } = this;
    clock.update();
    const endUs = clock.micros[0]! + timeoutUs;
    for (; !done(); clock.update()) {
      this.flush();
      if (clock.micros[0]! > endUs) return false;
    }
    return true;
  }

  /** Waits until what was begun is over, stops the device and gives it back. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    const { controller } = this;
    this.spin(CLOSE_TIMEOUT_US, () => {
      this.poll();
      return controller.state === NVME_FAILED || (controller.pending === 0 && !this.writer.busy);
    });
    controller.stop();
    this.spin(CLOSE_TIMEOUT_US, () => {
      controller.poll();
      return controller.state === NVME_STOPPED || controller.state === NVME_FAILED;
    });
    this.release();
  }
}
