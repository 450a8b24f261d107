// Storage on a disk in memory (memory-disk.ts): what stands between logs and the disk until the power goes.

import { EBUSY, EEXIST, EINVAL, EIO, ENOENT, ENOSPC } from '../../runtime/errno.ts';
import {
  type OpenMode,
  type SegmentStore,
  STORE_ALLOCATE,
  STORE_READ,
  STORE_WRITE,
  type Storage,
  type StoreBuffer,
  type StoreRequest,
} from '../../runtime/segment-store.ts';
import type { MemoryDisk } from './memory-disk.ts';

/** Memory of the JavaScript heap. */
export function heapBuffer(lengthBytes: number): StoreBuffer {
  const buffer = new ArrayBuffer(lengthBytes);
  return {
    lengthBytes,
    bytes: new Uint8Array(buffer),
    words: new Int32Array(buffer),
    view: new DataView(buffer),
    address: 0,
    release: () => {},
  };
}

/** A request on its way: the store it is for, the polls it still takes, and what it writes. */
interface Pending {
  request: StoreRequest;
  store: MemoryStore;
  polls: number;
}

/** One machine's use of a disk, until `crash`. */
export class MemoryStorage implements Storage {
  readonly name = 'memory';
  readonly disk: MemoryDisk;
  readonly descriptors: readonly number[] = [];
  /** Requests that have ended. */
  ended: number;
  private pending: Pending[];
  private crashed: boolean;
  private readonly openNames: Set<string>;

  constructor(disk: MemoryDisk) {
    this.disk = disk;
    this.ended = 0;
    this.pending = [];
    this.crashed = false;
    this.openNames = new Set();
  }

  openStore(name: string, mode: OpenMode): SegmentStore | number {
    if (!/^[\w.-]{1,200}$/.test(name) || name.startsWith('.')) return EINVAL;
    if (this.openNames.has(name)) return EBUSY;
    const { logs } = this.disk;
    if (logs.has(name)) {
      if (mode === 'new') return EEXIST;
    } else if (mode === 'existing') return ENOENT;
    else logs.set(name, new Map());
    this.openNames.add(name);
    return new MemoryStore(this, name);
  }

  submit(store: MemoryStore, request: StoreRequest): void {
    request.busy = true;
    if (this.crashed) return;
    this.pending.push({ request, store, polls: this.disk.random.below(this.disk.latencyPolls) });
  }

  poll(): number {
    const due: Pending[] = [];
    this.pending = this.pending.filter(pending => {
      if (pending.polls-- > 0) return true;
      due.push(pending);
      return false;
    });
    for (const { request, store } of due) {
      request.errno = store.carryOut(request);
      request.busy = false;
      this.ended++;
      request.client.storeDone(request);
      if (this.crashed) break;
    }
    return due.length;
  }

  flush(): number {
    return 0;
  }

  untilNextUs(): number {
    return this.pending.length > 0 ? 0 : Number.POSITIVE_INFINITY;
  }

  /** The power goes: writes under way happen wholly, partly or not, and nothing is heard of any more. */
  crash(): void {
    this.crashed = true;
    for (const { request, store } of this.pending) store.leaveHalfDone(request);
    this.pending = [];
  }

  closed(name: string): void {
    this.openNames.delete(name);
  }

  close(): void {
    this.pending = [];
  }
}

/** The segments of one log. */
class MemoryStore implements SegmentStore {
  readonly blockBytes: number;
  readonly segmentBytes: number;
  private readonly storage: MemoryStorage;
  private readonly name: string;
  private readonly spare: number[];

  constructor(storage: MemoryStorage, name: string) {
    this.blockBytes = storage.disk.blockBytes;
    this.segmentBytes = storage.disk.segmentBytes;
    this.storage = storage;
    this.name = name;
    this.spare = [];
  }

  private get media(): Map<number, Uint8Array> {
    return this.storage.disk.logs.get(this.name)!;
  }

  segments(): readonly number[] {
    return [...this.media.keys()];
  }

  makeBuffer(lengthBytes: number): StoreBuffer {
    return heapBuffer(lengthBytes);
  }

  submit(request: StoreRequest): void {
    this.storage.submit(this, request);
  }

  /** Recycled as it is: what a log wrote in its earlier life is still there. */
  free(segment: number): void {
    this.spare.push(segment);
  }

  close(): void {
    for (const segment of this.spare) this.media.delete(segment);
    this.storage.closed(this.name);
  }

  /** Does what a request asks; its errno. */
  carryOut(request: StoreRequest): number {
    const { disk } = this.storage;
    if (request.kind === STORE_ALLOCATE) {
      const segment = this.spare.pop() ?? disk.addSegment(this.name);
      request.segment = segment;
      return segment < 0 ? ENOSPC : 0;
    }
    if (request.kind === STORE_READ) return this.read(request);
    if (request.kind !== STORE_WRITE) return 0;
    if (disk.chance(disk.faults.writeErrorRate)) {
      this.leaveHalfDone(request);
      return EIO;
    }
    if (disk.chance(disk.faults.lostWriteRate)) {
      disk.faultCount++;
      return 0;
    }
    this.media.get(request.segment)!.set(this.dataOf(request), request.offsetBytes);
    return 0;
  }

  private read(request: StoreRequest): number {
    const { disk } = this.storage;
    if (disk.chance(disk.faults.readErrorRate)) return EIO;
    const { buffer, bufferOffset, lengthBytes, offsetBytes, segment } = request;
    const source = this.media.get(segment)!.subarray(offsetBytes, offsetBytes + lengthBytes);
    buffer!.bytes.set(source, bufferOffset);
    return 0;
  }

  private dataOf({ buffer, bufferOffset, lengthBytes }: StoreRequest): Uint8Array {
    return buffer!.bytes.subarray(bufferOffset, bufferOffset + lengthBytes);
  }

  /** Carries a write out wholly, partly or not. */
  leaveHalfDone(request: StoreRequest): void {
    if (request.kind !== STORE_WRITE) return;
    const bytes = this.media.get(request.segment)!;
    this.storage.disk.writeSomehow(bytes, request.offsetBytes, this.dataOf(request));
  }
}
