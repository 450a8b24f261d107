// Receiving on one stream: when the kernel is asked, how much it is offered, and which pop gets what came. Where the bytes
// land: receiver.ts.

import { EINTR } from '@demikernel/native/kernel';
import { EAGAIN, ENOBUFS } from '../../runtime/errno.ts';
import { type Operation, OperationList, type OperationTable } from '../../runtime/operation.ts';
import { MAX_WAITING } from '../../sockets/kernel-queue.ts';
import { RECEIVE_LIMIT_BYTES } from './receiver.ts';
import { RECEIVE_CALLS, RECEIVE_EMPTY, RECEIVED_BYTES, type SocketHost } from './socket-host.ts';
import type { StreamQueue } from './stream-queue.ts';

export class StreamReceiver {
  readonly pops: OperationList;
  /** Epoll's edge: something may have arrived. */
  readable: boolean;
  /** The peer has ended, or the connection has: a short read is no sign of an empty socket any more. */
  ending: boolean;
  private readonly host: SocketHost;
  private readonly queue: StreamQueue;
  private readonly operations: OperationTable;
  /** The end of the stream has been read. */
  private ended: boolean;
  /** What the next pop offers: grows while reads fill it, so that small messages take one slot. */
  private windowBytes: number;

  constructor(host: SocketHost, queue: StreamQueue) {
    this.pops = new OperationList();
    this.readable = false;
    this.ending = false;
    this.host = host;
    this.queue = queue;
    this.operations = host.runtime.operations;
    this.ended = false;
    this.windowBytes = host.pool.slotSizeBytes;
  }

  pop(operation: Operation): void {
    if (this.readable && this.pops.head === undefined && this.receive(operation)) return;
    if (this.pops.count === MAX_WAITING) this.operations.complete(operation, EAGAIN);
    else this.pops.push(operation);
  }

  servePops(): void {
    while (this.readable && this.pops.head !== undefined) if (!this.receive(this.pops.head)) return;
  }

  /** Nothing more will come than what has arrived: pops read up to the end, whatever epoll says. */
  readToEnd(): void {
    this.ending = true;
    this.readable = true;
  }

  /** Tries to finish a pop, on the list or not. False: nothing has arrived. */
  receive(operation: Operation): boolean {
    const { host } = this;
    const { receiver, counters } = host;
    const wanted = operation.sizeBytes;
    const limit = wanted === 0 ? this.windowBytes : Math.min(wanted, RECEIVE_LIMIT_BYTES);
    counters[RECEIVE_CALLS] = counters[RECEIVE_CALLS]! + 1;
    const length = this.ended ? 0 : receiver.receive(this.queue.fd, limit);
    if (length <= 0) return this.receiveNothing(operation, length);
    counters[RECEIVED_BYTES] = counters[RECEIVED_BYTES]! + length;
    if (length < receiver.offeredBytes) {
      // An edge-triggered stream that brought less than was offered is empty, epoll(7); once it ends, ask to the end.
      if (!this.ending) this.readable = false;
      if (wanted === 0 && length << 2 < this.windowBytes) this.shrinkWindow();
    } else if (wanted === 0 && this.windowBytes < RECEIVE_LIMIT_BYTES) {
      this.windowBytes = Math.min(this.windowBytes << 2, RECEIVE_LIMIT_BYTES);
    }
    if (operation.list !== undefined) this.pops.remove(operation);
    operation.array = receiver.take(length);
    this.operations.complete(operation, 0);
    return true;
  }

  private shrinkWindow(): void {
    if (this.windowBytes > this.host.pool.slotSizeBytes) this.windowBytes >>= 1;
  }

  private receiveNothing(operation: Operation, result: number): boolean {
    const { host, queue } = this;
    host.add(RECEIVE_EMPTY, 1);
    if (result === -EAGAIN) {
      this.readable = false;
      return false;
    }
    if (result === -ENOBUFS || result === -EINTR) {
      host.starve(queue);
      return false;
    }
    if (result === 0) this.ended = true;
    else queue.fail(-result);
    if (operation.list !== undefined) this.pops.remove(operation);
    if (queue.failure === 0) operation.array = host.pool.array();
    this.operations.complete(operation, queue.failure);
    return true;
  }
}
