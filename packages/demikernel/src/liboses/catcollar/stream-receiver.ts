// Receiving on one stream: a standing request fills slots, pops take them.

import {
  ECANCELED,
  EINTR,
  ENOBUFS,
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F_BUFFER,
  IORING_CQE_F_MORE,
  IORING_OP_RECV,
  IORING_RECV_MULTISHOT,
  IOSQE_BUFFER_SELECT,
  SQE_BUFFER,
  SQE_FLAGS_SHIFT,
  SQE_HEAD,
  SQE_IOPRIO_SHIFT,
} from '@demikernel/native/kernel';
import { EAGAIN } from '../../runtime/errno.ts';
import { type Operation, OperationList, type OperationTable } from '../../runtime/operation.ts';
import { MAX_WAITING } from '../../sockets/kernel-queue.ts';
import { PAUSED, RECEIVED_BYTES, RECEIVES, type RingHost, type Starved } from './ring-host.ts';
import type { StreamQueue } from './stream-queue.ts';
import { RECEIVE } from './tags.ts';
import { Unread } from './unread.ts';

const RECEIVE_HEAD: number =
  IORING_OP_RECV | (IOSQE_BUFFER_SELECT << SQE_FLAGS_SHIFT) | (IORING_RECV_MULTISHOT << SQE_IOPRIO_SHIFT);

export class StreamReceiver implements Starved {
  readonly pops: OperationList;
  /** The receive is with the kernel. */
  standing: boolean;
  private readonly host: RingHost;
  private readonly queue: StreamQueue;
  private readonly operations: OperationTable;
  private readonly unread: Unread;
  /** The receive has been asked to come back. */
  private pausing: boolean;
  private starving: boolean;
  /** The end of the stream has arrived. */
  private ended: boolean;
  private closed: boolean;

  constructor(host: RingHost, queue: StreamQueue) {
    this.pops = new OperationList();
    this.standing = false;
    this.host = host;
    this.queue = queue;
    this.operations = host.runtime.operations;
    this.unread = new Unread(host.pool);
    this.pausing = false;
    this.starving = false;
    this.ended = false;
    this.closed = false;
  }

  pop(operation: Operation): void {
    if (this.pops.head === undefined && this.serve(operation)) return;
    if (this.pops.count === MAX_WAITING) this.operations.complete(operation, EAGAIN);
    else {
      this.pops.push(operation);
      this.ask();
    }
  }

  /** Sees to it that a receive is with the kernel. */
  ask(): void {
    if (this.standing || this.ended || this.starving || this.queue.failure !== 0) return;
    const { ring, streams } = this.host;
    const at = ring.prepare(IORING_OP_RECV, this.queue.fd, this.queue.id, RECEIVE);
    ring.words[at + SQE_HEAD] = RECEIVE_HEAD;
    ring.words[at + SQE_BUFFER] = streams.group;
    this.standing = true;
  }

  received(result: number, flags: number): void {
    if ((flags & IORING_CQE_F_BUFFER) !== 0) this.land(flags >>> IORING_CQE_BUFFER_SHIFT, result);
    if ((flags & IORING_CQE_F_MORE) !== 0) return;
    this.standing = false;
    this.pausing = false;
    if (this.closed) return;
    if (result === 0) this.ended = true;
    else if (result === -ENOBUFS) {
      this.starving = true;
      this.host.starve(this);
    } else if (result < 0 && result !== -ECANCELED && result !== -EINTR) this.queue.fail(-result);
    this.servePops();
    if (this.pops.head !== undefined) this.ask();
  }

  private land(number: number, lengthBytes: number): void {
    const { host } = this;
    const { pool, counters } = host;
    const slot = host.streams.take(number);
    if (lengthBytes <= 0 || this.closed) {
      pool.release(slot);
      return;
    }
    counters[RECEIVES] = counters[RECEIVES]! + 1;
    counters[RECEIVED_BYTES] = counters[RECEIVED_BYTES]! + lengthBytes;
    const operation = this.pops.head;
    if (operation !== undefined && (operation.sizeBytes === 0 || operation.sizeBytes >= lengthBytes)) {
      // The way of an echo: somebody waits, and nothing lies before these bytes.
      const array = pool.array();
      array.append(pool.slice(slot, slot << pool.slotShift, lengthBytes));
      operation.array = array;
      this.pops.remove(operation);
      this.operations.complete(operation, 0);
      return;
    }
    this.unread.append(slot, lengthBytes);
    if (operation !== undefined) this.servePops();
    if (this.standing && !this.pausing && this.unread.slots >= host.unreadLimit) this.pause();
  }

  private pause(): void {
    this.pausing = true;
    this.host.ring.cancel(this.queue.id, RECEIVE);
    this.host.add(PAUSED, 1);
  }

  servePops(): void {
    for (let operation = this.pops.head; operation !== undefined; operation = this.pops.head) {
      if (!this.serve(operation)) return;
    }
  }

  /** Finishes a pop, on the list or not, with what has arrived. False: nothing has. */
  private serve(operation: Operation): boolean {
    const { unread } = this;
    if (unread.lengthBytes > 0) {
      operation.array = unread.take(operation.sizeBytes);
      if (unread.lengthBytes === 0) this.ask();
    } else if (this.ended) operation.array = this.host.pool.array();
    else if (this.queue.failure === 0) return false;
    if (operation.list !== undefined) this.pops.remove(operation);
    this.operations.complete(operation, operation.array === undefined ? this.queue.failure : 0);
    return true;
  }

  /** There are slots again. */
  retry(): void {
    this.starving = false;
    if (!this.closed && this.unread.lengthBytes === 0) this.ask();
  }

  get unreadBytes(): number {
    return this.unread.lengthBytes;
  }

  /** Calls the receive back and gives up what it brought. The operations are the queue's to end. */
  close(): void {
    this.closed = true;
    if (this.standing && !this.pausing) this.host.ring.cancel(this.queue.id, RECEIVE);
    this.unread.clear();
  }
}
