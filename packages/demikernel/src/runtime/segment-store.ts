// The seam between logs and what they lie on: fixed-size segments of aligned blocks, read and durably written by
// requests that complete later. Files, memory that lies and devices stand behind it; what a log writes does not.

import type { Region, Slice } from '@demikernel/memory';
import type { GatherList } from './gather-list.ts';

/** Kinds of requests. */
export const STORE_READ = 1;
export const STORE_WRITE = 2;
/** Asks for a segment; its number comes back in `segment`. ENOSPC when there is none. */
export const STORE_ALLOCATE = 3;
/** Everything written so far to a segment is durable, whoever wrote it. */
export const STORE_SYNC = 4;

/** Memory that a store reads into and writes from: aligned as it wants, seen in three ways. */
export interface StoreBuffer {
  readonly lengthBytes: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;
  /** Native address; 0 for memory of the JavaScript heap. */
  readonly address: number;
  /** Gives the memory back; no request may be under way in it. */
  release(): void;
}

/** Who is told that a request is over. */
export interface StoreClient {
  storeDone(request: StoreRequest): void;
}

/** One request. Its client keeps it and uses it again; a store holds it from `submit` until `storeDone`. */
export class StoreRequest {
  readonly client: StoreClient;
  kind: number;
  segment: number;
  /** Where in the segment, and how much: whole blocks. */
  offsetBytes: number;
  lengthBytes: number;
  buffer: StoreBuffer | undefined;
  /** Where in the buffer: whole blocks. */
  bufferOffset: number;
  /** Of a write whose bytes do not all lie in the buffer: where they do. Only what the store `takes`. */
  pieces: GatherList | undefined;
  /** 0, or why it failed. A write that failed may have happened, wholly or partly. */
  errno: number;
  /** True from `submit` to `storeDone`. */
  busy: boolean;
  /** For the store: bytes moved so far, and a place in its tables. */
  doneBytes: number;
  mark: number;

  constructor(client: StoreClient) {
    this.client = client;
    this.kind = 0;
    this.segment = -1;
    this.offsetBytes = 0;
    this.lengthBytes = 0;
    this.buffer = undefined;
    this.bufferOffset = 0;
    this.pieces = undefined;
    this.errno = 0;
    this.busy = false;
    this.doneBytes = 0;
    this.mark = 0;
  }

  /** Describes a transfer; the store learns of it by `submit`. */
  transfer(
    kind: number,
    segment: number,
    offsetBytes: number,
    lengthBytes: number,
    buffer: StoreBuffer,
    bufferOffset = 0,
  ): this {
    this.kind = kind;
    this.segment = segment;
    this.offsetBytes = offsetBytes;
    this.lengthBytes = lengthBytes;
    this.buffer = buffer;
    this.bufferOffset = bufferOffset;
    this.pieces = undefined;
    return this;
  }

  /** Describes a request without data. */
  ask(kind: number, segment = -1): this {
    this.kind = kind;
    this.segment = segment;
    this.buffer = undefined;
    return this;
  }
}

/**
 * The segments of one log.
 *
 * A write has happened, durably, when its request is over without an errno; before, and with one, any part of it may
 * have. Segments that come from `STORE_ALLOCATE` are preallocated; what they hold is zeros or a log's earlier life.
 */
export interface SegmentStore {
  /** Smallest unit of a transfer and its alignment: 512 or 4096. */
  readonly blockBytes: number;
  readonly segmentBytes: number;
  /** Segments that may hold something, in no order. */
  segments(): readonly number[];
  makeBuffer(lengthBytes: number): StoreBuffer;
  /**
   * Whether a write should take these bytes where they lie, to stand behind `before` others; absent: bytes are copied into
   * buffers.
   */
  takes?(slice: Slice, before: number): boolean;
  /** Starts a request; it ends in a later `poll` of the storage, never in here. */
  submit(request: StoreRequest): void;
  /** The segment is not needed any more: deleted, or handed out again. */
  free(segment: number): void;
  /** No request is under way. Gives descriptors and locks back. */
  close(): void;
}

/** Names that logs may have: none leads up, or into hidden files. */
export const LOG_NAME: RegExp = /^[A-Za-z0-9][\w.-]{0,199}$/;

/** What `openStore` does when the log is, or is not, there. */
export type OpenMode = 'existing' | 'new' | 'either';

/** Storage: stores by name, driven by the poll loop as a library OS is. */
export interface Storage {
  readonly name: string;
  /** The segments of a log, or an errno: ENOENT, EEXIST, EBUSY when another process has it, EINVAL for a bad name. */
  openStore(name: string, mode: OpenMode): SegmentStore | number;
  /**
   * Shows a region to the device, so that its stores can take slices of it; as long as the storage is open. Returns whether they
   * will: where not, bytes are copied.
   */
  register?(region: Region): boolean;
  /** Ends requests that are over, calling their clients. Returns how many. */
  poll(): number;
  /** Hands over what was submitted. */
  flush(): number;
  readonly descriptors: readonly number[];
  untilNextUs(): number;
  /** Sleeps until a request may have ended; absent where every poll ends some. */
  wait?(timeoutUs: number): void;
  /** Every store is closed. */
  close(): void;
}
