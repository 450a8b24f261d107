// A stream socket of the kernel as a queue: what it is at the moment, how it gets there, and how it ends. Bytes in:
// stream-receiver.ts; bytes out: stream-sender.ts; connections: acceptor.ts.

import {
  bindSocket,
  connectSocket,
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
import { EALREADY, ECANCELED, EINPROGRESS, EINVAL, EISCONN, ENOTCONN, EPIPE } from '../../runtime/errno.ts';
import { type Operation, PUSH_TO } from '../../runtime/operation.ts';
import { SHUT_RD, SHUT_RDWR, SHUT_WR, type SocketOptionName } from '../../runtime/queue.ts';
import type { SocketAddress } from '../../runtime/socket-address.ts';
import { readNative } from '../../sockets/address.ts';
import { Acceptor } from './acceptor.ts';
import { WatchedLingeringSocket } from './lingering.ts';
import { ACCEPTED, CONNECTED as CONNECTED_COUNTER, FAILURES, type SocketHost } from './socket-host.ts';
import { StreamReceiver } from './stream-receiver.ts';
import { StreamSender } from './stream-sender.ts';
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
 * Epoll's edges are remembered: a call is made only while something may be there, or room, and a call that brings or takes
 * less than was offered ends them. So an echo costs one recvmsg and one sendmsg, and no call that answers EAGAIN.
 */
export class StreamQueue extends WatchedQueue {
  private state: number;
  private readonly receiver: StreamReceiver;
  private readonly sender: StreamSender;
  private acceptor: Acceptor | undefined;
  /** Why the connection failed, or 0. */
  failure: number;
  private connecting: Operation | undefined;
  private lingerUs: number;

  constructor(host: SocketHost, fd: number, family?: number) {
    super(host, SOCK_STREAM, fd, family);
    this.state = FRESH;
    this.receiver = new StreamReceiver(host, this);
    this.sender = new StreamSender(host, this);
    this.acceptor = undefined;
    this.failure = 0;
    this.connecting = undefined;
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
    if (this.acceptor === undefined) this.acceptor = new Acceptor(this.host, this);
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
    this.sender.writable = true;
    this.learnNames();
    this.operations.complete(operation, 0);
  }

  // ---- accepting ----

  override accept(operation: Operation): void {
    if (this.state !== LISTENING) this.operations.complete(operation, EINVAL);
    else this.acceptor!.accept(operation);
  }

  /** @internal Makes a queue of an accepted connection, for an accept that is off the list. */
  adopt(operation: Operation, fd: number): void {
    const { host } = this;
    const queue = new StreamQueue(host, fd, this.family);
    readNative(queue.remoteName, host.scratch);
    operation.address.copyFrom(queue.remoteName);
    queue.state = CONNECTED;
    queue.sender.writable = true;
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
    if (this.state === CONNECTED) this.readyToTransfer(events);
    else if (this.state === LISTENING) this.acceptor!.ready();
    else if (this.state === CONNECTING && (events & ROOM_TO_WRITE) !== 0) this.finishConnect();
  }

  private readyToTransfer(events: number): void {
    const { receiver, sender } = this;
    if ((events & NOTHING_MORE_TO_COME) !== 0) receiver.ending = true;
    if ((events & SOMETHING_TO_READ) !== 0) {
      receiver.readable = true;
      if (receiver.pops.head !== undefined) receiver.servePops();
      if (sender.acknowledgements.waiting.head !== undefined) sender.askAcknowledged(events);
    }
    if ((events & ROOM_TO_WRITE) !== 0) {
      sender.writable = true;
      if (sender.pushes.head !== undefined) sender.servePushes();
    }
  }

  override guess(): number {
    const operation = this.receiver.pops.head;
    if (operation === undefined || this.state !== CONNECTED) return -1;
    return this.receiver.receive(operation) ? 1 : 0;
  }

  override retry(): void {
    if (this.state !== CONNECTED) return;
    this.receiver.servePops();
    this.sender.servePushes();
  }

  // ---- bytes ----

  override pop(operation: Operation): void {
    if (this.state !== CONNECTED) this.operations.complete(operation, ENOTCONN);
    else this.receiver.pop(operation);
  }

  override push(operation: Operation): void {
    const errno = this.whyNotPush(operation);
    if (errno !== 0) this.finishPush(operation, errno);
    else this.sender.push(operation);
  }

  private whyNotPush(operation: Operation): number {
    if (this.state !== CONNECTED) return ENOTCONN;
    if (this.failure !== 0) return this.failure;
    if (this.sender.ended) return EPIPE;
    return (operation.flags & PUSH_TO) !== 0 ? EISCONN : 0;
  }

  /** @internal */
  override finishPush(operation: Operation, errno: number): void {
    super.finishPush(operation, errno);
  }

  /** @internal The connection is over: sends fail, and receives too once what had arrived is read. */
  fail(errno: number): void {
    if (this.failure === 0) {
      this.failure = errno;
      this.host.add(FAILURES, 1);
    }
    this.receiver.readToEnd();
    this.end(this.sender.pushes, this.failure);
    this.end(this.sender.acknowledgements.waiting, this.failure);
  }

  // ---- the end ----

  override shutdown(how: number): number {
    if (this.state !== CONNECTED) return ENOTCONN;
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return EINVAL;
    if (how !== SHUT_WR) {
      const errno = -shutdownSocket(this.fd, SHUT_RD);
      if (errno !== 0) return errno;
      this.receiver.readToEnd();
      this.receiver.servePops();
    }
    if (how !== SHUT_RD) this.sender.shutdown();
    return 0;
  }

  override cancel(operation: Operation): boolean {
    const { list } = operation;
    const { pops } = this.receiver;
    const { pushes } = this.sender;
    if (operation === this.connecting) {
      this.connecting = undefined;
      this.startAfresh();
    } else if (list !== undefined && (list === pops || list === this.acceptor?.accepts))
      list.remove(operation);
    else if (list === pushes && operation.doneBytes === 0) list.remove(operation);
    else return false;
    this.finishPush(operation, ECANCELED);
    return true;
  }

  override close(): void {
    if (this.state === CLOSED) return;
    const wasConnected = this.state === CONNECTED && this.failure === 0;
    const connecting = this.connecting;
    this.connecting = undefined;
    this.sender.close();
    this.leave(wasConnected);
    if (connecting !== undefined) this.operations.complete(connecting, ECANCELED);
    if (this.acceptor !== undefined) this.end(this.acceptor.accepts, ECANCELED);
    this.end(this.receiver.pops, ECANCELED);
    this.end(this.sender.pushes, ECANCELED);
    this.end(this.sender.acknowledgements.waiting, ECANCELED);
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
