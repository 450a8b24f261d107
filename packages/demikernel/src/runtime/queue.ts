// Queues: what a queue descriptor stands for. Every library OS brings its own; the table and the contract are here.

import { DemiError, type ScatterGatherArray } from '@demikernel/memory';
import { EOPNOTSUPP } from './errno.ts';
import type { Operation } from './operation.ts';
import type { SocketAddress } from './socket-address.ts';

export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

/** Socket options, by name. Times in microseconds, sizes in bytes. */
export interface SocketOptions {
  /** Send small segments at once (RFC 896 switched off). */
  noDelay: boolean;
  /** -1: close in the background. 0: reset on close. Otherwise: after this long reset what is not yet sent. */
  lingerUs: number;
  keepAlive: boolean;
  keepAliveIdleUs: number;
  keepAliveIntervalUs: number;
  keepAliveProbes: number;
  /** Give a connection up when data stays unacknowledged this long; 0 for the stack's own limit (RFC 5482). */
  userTimeoutUs: number;
  sendBufferBytes: number;
  receiveBufferBytes: number;
  reuseAddress: boolean;
}

export type SocketOptionName = keyof SocketOptions;

/**
 * A queue. Synchronous calls return an errno (0 on success); calls that take an operation finish it through
 * `OperationTable.complete`, at once or later, exactly once.
 *
 * A queue that does not know a call inherits the refusal below.
 */
export abstract class Queue {
  qd: number;
  /** Whether it takes the application's arrays as they are, of lent memory too: it is asked by `pushDirect` first. */
  direct: boolean;

  constructor() {
    this.qd = -1;
    this.direct = false;
  }

  abstract readonly localAddress: SocketAddress;
  abstract readonly remoteAddress: SocketAddress;
  abstract bind(address: SocketAddress): number;
  abstract listen(backlog: number): number;
  abstract accept(operation: Operation): void;
  /** Peer in `operation.address`. */
  abstract connect(operation: Operation): void;
  /** Payload in `operation.array`, whose references the operation owns; the queue frees it when done with it. */
  abstract push(operation: Operation): void;
  /** Result in `operation.array`; an empty array is the end of the stream. */
  abstract pop(operation: Operation): void;
  abstract shutdown(how: number): number;
  /** Takes a pending operation back, completing it with ECANCELED; false when it is too late. */
  abstract cancel(operation: Operation): boolean;
  /** Ends the queue: every pending operation completes with ECANCELED before this returns. Sending goes on behind. */
  abstract close(): void;
  abstract getOption(name: SocketOptionName): number | boolean | undefined;
  abstract setOption(name: SocketOptionName, value: number | boolean): number;

  /**
   * Sends all of an array that stays the caller's, taking references of its own. Returns the bytes, or -1 when that cannot be
   * done at once: then `push` is called, with an array of lent memory if `direct`.
   */
  pushDirect(_array: ScatterGatherArray, _flags: number): number {
    return -1;
  }

  /** Logs: where the next pop reads. */
  seek(_position: number): number {
    return EOPNOTSUPP;
  }

  /** Logs: drops what lies before `operation.position`. Returns an errno when it does not even start. */
  truncate(_operation: Operation): number {
    return EOPNOTSUPP;
  }
}

/** Descriptors to queues, allocated at the start; a descriptor is reused first in, first out. */
export class QueueTable {
  readonly capacity: number;
  /** Queues open now. */
  liveCount: number;
  private readonly queues: (Queue | undefined)[];
  private readonly freeRing: Int32Array;
  private freeHead: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.liveCount = 0;
    this.queues = new Array<Queue | undefined>(capacity).fill(undefined);
    this.freeRing = Int32Array.from({ length: capacity }, (_, qd) => qd);
    this.freeHead = 0;
  }

  /** Gives the queue a descriptor, or returns -1 when `capacity` queues are open. */
  add(queue: Queue): number {
    if (this.liveCount === this.capacity) return -1;
    const qd = this.freeRing[this.freeHead]!;
    this.freeHead = this.freeHead + 1 === this.capacity ? 0 : this.freeHead + 1;
    this.liveCount++;
    this.queues[qd] = queue;
    queue.qd = qd;
    return qd;
  }

  /** @throws ERR_DEMI_QUEUE when the descriptor is not open. */
  lookup(qd: number): Queue {
    const queue = this.queues[qd];
    if (queue === undefined) throw notOpen(qd);
    return queue;
  }

  /** @throws ERR_DEMI_QUEUE when the descriptor is not open. */
  remove(qd: number): void {
    this.lookup(qd).qd = -1;
    this.queues[qd] = undefined;
    let tail = this.freeHead + this.capacity - this.liveCount;
    if (tail >= this.capacity) tail -= this.capacity;
    this.freeRing[tail] = qd;
    this.liveCount--;
  }

  /** Calls `visit` for every open queue; it may remove them. Not for the packet path. */
  forEach(visit: (queue: Queue) => void): void {
    for (const queue of this.queues) if (queue !== undefined) visit(queue);
  }
}

function notOpen(qd: number): DemiError {
  return new DemiError('ERR_DEMI_QUEUE', `queue descriptor ${qd} is not open`);
}
