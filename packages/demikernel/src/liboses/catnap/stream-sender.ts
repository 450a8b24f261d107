// Sending on one stream: pushes that wait for room or for their acknowledgement, and the end after the last of them. How
// bytes are handed to the kernel: sender.ts.

import { EINTR, EPOLLERR, EPOLLHUP, shutdownSocket, socketError } from '@demikernel/native/kernel';
import { EAGAIN } from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_ACKED } from '../../runtime/operation.ts';
import { SHUT_WR } from '../../runtime/queue.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import { Acknowledgements, FIRST_ASK_US } from '../../sockets/acknowledgements.ts';
import { MAX_WAITING } from '../../sockets/kernel-queue.ts';
import { SEND_CALLS, SEND_PARTIAL, SENT_BYTES, type SocketHost } from './socket-host.ts';
import type { StreamQueue } from './stream-queue.ts';

export class StreamSender implements TimerOwner {
  readonly pushes: OperationList;
  readonly acknowledgements: Acknowledgements;
  /** Epoll's edge: there may be room. */
  writable: boolean;
  /** Nothing may be pushed any more. */
  ended: boolean;
  private readonly host: SocketHost;
  private readonly queue: StreamQueue;
  private readonly timer: Timer;
  private finSent: boolean;

  constructor(host: SocketHost, queue: StreamQueue) {
    this.pushes = new OperationList();
    this.acknowledgements = new Acknowledgements(host.runtime.operations);
    this.writable = false;
    this.ended = false;
    this.host = host;
    this.queue = queue;
    this.timer = new Timer(this, 0);
    this.finSent = false;
  }

  push(operation: Operation): void {
    if (this.writable && this.pushes.head === undefined && this.send(operation)) return;
    if (this.pushes.count === MAX_WAITING) this.queue.finishPush(operation, EAGAIN);
    else this.pushes.push(operation);
  }

  servePushes(): void {
    while (this.writable && this.pushes.head !== undefined) if (!this.send(this.pushes.head)) return;
    if (this.pushes.head === undefined && this.ended) this.sendFin();
  }

  /** Gives the kernel what it takes of a push, on the list or not. True: the push is over. */
  private send(operation: Operation): boolean {
    const { sender, counters } = this.host;
    while (operation.doneBytes < operation.sizeBytes) {
      counters[SEND_CALLS] = counters[SEND_CALLS]! + 1;
      const length = sender.send(this.queue.fd, operation.array!, operation.doneBytes);
      if (length < 0) return this.sendNothing(operation, length);
      operation.doneBytes += length;
      counters[SENT_BYTES] = counters[SENT_BYTES]! + length;
      this.acknowledgements.taken(length);
      if (length < sender.offeredBytes) {
        counters[SEND_PARTIAL] = counters[SEND_PARTIAL]! + 1;
        this.writable = false;
        return false;
      }
    }
    if (operation.list !== undefined) this.pushes.remove(operation);
    if ((operation.flags & PUSH_ACKED) !== 0) this.awaitAcknowledgement(operation);
    else this.queue.finishPush(operation, 0);
    return true;
  }

  private sendNothing(operation: Operation, result: number): boolean {
    const { queue } = this;
    if (result === -EAGAIN) {
      this.writable = false;
      return false;
    }
    if (result === -EINTR) {
      this.host.starve(queue);
      return false;
    }
    if (operation.list !== undefined) this.pushes.remove(operation);
    queue.fail(-result);
    queue.finishPush(operation, queue.failure);
    return true;
  }

  private awaitAcknowledgement(operation: Operation): void {
    operation.array!.free();
    operation.array = undefined;
    this.acknowledgements.add(operation);
    this.host.runtime.timers.arm(this.timer, FIRST_ASK_US);
  }

  /** Something has arrived: acknowledgements may have come with it, or the end of all of them. */
  askAcknowledged(events: number): void {
    const { fd } = this.queue;
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0) {
      const errno = socketError(fd);
      if (errno > 0) {
        this.queue.fail(errno);
        return;
      }
    }
    this.acknowledgements.ask(fd, this.finSent);
  }

  /** Pushes wait for their acknowledgement. */
  onTimer(): void {
    const { acknowledgements } = this;
    acknowledgements.ask(this.queue.fd, this.finSent);
    if (acknowledgements.waiting.head === undefined) return;
    this.host.runtime.timers.arm(this.timer, acknowledgements.askAgainUs);
  }

  /** Ends the stream, after what is pending. */
  shutdown(): void {
    if (this.ended) return;
    this.ended = true;
    if (this.pushes.head === undefined) this.sendFin();
  }

  private sendFin(): void {
    if (this.finSent) return;
    this.finSent = true;
    shutdownSocket(this.queue.fd, SHUT_WR);
  }

  /** Asks for no acknowledgements any more. The operations are the queue's to end. */
  close(): void {
    this.host.runtime.timers.cancel(this.timer);
  }
}
