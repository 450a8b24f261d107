// The files of one log: opened, made in advance, recycled, given back.

import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { closeDescriptor, errno, libc } from '@demikernel/native/kernel';
import { EIO } from '../../runtime/errno.ts';
import {
  type SegmentStore,
  STORE_ALLOCATE,
  STORE_SYNC,
  STORE_WRITE,
  type StoreBuffer,
  type StoreClient,
  StoreRequest,
} from '../../runtime/segment-store.ts';
import type { FileStorage } from './files.ts';

/** Names of segment files. */
export const SEGMENT_FILE: RegExp = /^(\d{8})\.segment$/;
/** Recycled segments kept for the next allocation; more are deleted. */
const SPARE_SEGMENTS = 2;
/** Bytes of zeros written at once. */
const ZEROS_BYTES = 256 << 10;

// include/uapi/asm-generic/fcntl.h
const O_RDWR_CREATE_EXCLUSIVE = 2 | 0o100 | 0o200 | 0o2000000;

export interface FileStoreOptions {
  path: string;
  directoryFd: number;
  blockBytes: number;
  segmentBytes: number;
  numbers: readonly number[];
}

export class FileStore implements SegmentStore, StoreClient {
  readonly blockBytes: number;
  readonly segmentBytes: number;
  onClose: () => void;
  private readonly storage: FileStorage;
  private readonly path: string;
  private directoryFd: number;
  /** Segments to descriptors. */
  private readonly files: Map<number, number>;
  private readonly spare: number[];
  private nextNumber: number;
  /** The making of a segment, its own requests, and whom it is for. */
  private making: Generator<undefined, number, void> | undefined;
  private readonly step: StoreRequest;
  private wanted: StoreRequest | undefined;

  /** @throws what open(2) says, as an error with an errno */
  constructor(storage: FileStorage, options: FileStoreOptions) {
    this.blockBytes = options.blockBytes;
    this.segmentBytes = options.segmentBytes;
    this.onClose = () => {};
    this.storage = storage;
    this.path = options.path;
    this.directoryFd = options.directoryFd;
    this.files = new Map();
    this.spare = [];
    this.nextNumber = 0;
    this.making = undefined;
    this.step = new StoreRequest(this);
    this.wanted = undefined;
    for (const number of options.numbers) {
      const fd = storage.openFile(this.pathOf(number));
      if (fd < 0) {
        for (const open of this.files.values()) closeDescriptor(open);
        throw Object.assign(new Error('a segment cannot be opened'), { errno: fd });
      }
      this.files.set(number, fd);
      this.nextNumber = Math.max(this.nextNumber, number + 1);
    }
  }

  static fileName(number: number): string {
    return `${String(number).padStart(8, '0')}.segment`;
  }

  private pathOf(number: number): string {
    return join(this.path, FileStore.fileName(number));
  }

  segments(): readonly number[] {
    return [...this.files.keys()];
  }

  makeBuffer(lengthBytes: number): StoreBuffer {
    return this.storage.makeBuffer(lengthBytes);
  }

  submit(request: StoreRequest): void {
    request.doneBytes = 0;
    if (request.kind === STORE_ALLOCATE) this.allocate(request);
    else {
      const fd = this.files.get(request.segment);
      if (fd === undefined) this.storage.endLater(request, EIO);
      else {
        request.mark = fd;
        this.storage.start(request, fd);
      }
    }
  }

  // ---- making segments ----

  private allocate(request: StoreRequest): void {
    const recycled = this.spare.pop();
    if (recycled !== undefined) {
      request.segment = recycled;
      this.storage.endLater(request, 0);
      return;
    }
    request.busy = true;
    this.wanted = request;
    this.making = this.make(this.nextNumber++);
    this.goOn();
  }

  storeDone(): void {
    this.goOn();
  }

  private goOn(): void {
    const step = this.making!.next();
    if (step.done !== true) return;
    const request = this.wanted!;
    this.making = undefined;
    this.wanted = undefined;
    request.segment = step.value < 0 ? -1 : this.nextNumber - 1;
    this.storage.endLater(request, step.value < 0 ? -step.value : 0);
  }

  /**
   * A file of zeros that are on the disk: writes into it later change no metadata, so that making them durable takes no
   * journal. It gets its name when it is whole. Returns 0 or a negative errno.
   */
  private *make(number: number): Generator<undefined, number, void> {
    const path = this.pathOf(number);
    const unfinished = `${path}.new`;
    const created = libc().open(unfinished, O_RDWR_CREATE_EXCLUSIVE, 0o600);
    if (created < 0) return -errno();
    closeDescriptor(created);
    const fd = this.storage.openFile(unfinished);
    if (fd < 0) return fd;
    let failed = yield* this.writeZeros(fd);
    if (failed === 0) {
      try {
        renameSync(unfinished, path);
      } catch (error) {
        failed = Math.abs((error as NodeJS.ErrnoException).errno ?? EIO);
      }
    }
    if (failed === 0) failed = yield* this.sync(this.directoryFd);
    if (failed === 0) {
      this.files.set(number, fd);
      return 0;
    }
    closeDescriptor(fd);
    rmSync(unfinished, { force: true });
    rmSync(path, { force: true });
    return -failed;
  }

  private *writeZeros(fd: number): Generator<undefined, number, void> {
    const zeros = this.storage.makeBuffer(ZEROS_BYTES);
    zeros.bytes.fill(0);
    const { step } = this;
    try {
      for (let at = 0; at < this.segmentBytes; at += ZEROS_BYTES) {
        const length = Math.min(ZEROS_BYTES, this.segmentBytes - at);
        step.transfer(STORE_WRITE, -1, at, length, zeros);
        step.doneBytes = 0;
        step.mark = fd;
        this.storage.start(step, fd);
        yield undefined;
        if (step.errno !== 0) return step.errno;
      }
    } finally {
      zeros.release();
    }
    return yield* this.sync(fd);
  }

  private *sync(fd: number): Generator<undefined, number, void> {
    this.storage.start(this.step.ask(STORE_SYNC), fd);
    yield undefined;
    return this.step.errno;
  }

  free(segment: number): void {
    if (this.spare.length < SPARE_SEGMENTS) {
      this.spare.push(segment);
      return;
    }
    const fd = this.files.get(segment);
    if (fd === undefined) return;
    this.files.delete(segment);
    closeDescriptor(fd);
    rmSync(this.pathOf(segment), { force: true });
  }

  close(): void {
    if (this.directoryFd < 0) return;
    for (const fd of this.files.values()) closeDescriptor(fd);
    this.files.clear();
    closeDescriptor(this.directoryFd);
    this.directoryFd = -1;
    this.onClose();
  }
}
