// Catcollar's storage: one directory per log, a file per segment, read and durably written through a ring. What is in the
// files is the log's (log/); one log's files are in file-store.ts.

import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DemiError } from '@demikernel/memory';
import {
  closeDescriptor,
  errno,
  IORING_FSYNC_DATASYNC,
  IORING_OP_FSYNC,
  IORING_OP_READ,
  IORING_OP_WRITE,
  IOSQE_IO_LINK,
  libc,
  type MemoryMap,
  mapAnonymous,
  readDescriptor,
  SQE_FLAGS_SHIFT,
  SQE_HEAD,
  SQE_LENGTH,
  SQE_OPERATION_FLAGS,
  syscall,
} from '@demikernel/native/kernel';
import { EBADMSG, EBUSY, ECANCELED, EEXIST, EINVAL, EIO } from '../../runtime/errno.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import {
  LOG_NAME,
  type OpenMode,
  type SegmentStore,
  STORE_READ,
  STORE_SYNC,
  type Storage,
  type StoreBuffer,
  type StoreRequest,
} from '../../runtime/segment-store.ts';
import { type CompletionOwner, Ring } from '../../uring/ring.ts';
import { FileStore, SEGMENT_FILE } from './file-store.ts';

export interface FileStorageOptions {
  /** Where the logs' directories are; made when it is missing. */
  directory: string;
  /** Size of the segments of new logs, a multiple of 4096 from 64 KiB to 1 GiB; default 16 MiB. Logs keep theirs. */
  segmentBytes?: number;
  /** Past the page cache (O_DIRECT), where the file system can. Default true. */
  direct?: boolean;
}

// include/uapi/asm-generic/fcntl.h, x86-64
const O_RDONLY = 0;
const O_RDWR = 2;
const O_DIRECT = 0o40000;
const O_DIRECTORY = 0o200000;
const O_CLOEXEC = 0o2000000;
// arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/fcntl.h
const SYS_FLOCK = 73;
const LOCK_EX_NB = 2 | 4;

/** Bit of a tag: the request's last entry. */
const LAST = 1;

/** Block sizes that direct transfers may ask for, smallest first. */
const SMALL_BLOCK = 512;
const LARGE_BLOCK = 4096;

/** Native memory that goes back to a list. */
class FileBuffer implements StoreBuffer {
  readonly lengthBytes: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;
  readonly address: number;
  readonly map: MemoryMap;
  private readonly idle: FileBuffer[];

  constructor(lengthBytes: number, idle: FileBuffer[]) {
    this.map = mapAnonymous({ lengthBytes });
    this.lengthBytes = lengthBytes;
    this.bytes = this.map.bytes(0, lengthBytes);
    this.words = this.map.signedWords(0, lengthBytes >> 2);
    this.view = this.map.view(0, lengthBytes);
    this.address = this.map.addressNumber;
    this.idle = idle;
  }

  release(): void {
    this.idle.push(this);
  }
}

/** Logs as directories of files, on a ring of their own. */
export class FileStorage implements Storage, CompletionOwner {
  readonly name = 'catcollar';
  readonly descriptors: readonly number[];
  readonly segmentBytes: number;
  readonly ring: Ring;
  private readonly directory: string;
  private readonly direct: boolean;
  /** This storage's number with the ring. */
  private readonly me: number;
  /** What is under way; the tag of an entry is twice the place, and LAST in a request's last entry. */
  private readonly requests: (StoreRequest | undefined)[];
  private readonly freePlaces: number[];
  /** Requests that ended without the ring. */
  private ended: StoreRequest[];
  private readonly idleBuffers: Map<number, FileBuffer[]>;
  private readonly stores: Map<string, FileStore>;
  private smallestBlock: number;

  /** @throws ERR_DEMI_OPTION, ERR_DEMI_IO_URING_DISABLED, ERR_DEMI_SYSCALL; what mkdir(2) says */
  constructor(runtime: Runtime, options: FileStorageOptions) {
    const { directory, segmentBytes = 16 << 20, direct = true } = options;
    if (!fitting(segmentBytes)) {
      throw new DemiError(
        'ERR_DEMI_OPTION',
        `segmentBytes is a multiple of 4096 from 65536 to ${1 << 30}, not ${segmentBytes}`,
      );
    }
    mkdirSync(directory, { recursive: true });
    this.ring = new Ring(runtime, { entries: 64, completionEntries: 256 });
    this.descriptors = [this.ring.descriptor];
    this.segmentBytes = segmentBytes;
    this.directory = directory;
    this.direct = direct;
    this.me = this.ring.attach(this);
    this.requests = [];
    this.freePlaces = [];
    this.ended = [];
    this.idleBuffers = new Map();
    this.stores = new Map();
    this.smallestBlock = 0;
  }

  // ---- stores ----

  openStore(name: string, mode: OpenMode): SegmentStore | number {
    if (!LOG_NAME.test(name)) return EINVAL;
    const path = join(this.directory, name);
    try {
      if (mode !== 'existing') this.makeDirectory(path);
    } catch (error) {
      const { code, errno: failed } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST') return failed === undefined ? EIO : -failed;
      if (mode === 'new') return EEXIST;
    }
    const directoryFd = libc().open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (directoryFd < 0) return errno();
    // Two writers would be the end of both their records. The lock goes with the process.
    if (syscall(SYS_FLOCK, directoryFd, LOCK_EX_NB) < 0) {
      closeDescriptor(directoryFd);
      return EBUSY;
    }
    try {
      return this.openFiles(name, path, directoryFd);
    } catch (error) {
      closeDescriptor(directoryFd);
      const { errno: failed } = error as NodeJS.ErrnoException;
      return failed === undefined ? EIO : Math.abs(failed);
    }
  }

  /** A directory that is still there when the power goes. @throws what mkdir(2) says */
  private makeDirectory(path: string): void {
    mkdirSync(path, { mode: 0o700 });
    const parent = openSync(this.directory, 'r');
    try {
      fsyncSync(parent);
    } finally {
      closeSync(parent);
    }
  }

  private openFiles(name: string, path: string, directoryFd: number): FileStore {
    const files = readdirSync(path).sort();
    const numbers: number[] = [];
    let { segmentBytes } = this;
    for (const file of files) {
      const number = SEGMENT_FILE.exec(file)?.[1];
      // What was being made when the power went.
      if (file.endsWith('.new')) rmSync(join(path, file));
      else if (number !== undefined) numbers.push(Number(number));
    }
    for (const number of numbers) {
      const { size } = statSync(join(path, FileStore.fileName(number)));
      // All are as long as the first, and no log was made with another length.
      if (!fitting(size) || (number !== numbers[0] && size !== segmentBytes)) {
        throw Object.assign(new Error('a segment has been cut'), { errno: EBADMSG });
      }
      segmentBytes = size;
    }
    const blockBytes = this.findBlockBytes(path);
    const store = new FileStore(this, { path, directoryFd, blockBytes, segmentBytes, numbers });
    this.stores.set(name, store);
    store.onClose = () => this.stores.delete(name);
    return store;
  }

  /** A descriptor for reading and writing, past the page cache where that can be; or a negative errno. */
  openFile(path: string): number {
    if (this.direct) {
      const fd = libc().open(path, O_RDWR | O_DIRECT | O_CLOEXEC, 0);
      if (fd >= 0) return fd;
      if (errno() !== EINVAL) return -errno();
    }
    const fd = libc().open(path, O_RDWR | O_CLOEXEC, 0);
    return fd >= 0 ? fd : -errno();
  }

  /** The smallest transfer that the file system takes past its cache. */
  private findBlockBytes(path: string): number {
    if (this.smallestBlock !== 0) return this.smallestBlock;
    const probe = join(path, 'probe.new');
    writeFileSync(probe, new Uint8Array(LARGE_BLOCK));
    const fd = this.openFile(probe);
    const buffer = this.makeBuffer(LARGE_BLOCK);
    const read = fd < 0 ? -1 : readDescriptor(fd, buffer.address, SMALL_BLOCK);
    this.smallestBlock = read === SMALL_BLOCK ? SMALL_BLOCK : LARGE_BLOCK;
    buffer.release();
    if (fd >= 0) closeDescriptor(fd);
    rmSync(probe);
    return this.smallestBlock;
  }

  /** Aligned memory; released ones are used again. */
  makeBuffer(lengthBytes: number): StoreBuffer {
    let idle = this.idleBuffers.get(lengthBytes);
    if (idle === undefined) this.idleBuffers.set(lengthBytes, (idle = []));
    return idle.pop() ?? new FileBuffer(lengthBytes, idle);
  }

  // ---- requests ----

  /**
   * Submits a transfer or a sync on a descriptor; `doneBytes` of it have been done.
   *
   * A durable write is two linked entries, the write and fdatasync(2). One write with RWF_DSYNC does the same by a kernel
   * thread bound to the processor that the device interrupts: where that one is busy, spinning perhaps, the write waits
   * for the scheduler's next tick, 4 ms for 80 µs.
   */
  start(request: StoreRequest, fd: number): void {
    const { ring } = this;
    const { kind } = request;
    request.busy = true;
    request.errno = 0;
    const place = this.freePlaces.pop() ?? this.requests.length;
    this.requests[place] = request;
    if (kind !== STORE_SYNC) this.prepareTransfer(request, fd, place << 1);
    if (kind === STORE_READ) return;
    const at = ring.prepare(IORING_OP_FSYNC, fd, this.me, (place << 1) | LAST);
    ring.words[at + SQE_OPERATION_FLAGS] = IORING_FSYNC_DATASYNC;
  }

  private prepareTransfer(request: StoreRequest, fd: number, tag: number): void {
    const { ring } = this;
    const { doneBytes, kind } = request;
    const read = kind === STORE_READ;
    if (!read) ring.makeRoom(2);
    const at = ring.prepare(read ? IORING_OP_READ : IORING_OP_WRITE, fd, this.me, read ? tag | LAST : tag);
    ring.setAddress(at, request.buffer!.address, request.bufferOffset + doneBytes);
    ring.setOffset(at, request.offsetBytes + doneBytes);
    ring.words[at + SQE_LENGTH] = request.lengthBytes - doneBytes;
    if (!read) ring.words[at + SQE_HEAD] = ring.words[at + SQE_HEAD]! | (IOSQE_IO_LINK << SQE_FLAGS_SHIFT);
  }

  /** Ends a request that needed no ring; its client hears of it in the next poll. */
  endLater(request: StoreRequest, errno: number): void {
    request.busy = true;
    request.errno = errno;
    this.ended.push(request);
  }

  /** @internal */
  completed(tag: number, result: number): void {
    const place = tag >> 1;
    const request = this.requests[place]!;
    const transferred = (tag & LAST) === 0 || request.kind === STORE_READ;
    if (transferred && result > 0) request.doneBytes += result;
    // Nothing moved: the file ends, somebody has cut it.
    if (transferred && result === 0) request.errno = EIO;
    else if (result < 0 && request.errno === 0 && (transferred || result !== -ECANCELED))
      request.errno = -result;
    if ((tag & LAST) === 0) return;
    this.requests[place] = undefined;
    this.freePlaces.push(place);
    // A transfer may stop short; that breaks the link to the sync, and both are asked for again.
    if (request.errno === 0 && request.kind !== STORE_SYNC && request.doneBytes < request.lengthBytes) {
      this.start(request, request.mark);
      return;
    }
    request.busy = false;
    request.client.storeDone(request);
  }

  poll(): number {
    let work = this.ring.poll();
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
    return this.ring.flush();
  }

  untilNextUs(): number {
    return this.ended.length === 0 && this.ring.sleepable() ? Number.POSITIVE_INFINITY : 0;
  }

  wait(timeoutUs: number): void {
    if (this.ended.length === 0) this.ring.sleep(timeoutUs);
  }

  close(): void {
    for (const store of this.stores.values()) store.close();
    this.ring.detach(this.me);
    if (this.ring.close() > 0) return; // the kernel still holds memory: it stays
    for (const idle of this.idleBuffers.values()) for (const buffer of idle) buffer.map.release();
    this.idleBuffers.clear();
  }
}

function fitting(segmentBytes: number): boolean {
  return segmentBytes % LARGE_BLOCK === 0 && segmentBytes >= 64 << 10 && segmentBytes <= 1 << 30;
}
