// A stream socket as a queue over the ring: connecting, accepting, bytes both ways, ending.

import {
  bindSocket,
  EINTR,
  EMFILE,
  ENOBUFS,
  IORING_ACCEPT_MULTISHOT,
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F_BUFFER,
  IORING_CQE_F_MORE,
  IORING_OP_ACCEPT,
  IORING_OP_CONNECT,
  IORING_OP_POLL_ADD,
  IORING_OP_RECV,
  IORING_RECV_MULTISHOT,
  IOSQE_BUFFER_SELECT,
  listenSocket,
  POLLOUT,
  peerName,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  SQE_BUFFER,
  SQE_FLAGS_SHIFT,
  SQE_HEAD,
  SQE_IOPRIO_SHIFT,
  SQE_OFFSET,
  SQE_OPERATION_FLAGS,
  setLinger,
  setSocketOption,
  shutdownSocket,
} from '@demikernel/native/kernel';
import {
  EAGAIN,
  EALREADY,
  ECANCELED,
  ECONNABORTED,
  EINVAL,
  EISCONN,
  ENOTCONN,
  EPIPE,
} from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_ACKED, PUSH_TO } from '../../runtime/operation.ts';
import { SHUT_RD, SHUT_RDWR, SHUT_WR, type SocketOptionName } from '../../runtime/queue.ts';
import type { SocketAddress } from '../../runtime/socket-address.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import { Acknowledgements, FIRST_ASK_US } from '../../sockets/acknowledgements.ts';
import { readNative } from '../../sockets/address.ts';
import { KernelQueue, MAX_WAITING } from '../../sockets/kernel-queue.ts';
import type { CompletionOwner } from '../../uring/ring.ts';
import {
  ACCEPTED,
  CONNECTED as CONNECTED_COUNTER,
  FAILURES,
  PAUSED,
  RECEIVED_BYTES,
  RECEIVES,
  type RingHost,
  type Sender,
  type Starved,
} from './ring-host.ts';
import { StreamSender } from './stream-sender.ts';
import { ACCEPT, CONNECT, KIND_BITS, KIND_MASK, RECEIVE, SEND, SEND_HELD, WRITABLE } from './tags.ts';
import { Unread } from './unread.ts';

const FRESH = 0;
const LISTENING = 1;
const CONNECTING = 2;
const CONNECTED = 3;
const CLOSED = 4;

const RECEIVE_HEAD: number =
  IORING_OP_RECV | (IOSQE_BUFFER_SELECT << SQE_FLAGS_SHIFT) | (IORING_RECV_MULTISHOT << SQE_IOPRIO_SHIFT);
const ACCEPT_HEAD: number = IORING_OP_ACCEPT | (IORING_ACCEPT_MULTISHOT << SQE_IOPRIO_SHIFT);
/** Blocking, as the ring wants sockets. */
const SOCK_CLOEXEC = 0o2000000;
/** Connections accepted ahead of the application; after that the kernel keeps them in its backlog. */
const ACCEPTED_AHEAD = 64;

/**
 * A TCP (or UNIX stream) socket.
 *
 * One receive and one accept stay with the kernel for as long as they are wanted (multishot), and pause when more has
 * arrived than the application takes. At most one send is under way, for everything that was pushed until then; it never
 * waits in the kernel (MSG_DONTWAIT): when there is no room a poll does, so a push can be cancelled until a byte is taken.
 */
export class StreamQueue
  extends KernelQueue<RingHost>
  implements CompletionOwner, Sender, Starved, TimerOwner
{
  readonly id: number;
  readonly pushes: OperationList;
  private state: number;
  private readonly sender: StreamSender;
  private readonly unread: Unread;
  private readonly pops: OperationList;
  private readonly accepts: OperationList;
  /** Connections that were accepted ahead. */
  private ahead: number[];
  /** The standing request (receive or accept) is with the kernel; and has been asked to come back. */
  private standing: boolean;
  private pausing: boolean;
  private starving: boolean;
  /** The end of the stream has arrived. */
  private ended: boolean;
  private writeEnded: boolean;
  private finSent: boolean;
  /** Why the connection failed, or 0. */
  private failure: number;
  private connecting: Operation | undefined;
  /** Tells the completion of this attempt to connect from those of cancelled ones. */
  private attempt: number;
  private connectBlock: number;
  private attached: boolean;
  readonly acknowledgements: Acknowledgements;
  private readonly timer: Timer;
  private lingerUs: number;

  constructor(host: RingHost, fd: number, family?: number) {
    super(host, SOCK_STREAM, fd, family);
    this.id = host.ring.attach(this);
    this.pushes = new OperationList();
    this.state = FRESH;
    this.sender = new StreamSender(host, this);
    this.unread = new Unread(host.pool);
    this.pops = new OperationList();
    this.accepts = new OperationList();
    this.ahead = [];
    this.standing = false;
    this.pausing = false;
    this.starving = false;
    this.ended = false;
    this.writeEnded = false;
    this.finSent = false;
    this.failure = 0;
    this.connecting = undefined;
    this.attempt = 0;
    this.connectBlock = -1;
    this.attached = true;
    this.acknowledgements = new Acknowledgements(this.operations);
    this.timer = new Timer(this, 0);
    this.lingerUs = -1;
  }

  // ---- completions ----

  completed(tag: number, result: number, flags: number): void {
    const kind = tag & KIND_MASK;
    if (kind === RECEIVE) this.received(result, flags);
    else if (kind === SEND) this.sender.sent(result);
    else if (kind === WRITABLE) this.sender.roomFound();
    else if (kind === SEND_HELD) this.sender.sentHeld(tag >> KIND_BITS, result, flags);
    else if (kind === ACCEPT) this.accepted(result, flags);
    else if (kind === CONNECT && tag >> KIND_BITS === this.attempt) this.finishConnect(result);
    if (this.state === CLOSED) this.leaveRing();
  }

  /** The last completion of a closed queue frees its number in the ring. */
  private leaveRing(): void {
    const { ring } = this.host;
    if (!this.attached || ring.pendingOf(this.id) > 0) return;
    this.attached = false;
    ring.detach(this.id);
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
    this.watched = true;
    return 0;
  }

  override connect(operation: Operation): void {
    let errno = this.state === FRESH ? this.suit(operation.address) : this.whyNotConnect();
    const { blocks, ring, scratch } = this.host;
    if (errno === 0) {
      this.connectBlock = blocks.take();
      if (this.connectBlock < 0) errno = EAGAIN;
    }
    if (errno !== 0) {
      this.operations.complete(operation, errno);
      return;
    }
    const name = blocks.name(this.connectBlock);
    name.copyFrom(scratch);
    this.attempt++;
    const at = ring.prepare(IORING_OP_CONNECT, this.fd, this.id, CONNECT | (this.attempt << KIND_BITS));
    ring.setAddressHalves(at, blocks.baseLow, blocks.baseHigh, blocks.nameOffset(this.connectBlock));
    ring.words[at + SQE_OFFSET] = name.lengthBytes;
    this.watched = true;
    this.state = CONNECTING;
    this.connecting = operation;
  }

  private whyNotConnect(): number {
    if (this.state === CONNECTING) return EALREADY;
    return this.state === CONNECTED ? EISCONN : EINVAL;
  }

  /** A socket that failed to connect is good for nothing else; a fresh one in its place can try again. */
  private startAfresh(): void {
    this.releaseConnectBlock();
    if (this.reopen() === 0) this.state = FRESH;
    else this.leave(false);
  }

  private releaseConnectBlock(): void {
    if (this.connectBlock < 0) return;
    this.host.blocks.release(this.connectBlock);
    this.connectBlock = -1;
  }

  private finishConnect(result: number): void {
    const operation = this.connecting;
    if (operation === undefined) return;
    this.connecting = undefined;
    if (result < 0) {
      this.host.add(FAILURES, 1);
      this.startAfresh();
      this.operations.complete(operation, -result);
      return;
    }
    this.releaseConnectBlock();
    this.host.add(CONNECTED_COUNTER, 1);
    this.establish();
    this.learnNames();
    this.operations.complete(operation, 0);
  }

  private establish(): void {
    this.state = CONNECTED;
    this.watched = true;
    this.host.openStreams++;
  }

  // ---- accepting ----

  override accept(operation: Operation): void {
    if (this.state !== LISTENING) this.operations.complete(operation, EINVAL);
    else if (this.ahead.length > 0 && this.accepts.head === undefined)
      this.adopt(operation, this.ahead.shift()!);
    else if (this.accepts.count === MAX_WAITING) this.operations.complete(operation, EAGAIN);
    else {
      this.accepts.push(operation);
      if (!this.standing) this.askForConnections();
    }
  }

  private askForConnections(): void {
    const { ring } = this.host;
    const at = ring.prepare(IORING_OP_ACCEPT, this.fd, this.id, ACCEPT);
    ring.words[at + SQE_HEAD] = ACCEPT_HEAD;
    ring.words[at + SQE_OPERATION_FLAGS] = SOCK_CLOEXEC;
    this.standing = true;
  }

  private accepted(result: number, flags: number): void {
    if ((flags & IORING_CQE_F_MORE) === 0) {
      this.standing = false;
      this.pausing = false;
    }
    if (this.state !== LISTENING) {
      if (result >= 0) this.refuse(result);
      return;
    }
    if (result >= 0) this.arrive(result);
    // That connection was gone before it was accepted (accept(2)), or we paused: ask again. All else the next one hears.
    else if (result !== -ECONNABORTED && result !== -EINTR && result !== -ECANCELED) {
      const operation = this.accepts.shift();
      if (operation !== undefined) this.operations.complete(operation, -result);
    }
    if (!this.standing && this.accepts.head !== undefined) this.askForConnections();
  }

  private arrive(fd: number): void {
    const operation = this.accepts.shift();
    if (operation !== undefined) {
      this.adopt(operation, fd);
      return;
    }
    this.ahead.push(fd);
    if (this.ahead.length >= ACCEPTED_AHEAD && this.standing && !this.pausing) this.pause(ACCEPT);
  }

  private pause(kind: number): void {
    this.pausing = true;
    this.host.ring.cancel(this.id, kind);
    this.host.add(PAUSED, 1);
  }

  /** Nobody will take this connection: the peer gets a reset, as from a backlog that goes away. */
  private refuse(fd: number): void {
    setLinger(fd, 0);
    this.host.close(fd);
  }

  private adopt(operation: Operation, fd: number): void {
    const { host } = this;
    const queue = new StreamQueue(host, fd, this.family);
    if (peerName(fd, host.scratch) === 0) readNative(queue.remoteName, host.scratch);
    operation.address.copyFrom(queue.remoteName);
    queue.establish();
    const qd = host.runtime.queues.add(queue);
    if (qd < 0) {
      queue.close();
      this.operations.complete(operation, EMFILE);
      return;
    }
    host.add(ACCEPTED, 1);
    operation.acceptedQd = qd;
    this.operations.complete(operation, 0);
  }

  // ---- receiving ----

  override pop(operation: Operation): void {
    if (this.state !== CONNECTED) this.operations.complete(operation, ENOTCONN);
    else if (this.pops.head === undefined && this.serve(operation)) return;
    else if (this.pops.count === MAX_WAITING) this.operations.complete(operation, EAGAIN);
    else {
      this.pops.push(operation);
      this.askForBytes();
    }
  }

  /** Sees to it that a receive is with the kernel. */
  private askForBytes(): void {
    if (this.standing || this.ended || this.starving || this.failure !== 0) return;
    const { ring, streams } = this.host;
    const at = ring.prepare(IORING_OP_RECV, this.fd, this.id, RECEIVE);
    ring.words[at + SQE_HEAD] = RECEIVE_HEAD;
    ring.words[at + SQE_BUFFER] = streams.group;
    this.standing = true;
  }

  private received(result: number, flags: number): void {
    if ((flags & IORING_CQE_F_BUFFER) !== 0) this.land(flags >>> IORING_CQE_BUFFER_SHIFT, result);
    if ((flags & IORING_CQE_F_MORE) !== 0) return;
    this.standing = false;
    this.pausing = false;
    if (this.state !== CONNECTED) return;
    if (result === 0) this.ended = true;
    else if (result === -ENOBUFS) {
      this.starving = true;
      this.host.starve(this);
    } else if (result < 0 && result !== -ECANCELED && result !== -EINTR) this.fail(-result);
    this.servePops();
    if (this.pops.head !== undefined) this.askForBytes();
  }

  private land(number: number, lengthBytes: number): void {
    const { host } = this;
    const { pool, counters } = host;
    const slot = host.streams.take(number);
    if (lengthBytes <= 0 || this.state !== CONNECTED) {
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
    if (this.standing && !this.pausing && this.unread.slots >= host.unreadLimit) this.pause(RECEIVE);
  }

  private servePops(): void {
    for (let operation = this.pops.head; operation !== undefined; operation = this.pops.head) {
      if (!this.serve(operation)) return;
    }
  }

  /** Finishes a pop, on the list or not, with what has arrived. False: nothing has. */
  private serve(operation: Operation): boolean {
    const { unread } = this;
    if (unread.lengthBytes > 0) {
      operation.array = unread.take(operation.sizeBytes);
      if (unread.lengthBytes === 0) this.askForBytes();
    } else if (this.ended) operation.array = this.host.pool.array();
    else if (this.failure === 0) return false;
    if (operation.list !== undefined) this.pops.remove(operation);
    this.operations.complete(operation, operation.array === undefined ? this.failure : 0);
    return true;
  }

  /** There are slots again. */
  retry(): void {
    this.starving = false;
    if (this.state === CONNECTED && this.unread.lengthBytes === 0) this.askForBytes();
  }

  // ---- sending ----

  override push(operation: Operation): void {
    const errno = this.whyNotPush(operation);
    if (errno !== 0) this.finishPush(operation, errno);
    else if (this.pushes.count === MAX_WAITING) this.finishPush(operation, EAGAIN);
    else {
      this.pushes.push(operation);
      this.sender.wake();
    }
  }

  private whyNotPush(operation: Operation): number {
    if (this.state !== CONNECTED) return ENOTCONN;
    if (this.failure !== 0) return this.failure;
    if (this.writeEnded) return EPIPE;
    return (operation.flags & PUSH_TO) !== 0 ? EISCONN : 0;
  }

  submit(): boolean {
    return this.state !== CONNECTED || this.sender.submit();
  }

  /** The kernel has taken the last byte of a push, which is off the list. */
  pushTaken(operation: Operation): void {
    if ((operation.flags & PUSH_ACKED) === 0) {
      this.finishPush(operation, 0);
      return;
    }
    operation.array!.free();
    operation.array = undefined;
    this.acknowledgements.add(operation);
    // Whatever ends the connection is to be heard.
    this.askForBytes();
    this.host.runtime.timers.arm(this.timer, FIRST_ASK_US);
  }

  /** Everything pushed has been taken. */
  allTaken(): void {
    if (this.writeEnded) this.sendFin();
  }

  /** Asks to be told when the socket has room. */
  awaitRoom(): void {
    const { ring } = this.host;
    const at = ring.prepare(IORING_OP_POLL_ADD, this.fd, this.id, WRITABLE);
    ring.words[at + SQE_OPERATION_FLAGS] = POLLOUT;
  }

  /** The connection is over: sends fail, and receives too once what had arrived is read. */
  fail(errno: number): void {
    if (this.failure === 0) {
      this.failure = errno;
      this.host.add(FAILURES, 1);
    }
    this.end(this.pushes, this.failure);
    this.end(this.acknowledgements.waiting, this.failure);
    // A receive that is with the kernel brings what is left, and then its end; otherwise this is it.
    if (!this.standing) this.servePops();
  }

  // ---- the end ----

  override shutdown(how: number): number {
    if (this.state !== CONNECTED) return ENOTCONN;
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return EINVAL;
    if (how !== SHUT_WR) {
      const errno = -shutdownSocket(this.fd, SHUT_RD);
      if (errno !== 0) return errno;
      // What has arrived is still to be read, and then the end.
      if (!this.standing && !this.starving) this.askForBytes();
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
      this.cancelConnect();
      this.attempt++;
      this.startAfresh();
    } else if (list === this.pops || list === this.accepts) list.remove(operation);
    else if (list === this.pushes && operation.doneBytes === 0 && !this.sender.offers(operation))
      list.remove(operation);
    else return false;
    this.finishPush(operation, ECANCELED);
    return true;
  }

  private cancelConnect(): void {
    const { ring } = this.host;
    ring.cancel(this.id, CONNECT | (this.attempt << KIND_BITS));
    // The kernel has read the address when it has taken the entry; before, it must not be written over.
    ring.flush();
  }

  override close(): void {
    if (this.state === CLOSED) return;
    const { connecting, host } = this;
    const wasConnected = this.state === CONNECTED && this.failure === 0;
    this.connecting = undefined;
    host.runtime.timers.cancel(this.timer);
    if (this.standing && !this.pausing)
      host.ring.cancel(this.id, this.state === LISTENING ? ACCEPT : RECEIVE);
    if (this.sender.awaitingRoom) host.ring.cancel(this.id, WRITABLE);
    if (this.state === CONNECTING) this.cancelConnect();
    if (this.state === CONNECTED) host.openStreams--;
    this.leave(wasConnected);
    this.releaseConnectBlock();
    for (const fd of this.ahead) this.refuse(fd);
    this.ahead = [];
    this.unread.clear();
    if (connecting !== undefined) this.operations.complete(connecting, ECANCELED);
    this.end(this.accepts, ECANCELED);
    this.end(this.pops, ECANCELED);
    this.end(this.pushes, ECANCELED);
    this.end(this.acknowledgements.waiting, ECANCELED);
    this.leaveRing();
    // The socket ends when the kernel has let go of it too, and the peer should hear of it now.
    host.ring.flush();
  }

  /** Gives the descriptor up. */
  private leave(wasConnected: boolean): void {
    const { fd, host, lingerUs } = this;
    this.state = CLOSED;
    this.fd = -1;
    if (wasConnected && lingerUs > 0) {
      host.linger(fd, lingerUs);
      return;
    }
    // Bytes that arrived and were never read end the connection with a reset, RFC 1122, 4.2.2.13.
    if (wasConnected && (lingerUs === 0 || this.unread.lengthBytes > 0)) setLinger(fd, 0);
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
