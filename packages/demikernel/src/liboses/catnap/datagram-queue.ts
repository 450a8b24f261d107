// A datagram socket of the kernel as a queue: one message per push and pop, with its address.

import {
  connectSocket,
  EINTR,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  SOCK_DGRAM,
  shutdownSocket,
} from '@demikernel/native/kernel';
import { EAGAIN, ECANCELED, EINVAL, EMSGSIZE, ENOBUFS, EOPNOTSUPP } from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_TO } from '../../runtime/operation.ts';
import type { SocketAddress } from '../../runtime/socket-address.ts';
import { readNative, writeNative } from '../../sockets/address.ts';
import { MAX_WAITING } from '../../sockets/kernel-queue.ts';
import { RECEIVE_LIMIT_BYTES } from './receiver.ts';
import {
  DATAGRAMS_TRUNCATED,
  RECEIVE_CALLS,
  RECEIVE_EMPTY,
  RECEIVED_BYTES,
  SEND_CALLS,
  SENT_BYTES,
  type SocketHost,
} from './socket-host.ts';
import { WatchedQueue } from './watched-queue.ts';

/**
 * A UDP (or UNIX datagram) socket.
 *
 * Errors that ICMP brought (ECONNREFUSED) end the next pop or push, whichever asks the kernel first. A pop with a size
 * cuts a longer datagram off, as recv(2) does.
 */
export class DatagramQueue extends WatchedQueue {
  private readable: boolean;
  private writable: boolean;
  private readonly pops: OperationList;
  private readonly pushes: OperationList;

  constructor(host: SocketHost, fd: number) {
    super(host, SOCK_DGRAM, fd);
    this.readable = false;
    this.writable = true;
    this.pops = new OperationList();
    this.pushes = new OperationList();
  }

  protected override get watchedEvents(): number {
    // UDP reports room whenever a datagram has left: asked for only while a push waits.
    return this.writable ? EPOLLIN : EPOLLIN | EPOLLOUT;
  }

  override bind(address: SocketAddress): number {
    return super.bind(address) || this.watch();
  }

  override listen(): number {
    return EOPNOTSUPP;
  }

  override accept(operation: Operation): void {
    this.operations.complete(operation, EOPNOTSUPP);
  }

  override connect(operation: Operation): void {
    let errno = this.suit(operation.address);
    if (errno === 0) errno = -connectSocket(this.fd, this.host.scratch);
    if (errno === 0) {
      this.remoteName.copyFrom(operation.address);
      // The wildcard gives way to the address of the interface that leads there.
      this.localName.setIpv4(0, 0);
      errno = this.watch();
    }
    this.operations.complete(operation, errno);
  }

  override ready(events: number): void {
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) !== 0) {
      this.readable = true;
      if (this.pops.head !== undefined) this.servePops();
    }
    if (!this.writable && (events & (EPOLLOUT | EPOLLERR)) !== 0) {
      this.writable = true;
      this.servePushes();
      if (this.writable) this.host.rewatch(this, this.watchedEvents);
    }
  }

  override guess(): number {
    const operation = this.pops.head;
    if (operation === undefined) return -1;
    return this.receive(operation) ? 1 : 0;
  }

  override retry(): void {
    this.servePops();
    this.servePushes();
  }

  // ---- receiving ----

  override pop(operation: Operation): void {
    const errno = this.fd < 0 ? EINVAL : this.watch();
    if (errno !== 0) this.operations.complete(operation, errno);
    else if (this.readable && this.pops.head === undefined && this.receive(operation)) return;
    else if (this.pops.count === MAX_WAITING) this.operations.complete(operation, EAGAIN);
    else this.pops.push(operation);
  }

  private servePops(): void {
    while (this.readable && this.pops.head !== undefined) if (!this.receive(this.pops.head)) return;
  }

  /** Tries to finish a pop, on the list or not. False: nothing has arrived. */
  private receive(operation: Operation): boolean {
    const { receiver, counters } = this.host;
    const wanted = operation.sizeBytes;
    const limit = wanted > 0 && wanted < RECEIVE_LIMIT_BYTES ? wanted : RECEIVE_LIMIT_BYTES;
    counters[RECEIVE_CALLS] = counters[RECEIVE_CALLS]! + 1;
    const length = receiver.receiveFrom(this.fd, limit);
    if (length < 0) return this.receiveNothing(operation, length);
    counters[RECEIVED_BYTES] = counters[RECEIVED_BYTES]! + length;
    if (receiver.truncated) this.host.add(DATAGRAMS_TRUNCATED, 1);
    if (operation.list !== undefined) this.pops.remove(operation);
    readNative(operation.address, receiver.source);
    operation.array = receiver.take(length);
    this.operations.complete(operation, 0);
    return true;
  }

  private receiveNothing(operation: Operation, result: number): boolean {
    this.host.add(RECEIVE_EMPTY, 1);
    if (result === -EAGAIN) {
      this.readable = false;
      return false;
    }
    if (result === -ENOBUFS || result === -EINTR) {
      this.host.starve(this);
      return false;
    }
    if (operation.list !== undefined) this.pops.remove(operation);
    this.operations.complete(operation, -result);
    return true;
  }

  // ---- sending ----

  override push(operation: Operation): void {
    const errno = this.fd < 0 ? EINVAL : this.readyToPush(operation);
    if (errno !== 0) this.finishPush(operation, errno);
    else if (this.writable && this.pushes.head === undefined && this.send(operation)) return;
    else if (this.pushes.count === MAX_WAITING) this.finishPush(operation, EAGAIN);
    else this.pushes.push(operation);
  }

  private readyToPush(operation: Operation): number {
    if (operation.sizeBytes > RECEIVE_LIMIT_BYTES) return EMSGSIZE;
    if (this.watched) return 0;
    // The first message of a socket without a name gives it one, and perhaps another family.
    const errno = (operation.flags & PUSH_TO) === 0 ? 0 : this.suit(operation.address);
    return errno !== 0 ? errno : this.watch();
  }

  private servePushes(): void {
    while (this.writable && this.pushes.head !== undefined) if (!this.send(this.pushes.head)) return;
  }

  /** Sends a message, on the list or not. True: the push is over. */
  private send(operation: Operation): boolean {
    const { sender, counters } = this.host;
    let length: number;
    counters[SEND_CALLS] = counters[SEND_CALLS]! + 1;
    if ((operation.flags & PUSH_TO) === 0) length = sender.send(this.fd, operation.array!, 0);
    else if (writeNative(sender.destination, operation.address))
      length = sender.sendTo(this.fd, operation.array!);
    else length = -EINVAL;
    if (length === -EAGAIN) {
      this.writable = false;
      this.host.rewatch(this, this.watchedEvents);
      return false;
    }
    if (length === -EINTR) {
      this.host.starve(this);
      return false;
    }
    if (operation.list !== undefined) this.pushes.remove(operation);
    if (length < 0) {
      this.finishPush(operation, -length);
      return true;
    }
    counters[SENT_BYTES] = counters[SENT_BYTES]! + length;
    operation.doneBytes = length;
    this.finishPush(operation, 0);
    return true;
  }

  // ---- the end ----

  override shutdown(how: number): number {
    if (this.fd < 0) return EINVAL;
    return -shutdownSocket(this.fd, how);
  }

  override cancel(operation: Operation): boolean {
    const { list } = operation;
    if (list === undefined || (list !== this.pops && list !== this.pushes)) return false;
    list.remove(operation);
    this.finishPush(operation, ECANCELED);
    return true;
  }

  override close(): void {
    const { fd } = this;
    if (fd < 0) return;
    this.fd = -1;
    this.host.close(fd);
    this.end(this.pops, ECANCELED);
    this.end(this.pushes, ECANCELED);
  }
}
