// A stream socket as a queue over the ring: connecting, accepting, bytes both ways, ending.

import {
  bindSocket,
  EMFILE,
  IORING_OP_CONNECT,
  IORING_OP_POLL_ADD,
  listenSocket,
  POLLOUT,
  peerName,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  SQE_OFFSET,
  SQE_OPERATION_FLAGS,
  setLinger,
  setSocketOption,
  shutdownSocket,
} from '@demikernel/native/kernel';
import { EAGAIN, EALREADY, ECANCELED, EINVAL, EISCONN, ENOTCONN, EPIPE } from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_ACKED, PUSH_TO } from '../../runtime/operation.ts';
import { SHUT_RD, SHUT_RDWR, SHUT_WR, type SocketOptionName } from '../../runtime/queue.ts';
import type { SocketAddress } from '../../runtime/socket-address.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import { Acknowledgements, FIRST_ASK_US } from '../../sockets/acknowledgements.ts';
import { readNative } from '../../sockets/address.ts';
import { KernelQueue, MAX_WAITING } from '../../sockets/kernel-queue.ts';
import type { CompletionOwner } from '../../uring/ring.ts';
import { Acceptor } from './acceptor.ts';
import {
  ACCEPTED,
  CONNECTED as CONNECTED_COUNTER,
  FAILURES,
  type RingHost,
  type Sender,
} from './ring-host.ts';
import { StreamReceiver } from './stream-receiver.ts';
import { StreamSender } from './stream-sender.ts';
import { ACCEPT, CONNECT, KIND_BITS, KIND_MASK, RECEIVE, SEND, SEND_HELD, WRITABLE } from './tags.ts';

const FRESH = 0;
const LISTENING = 1;
const CONNECTING = 2;
const CONNECTED = 3;
const CLOSED = 4;

/**
 * A TCP (or UNIX stream) socket.
 *
 * One receive and one accept stay with the kernel for as long as they are wanted (multishot), and pause when more has
 * arrived than the application takes. At most one send is under way, for everything that was pushed until then; it never
 * waits in the kernel (MSG_DONTWAIT): when there is no room a poll does, so a push can be cancelled until a byte is taken.
 */
export class StreamQueue extends KernelQueue<RingHost> implements CompletionOwner, Sender, TimerOwner {
  readonly id: number;
  readonly pushes: OperationList;
  private state: number;
  private readonly sender: StreamSender;
  private readonly receiver: StreamReceiver;
  private acceptor: Acceptor | undefined;
  private writeEnded: boolean;
  private finSent: boolean;
  /** Why the connection failed, or 0. */
  failure: number;
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
    this.receiver = new StreamReceiver(host, this);
    this.acceptor = undefined;
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
    if (kind === RECEIVE) this.receiver.received(result, flags);
    else if (kind === SEND) this.sender.sent(result);
    else if (kind === WRITABLE) this.sender.roomFound();
    else if (kind === SEND_HELD) this.sender.sentHeld(tag >> KIND_BITS, result, flags);
    else if (kind === ACCEPT) this.acceptor!.accepted(result, flags);
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
    if (this.acceptor === undefined) this.acceptor = new Acceptor(this.host, this);
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
    if (this.state === LISTENING) this.acceptor!.accept(operation);
    else this.operations.complete(operation, EINVAL);
  }

  /** The end of an accept that brought nothing. */
  finishAccept(operation: Operation, errno: number): void {
    this.operations.complete(operation, errno);
  }

  /** Makes a queue of a connection, and that the result of an accept. */
  adopt(operation: Operation, fd: number): void {
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
    if (this.state === CONNECTED) this.receiver.pop(operation);
    else this.operations.complete(operation, ENOTCONN);
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
    this.receiver.ask();
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
    if (!this.receiver.standing) this.receiver.servePops();
  }

  // ---- the end ----

  override shutdown(how: number): number {
    if (this.state !== CONNECTED) return ENOTCONN;
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return EINVAL;
    if (how !== SHUT_WR) {
      const errno = -shutdownSocket(this.fd, SHUT_RD);
      if (errno !== 0) return errno;
      // What has arrived is still to be read, and then the end.
      this.receiver.ask();
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
    } else if (list !== undefined && (list === this.receiver.pops || list === this.acceptor?.accepts))
      list.remove(operation);
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
    if (this.sender.awaitingRoom) host.ring.cancel(this.id, WRITABLE);
    if (this.state === CONNECTING) this.cancelConnect();
    if (this.state === CONNECTED) host.openStreams--;
    this.leave(wasConnected);
    this.releaseConnectBlock();
    this.acceptor?.close();
    this.receiver.close();
    if (connecting !== undefined) this.operations.complete(connecting, ECANCELED);
    if (this.acceptor !== undefined) this.end(this.acceptor.accepts, ECANCELED);
    this.end(this.receiver.pops, ECANCELED);
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
    if (wasConnected && (lingerUs === 0 || this.receiver.unreadBytes > 0)) setLinger(fd, 0);
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
