// A stream socket of the kernel as a queue: connecting, accepting, bytes both ways, ending.

import {
  acceptSocket,
  bindSocket,
  connectSocket,
  EINTR,
  EMFILE,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  listenSocket,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  setLinger,
  setSocketOption,
  shutdownSocket,
  socketError,
} from '@demikernel/native/kernel';
import {
  EAGAIN,
  EALREADY,
  ECANCELED,
  ECONNABORTED,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  ENOBUFS,
  ENOTCONN,
  EPIPE,
} from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_ACKED, PUSH_TO } from '../../runtime/operation.ts';
import { SHUT_RD, SHUT_RDWR, SHUT_WR, type SocketOptionName } from '../../runtime/queue.ts';
import type { SocketAddress } from '../../runtime/socket-address.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import { Acknowledgements, FIRST_ASK_US } from '../../sockets/acknowledgements.ts';
import { readNative } from '../../sockets/address.ts';
import { MAX_WAITING } from '../../sockets/kernel-queue.ts';
import { WatchedLingeringSocket } from './lingering.ts';
import { RECEIVE_LIMIT_BYTES } from './receiver.ts';
import {
  ACCEPTED,
  CONNECTED as CONNECTED_COUNTER,
  FAILURES,
  RECEIVE_CALLS,
  RECEIVE_EMPTY,
  RECEIVED_BYTES,
  SEND_CALLS,
  SEND_PARTIAL,
  SENT_BYTES,
  type SocketHost,
} from './socket-host.ts';
import { WatchedQueue } from './watched-queue.ts';

const FRESH = 0;
const LISTENING = 1;
const CONNECTING = 2;
const CONNECTED = 3;
const CLOSED = 4;

const SOMETHING_TO_READ = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const NOTHING_MORE_TO_COME = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const ROOM_TO_WRITE = EPOLLOUT | EPOLLHUP | EPOLLERR;

/**
 * A TCP (or UNIX stream) socket.
 *
 * `readable` and `writable` remember epoll's edges: a call is made only while they hold, and a call that brings or takes
 * less than was offered ends them. So an echo costs one recvmsg and one sendmsg, and no call that answers EAGAIN.
 */
export class StreamQueue extends WatchedQueue implements TimerOwner {
  private state: number;
  private readable: boolean;
  private writable: boolean;
  /** The peer has ended, or the connection has: a short read is no sign of an empty socket any more. */
  private ending: boolean;
  /** The end of the stream has been read. */
  private ended: boolean;
  private writeEnded: boolean;
  private finSent: boolean;
  /** Why the connection failed, or 0. */
  private failure: number;
  /** What the next pop offers: grows while reads fill it, so that small messages take one slot. */
  private windowBytes: number;
  private readonly pops: OperationList;
  private readonly pushes: OperationList;
  private readonly accepts: OperationList;
  private connecting: Operation | undefined;
  private readonly acknowledgements: Acknowledgements;
  private readonly timer: Timer;
  private lingerUs: number;

  constructor(host: SocketHost, fd: number, family?: number) {
    super(host, SOCK_STREAM, fd, family);
    this.state = FRESH;
    this.readable = false;
    this.writable = false;
    this.ending = false;
    this.ended = false;
    this.writeEnded = false;
    this.finSent = false;
    this.failure = 0;
    this.windowBytes = host.pool.slotSizeBytes;
    this.pops = new OperationList();
    this.pushes = new OperationList();
    this.accepts = new OperationList();
    this.connecting = undefined;
    this.acknowledgements = new Acknowledgements(this.operations);
    this.timer = new Timer(this, 0);
    this.lingerUs = -1;
  }

  protected override get watchedEvents(): number {
    // TCP reports room only after a send has found none, so that asking for it always costs nothing.
    return EPOLLIN | EPOLLOUT | EPOLLRDHUP;
  }

  // ---- set-up ----

  override bind(address: SocketAddress): number {
    if (this.state !== FRESH) return EINVAL;
    const errno = this.suit(address);
    if (errno !== 0) return errno;
    // A restarted service must not wait for its predecessor's connections to leave TIME_WAIT.
    if (!this.hasChosen('reuseAddress')) setSocketOption(this.fd, SOL_SOCKET, SO_REUSEADDR, 1);
    return -bindSocket(this.fd, this.host.scratch);
  }

  override listen(backlog: number): number {
    if (this.state !== FRESH && this.state !== LISTENING) return EINVAL;
    const errno = -listenSocket(this.fd, backlog);
    if (errno !== 0) return errno;
    this.state = LISTENING;
    return this.watch();
  }

  override connect(operation: Operation): void {
    const errno = this.state === FRESH ? this.suit(operation.address) : this.whyNotConnect();
    if (errno !== 0) {
      this.operations.complete(operation, errno);
      return;
    }
    let result = connectSocket(this.fd, this.host.scratch);
    // A UNIX socket whose listener's backlog is full says EAGAIN, and reports nothing later.
    if (result === 0 || result === -EINPROGRESS) result = -this.watch();
    if (result !== 0) {
      this.operations.complete(operation, -result);
      return;
    }
    // Even when it is connected already: the event comes in the next turn.
    this.state = CONNECTING;
    this.connecting = operation;
  }

  private whyNotConnect(): number {
    if (this.state === CONNECTING) return EALREADY;
    return this.state === CONNECTED ? EISCONN : EINVAL;
  }

  /** A socket that failed to connect is good for nothing else; a fresh one in its place can try again. */
  private startAfresh(): void {
    if (this.reopen() === 0) this.state = FRESH;
    else this.leave(false);
  }

  private finishConnect(): void {
    const operation = this.connecting!;
    this.connecting = undefined;
    const errno = socketError(this.fd);
    if (errno !== 0) {
      this.host.add(FAILURES, 1);
      this.startAfresh();
      this.operations.complete(operation, errno < 0 ? -errno : errno);
      return;
    }
    this.host.add(CONNECTED_COUNTER, 1);
    this.state = CONNECTED;
    this.writable = true;
    this.learnNames();
    this.operations.complete(operation, 0);
  }

  // ---- accepting ----

  override accept(operation: Operation): void {
    if (this.state !== LISTENING) this.operations.complete(operation, EINVAL);
    else if (this.accepts.count === MAX_WAITING) this.operations.complete(operation, EAGAIN);
    else {
      this.accepts.push(operation);
      if (this.readable) this.serveAccepts();
    }
  }

  private serveAccepts(): void {
    const { host } = this;
    while (this.accepts.head !== undefined) {
      const fd = acceptSocket(this.fd, host.scratch);
      if (fd === -EAGAIN) {
        this.readable = false;
        return;
      }
      // That connection was gone before it was accepted (accept(2)): take the next one.
      if (fd === -ECONNABORTED || fd === -EINTR) continue;
      const operation = this.accepts.shift()!;
      if (fd < 0) this.operations.complete(operation, -fd);
      else this.adopt(operation, fd);
    }
  }

  private adopt(operation: Operation, fd: number): void {
    const { host } = this;
    const queue = new StreamQueue(host, fd, this.family);
    readNative(queue.remoteName, host.scratch);
    operation.address.copyFrom(queue.remoteName);
    queue.state = CONNECTED;
    queue.writable = true;
    const qd = host.runtime.queues.add(queue);
    const errno = qd < 0 ? EMFILE : queue.watch();
    if (errno !== 0) {
      queue.close();
      if (qd >= 0) host.runtime.queues.remove(qd);
      this.operations.complete(operation, errno);
      return;
    }
    host.add(ACCEPTED, 1);
    operation.acceptedQd = qd;
    this.operations.complete(operation, 0);
  }

  // ---- events ----

  override ready(events: number): void {
    if (this.state === CONNECTED) {
      if ((events & NOTHING_MORE_TO_COME) !== 0) this.ending = true;
      if ((events & SOMETHING_TO_READ) !== 0) {
        this.readable = true;
        if (this.pops.head !== undefined) this.servePops();
        if (this.acknowledgements.waiting.head !== undefined) this.askAcknowledged(events);
      }
      if ((events & ROOM_TO_WRITE) !== 0) {
        this.writable = true;
        if (this.pushes.head !== undefined) this.servePushes();
      }
    } else if (this.state === LISTENING) {
      this.readable = true;
      if (this.accepts.head !== undefined) this.serveAccepts();
    } else if (this.state === CONNECTING && (events & ROOM_TO_WRITE) !== 0) {
      this.finishConnect();
    }
  }

  override guess(): number {
    const operation = this.pops.head;
    if (operation === undefined || this.state !== CONNECTED) return -1;
    return this.receive(operation) ? 1 : 0;
  }

  override retry(): void {
    if (this.state !== CONNECTED) return;
    this.servePops();
    this.servePushes();
  }

  // ---- receiving ----

  override pop(operation: Operation): void {
    if (this.state !== CONNECTED) this.operations.complete(operation, ENOTCONN);
    else if (this.readable && this.pops.head === undefined && this.receive(operation)) return;
    else if (this.pops.count === MAX_WAITING) this.operations.complete(operation, EAGAIN);
    else this.pops.push(operation);
  }

  private servePops(): void {
    while (this.readable && this.pops.head !== undefined) if (!this.receive(this.pops.head)) return;
  }

  /** Tries to finish a pop, on the list or not. False: nothing has arrived. */
  private receive(operation: Operation): boolean {
    const { host } = this;
    const { receiver, counters } = host;
    const wanted = operation.sizeBytes;
    const limit = wanted === 0 ? this.windowBytes : Math.min(wanted, RECEIVE_LIMIT_BYTES);
    counters[RECEIVE_CALLS] = counters[RECEIVE_CALLS]! + 1;
    const length = this.ended ? 0 : receiver.receive(this.fd, limit);
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
    this.host.add(RECEIVE_EMPTY, 1);
    if (result === -EAGAIN) {
      this.readable = false;
      return false;
    }
    if (result === -ENOBUFS || result === -EINTR) {
      this.host.starve(this);
      return false;
    }
    if (result === 0) this.ended = true;
    else this.fail(-result);
    if (operation.list !== undefined) this.pops.remove(operation);
    if (this.failure === 0) operation.array = this.host.pool.array();
    this.operations.complete(operation, this.failure);
    return true;
  }

  // ---- sending ----

  override push(operation: Operation): void {
    const errno = this.whyNotPush(operation);
    if (errno !== 0) this.finishPush(operation, errno);
    else if (this.writable && this.pushes.head === undefined && this.send(operation)) return;
    else if (this.pushes.count === MAX_WAITING) this.finishPush(operation, EAGAIN);
    else this.pushes.push(operation);
  }

  private whyNotPush(operation: Operation): number {
    if (this.state !== CONNECTED) return ENOTCONN;
    if (this.failure !== 0) return this.failure;
    if (this.writeEnded) return EPIPE;
    return (operation.flags & PUSH_TO) !== 0 ? EISCONN : 0;
  }

  private servePushes(): void {
    while (this.writable && this.pushes.head !== undefined) if (!this.send(this.pushes.head)) return;
    if (this.pushes.head === undefined && this.writeEnded) this.sendFin();
  }

  /** Gives the kernel what it takes of a push, on the list or not. True: the push is over. */
  private send(operation: Operation): boolean {
    const { sender, counters } = this.host;
    while (operation.doneBytes < operation.sizeBytes) {
      counters[SEND_CALLS] = counters[SEND_CALLS]! + 1;
      const length = sender.send(this.fd, operation.array!, operation.doneBytes);
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
    else this.finishPush(operation, 0);
    return true;
  }

  private sendNothing(operation: Operation, result: number): boolean {
    if (result === -EAGAIN) {
      this.writable = false;
      return false;
    }
    if (result === -EINTR) {
      this.host.starve(this);
      return false;
    }
    if (operation.list !== undefined) this.pushes.remove(operation);
    this.fail(-result);
    this.finishPush(operation, this.failure);
    return true;
  }

  private awaitAcknowledgement(operation: Operation): void {
    operation.array!.free();
    operation.array = undefined;
    this.acknowledgements.add(operation);
    this.host.runtime.timers.arm(this.timer, FIRST_ASK_US);
  }

  private askAcknowledged(events: number): void {
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0) {
      const errno = socketError(this.fd);
      if (errno > 0) {
        this.fail(errno);
        return;
      }
    }
    this.acknowledgements.ask(this.fd, this.finSent);
  }

  /** The connection is over: sends fail, and receives too once what had arrived is read. */
  private fail(errno: number): void {
    if (this.failure === 0) {
      this.failure = errno;
      this.host.add(FAILURES, 1);
    }
    this.ending = true;
    this.readable = true;
    this.end(this.pushes, this.failure);
    this.end(this.acknowledgements.waiting, this.failure);
  }

  // ---- the end ----

  override shutdown(how: number): number {
    if (this.state !== CONNECTED) return ENOTCONN;
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return EINVAL;
    if (how !== SHUT_WR) {
      const errno = -shutdownSocket(this.fd, SHUT_RD);
      if (errno !== 0) return errno;
      this.ending = true;
      this.readable = true;
      this.servePops();
    }
    if (how !== SHUT_RD && !this.writeEnded) {
      this.writeEnded = true;
      // What is pending goes out first.
      if (this.pushes.head === undefined) this.sendFin();
    }
    return 0;
  }

  private sendFin(): void {
    if (this.finSent) return;
    this.finSent = true;
    shutdownSocket(this.fd, SHUT_WR);
  }

  override cancel(operation: Operation): boolean {
    const { list } = operation;
    if (operation === this.connecting) {
      this.connecting = undefined;
      this.startAfresh();
    } else if (list === this.pops || list === this.accepts) list.remove(operation);
    else if (list === this.pushes && operation.doneBytes === 0) list.remove(operation);
    else return false;
    this.finishPush(operation, ECANCELED);
    return true;
  }

  override close(): void {
    if (this.state === CLOSED) return;
    const wasConnected = this.state === CONNECTED && this.failure === 0;
    const connecting = this.connecting;
    this.connecting = undefined;
    this.host.runtime.timers.cancel(this.timer);
    this.leave(wasConnected);
    if (connecting !== undefined) this.operations.complete(connecting, ECANCELED);
    this.end(this.accepts, ECANCELED);
    this.end(this.pops, ECANCELED);
    this.end(this.pushes, ECANCELED);
    this.end(this.acknowledgements.waiting, ECANCELED);
  }

  /** Gives the descriptor up. */
  private leave(wasConnected: boolean): void {
    const { fd, host, lingerUs } = this;
    this.state = CLOSED;
    this.fd = -1;
    if (wasConnected && lingerUs > 0) {
      new WatchedLingeringSocket(host, fd, lingerUs);
      return;
    }
    if (wasConnected && lingerUs === 0) setLinger(fd, 0);
    if (fd >= 0) host.close(fd);
  }

  /** Pushes wait for their acknowledgement. */
  onTimer(): void {
    const { acknowledgements } = this;
    acknowledgements.ask(this.fd, this.finSent);
    if (acknowledgements.waiting.head === undefined) return;
    this.host.runtime.timers.arm(this.timer, acknowledgements.askAgainUs);
  }

  override getOption(name: SocketOptionName): number | boolean | undefined {
    return name === 'lingerUs' ? this.lingerUs : super.getOption(name);
  }

  override setOption(name: SocketOptionName, value: number | boolean): number {
    if (name !== 'lingerUs') return super.setOption(name, value);
    if (typeof value !== 'number' || !(value >= -1)) return EINVAL;
    this.lingerUs = value;
    return 0;
  }
}
