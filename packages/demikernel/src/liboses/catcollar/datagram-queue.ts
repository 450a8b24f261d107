// A datagram socket as a queue over the ring: one message per push and pop, with its address.

import {
  connectSocket,
  EINTR,
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F_BUFFER,
  IORING_CQE_F_MORE,
  IORING_OP_POLL_ADD,
  IORING_OP_RECVMSG,
  IORING_OP_SENDMSG,
  IORING_RECV_MULTISHOT,
  IOSQE_BUFFER_SELECT,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  POLLOUT,
  SOCK_DGRAM,
  SQE_BUFFER,
  SQE_FLAGS_SHIFT,
  SQE_HEAD,
  SQE_IOPRIO_SHIFT,
  SQE_LENGTH,
  SQE_OPERATION_FLAGS,
  shutdownSocket,
} from '@demikernel/native/kernel';
import { EAGAIN, ECANCELED, EINVAL, EMSGSIZE, ENOBUFS, EOPNOTSUPP } from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_TO } from '../../runtime/operation.ts';
import type { SocketAddress } from '../../runtime/socket-address.ts';
import { writeNative } from '../../sockets/address.ts';
import { KernelQueue, MAX_WAITING } from '../../sockets/kernel-queue.ts';
import type { CompletionOwner } from '../../uring/ring.ts';
import { DatagramInbox, UNREAD_DATAGRAMS } from './datagram-inbox.ts';
import type { Landing } from './landing.ts';
import { VECTORS_PER_BLOCK } from './message-blocks.ts';
import {
  DATAGRAMS_TRUNCATED,
  PAUSED,
  RECEIVED_BYTES,
  RECEIVES,
  type RingHost,
  SENDS,
  SENT_BYTES,
  type Sender,
  type Starved,
} from './ring-host.ts';
import { KIND_BITS, KIND_MASK, RECEIVE, SEND_DATAGRAM, WRITABLE } from './tags.ts';

/** Most bytes of one datagram. */
const DATAGRAM_LIMIT_BYTES = 65536;
const RECEIVE_HEAD: number =
  IORING_OP_RECVMSG | (IOSQE_BUFFER_SELECT << SQE_FLAGS_SHIFT) | (IORING_RECV_MULTISHOT << SQE_IOPRIO_SHIFT);
const FLAGS: number = MSG_DONTWAIT | MSG_NOSIGNAL;

/**
 * A UDP (or UNIX datagram) socket.
 *
 * Errors that ICMP brought (ECONNREFUSED) end the next pop or push, whichever hears first. A pop with a size cuts a
 * longer datagram off, as recv(2) does.
 */
export class DatagramQueue extends KernelQueue<RingHost> implements CompletionOwner, Sender, Starved {
  private readonly id: number;
  private readonly landing: Landing;
  private readonly inbox: DatagramInbox;
  private readonly pops: OperationList;
  private readonly pushes: OperationList;
  /** Pushes that are with the kernel. */
  private readonly sending: OperationList;
  private scheduled: boolean;
  private awaitingRoom: boolean;
  private standing: boolean;
  private pausing: boolean;
  private starving: boolean;
  /** An error that arrived while no pop waited, or 0. */
  private trouble: number;
  private attached: boolean;

  constructor(host: RingHost, fd: number) {
    super(host, SOCK_DGRAM, fd);
    this.id = host.ring.attach(this);
    this.landing = host.datagrams;
    this.inbox = new DatagramInbox(this.landing.pool, host.pool, host.scratch);
    this.pops = new OperationList();
    this.pushes = new OperationList();
    this.sending = new OperationList();
    this.scheduled = false;
    this.awaitingRoom = false;
    this.standing = false;
    this.pausing = false;
    this.starving = false;
    this.trouble = 0;
    this.attached = true;
  }

  completed(tag: number, result: number, flags: number): void {
    const kind = tag & KIND_MASK;
    if (kind === RECEIVE) this.received(result, flags);
    else if (kind === SEND_DATAGRAM) this.sent(this.operations.at(tag >> KIND_BITS), result);
    else if (kind === WRITABLE) this.roomFound();
    if (this.fd < 0) this.leaveRing();
  }

  private leaveRing(): void {
    const { ring } = this.host;
    if (!this.attached || ring.pendingOf(this.id) > 0) return;
    this.attached = false;
    ring.detach(this.id);
  }

  // ---- set-up ----

  override bind(address: SocketAddress): number {
    const errno = super.bind(address);
    if (errno === 0) this.watched = true;
    return errno;
  }

  override listen(): number {
    return EOPNOTSUPP;
  }

  override accept(operation: Operation): void {
    this.operations.complete(operation, EOPNOTSUPP);
  }

  override connect(operation: Operation): void {
    let errno = this.suit(operation.address);
    if (errno === 0) errno = -connectSocket(this.fd, this.host.scratch) | 0;
    if (errno === 0) {
      this.remoteName.copyFrom(operation.address);
      // The wildcard gives way to the address of the interface that leads there.
      this.localName.setIpv4(0, 0);
      this.watched = true;
    }
    this.operations.complete(operation, errno);
  }

  // ---- receiving ----

  override pop(operation: Operation): void {
    if (this.fd < 0) this.operations.complete(operation, EINVAL);
    else if (this.pops.head === undefined && this.serve(operation)) this.askForDatagrams();
    else if (this.pops.count === MAX_WAITING) this.operations.complete(operation, EAGAIN);
    else {
      this.pops.push(operation);
      this.askForDatagrams();
    }
  }

  /** Sees to it that a receive is with the kernel, when there is room for what it may bring. */
  private askForDatagrams(): void {
    if (this.standing || this.starving || this.inbox.count >= UNREAD_DATAGRAMS >> 1) return;
    const { ring, blocks } = this.host;
    this.watched = true;
    const at = ring.prepare(IORING_OP_RECVMSG, this.fd, this.id, RECEIVE);
    ring.words[at + SQE_HEAD] = RECEIVE_HEAD;
    ring.setAddressHalves(at, blocks.baseLow, blocks.baseHigh, blocks.offset(this.host.datagramTemplate));
    ring.words[at + SQE_LENGTH] = 1;
    ring.words[at + SQE_BUFFER] = this.landing.group;
    this.standing = true;
  }

  private received(result: number, flags: number): void {
    if ((flags & IORING_CQE_F_BUFFER) !== 0) this.land(flags >>> IORING_CQE_BUFFER_SHIFT, result);
    if ((flags & IORING_CQE_F_MORE) !== 0) return;
    this.standing = false;
    this.pausing = false;
    if (this.fd < 0) return;
    if (result === -ENOBUFS) {
      this.starving = true;
      this.host.starve(this);
    } else if (result < 0 && result !== -ECANCELED && result !== -EINTR) this.fail(-result);
    if (this.pops.head !== undefined) this.askForDatagrams();
  }

  private land(number: number, lengthBytes: number): void {
    const { host, inbox } = this;
    const slot = this.landing.take(number);
    if (this.fd < 0) {
      this.landing.pool.release(slot);
      return;
    }
    if (!inbox.add(slot, lengthBytes)) return;
    host.add(RECEIVES, 1);
    while (this.pops.head !== undefined && this.serve(this.pops.head));
    if (inbox.count >= UNREAD_DATAGRAMS && this.standing && !this.pausing) {
      this.pausing = true;
      host.ring.cancel(this.id, RECEIVE);
      host.add(PAUSED, 1);
    }
  }

  /** The next pop hears of it. */
  private fail(errno: number): void {
    const operation = this.pops.shift();
    if (operation === undefined) this.trouble = errno;
    else this.operations.complete(operation, errno);
  }

  /** Finishes a pop, on the list or not, with what has arrived. False: nothing has. */
  private serve(operation: Operation): boolean {
    const { inbox, trouble } = this;
    if (inbox.count === 0 && trouble === 0) return false;
    if (operation.list !== undefined) this.pops.remove(operation);
    if (inbox.count === 0) {
      this.trouble = 0;
      this.operations.complete(operation, trouble);
      return true;
    }
    const wanted = operation.sizeBytes;
    const limit = wanted > 0 && wanted < DATAGRAM_LIMIT_BYTES ? wanted : DATAGRAM_LIMIT_BYTES;
    if (inbox.truncated || inbox.lengthBytes > limit) this.host.add(DATAGRAMS_TRUNCATED, 1);
    this.host.add(RECEIVED_BYTES, inbox.lengthBytes);
    operation.array = inbox.take(limit, operation.address);
    this.operations.complete(operation, 0);
    return true;
  }

  /** There are slots again. */
  retry(): void {
    this.starving = false;
    if (this.fd >= 0) this.askForDatagrams();
  }

  // ---- sending ----

  override push(operation: Operation): void {
    const errno = this.fd < 0 ? EINVAL : this.whyNotPush(operation);
    if (errno !== 0) this.finishPush(operation, errno);
    else if (this.pushes.count + this.sending.count >= MAX_WAITING) this.finishPush(operation, EAGAIN);
    else {
      this.pushes.push(operation);
      this.wake();
    }
  }

  private whyNotPush(operation: Operation): number {
    if (operation.sizeBytes > DATAGRAM_LIMIT_BYTES) return EMSGSIZE;
    const { array } = operation;
    if (array!.count > VECTORS_PER_BLOCK) {
      // More pieces than one request takes: they are put together first.
      const whole = this.host.pool.allocArray(operation.sizeBytes);
      if (whole === undefined) return ENOBUFS;
      whole.copyFromArray(array!);
      array!.free();
      operation.array = whole;
    }
    if (this.watched) return 0;
    // The first message of a socket without a name gives it one, and perhaps another family.
    const errno = (operation.flags & PUSH_TO) === 0 ? 0 : this.suit(operation.address);
    if (errno === 0) this.watched = true;
    return errno;
  }

  private wake(): void {
    if (this.scheduled || this.awaitingRoom) return;
    this.scheduled = true;
    this.host.schedule(this);
  }

  submit(): boolean {
    this.scheduled = false;
    while (this.fd >= 0 && !this.awaitingRoom && this.pushes.head !== undefined) {
      if (this.send(this.pushes.head)) continue;
      this.scheduled = true;
      return false;
    }
    return true;
  }

  /** Prepares one message. False: no message block is free. */
  private send(operation: Operation): boolean {
    const { ring, blocks } = this.host;
    const block = blocks.take();
    if (block < 0) return false;
    this.pushes.remove(operation);
    if ((operation.flags & PUSH_TO) !== 0) {
      if (!writeNative(blocks.name(block), operation.address)) {
        blocks.release(block);
        this.finishPush(operation, EINVAL);
        return true;
      }
      blocks.useName(block);
    }
    blocks.setCount(block, blocks.point(block, 0, operation.array!, 0));
    operation.mark = block;
    this.sending.push(operation);
    const tag = SEND_DATAGRAM | (operation.index << KIND_BITS);
    const at = ring.prepare(IORING_OP_SENDMSG, this.fd, this.id, tag);
    ring.setAddressHalves(at, blocks.baseLow, blocks.baseHigh, blocks.offset(block));
    ring.words[at + SQE_LENGTH] = 1;
    ring.words[at + SQE_OPERATION_FLAGS] = FLAGS;
    this.host.add(SENDS, 1);
    return true;
  }

  private sent(operation: Operation, result: number): void {
    this.host.blocks.release(operation.mark);
    this.sending.remove(operation);
    if (this.fd < 0) {
      this.finishPush(operation, ECANCELED);
      return;
    }
    if (result === -EAGAIN || result === -EINTR) {
      // Behind what was pushed since: datagrams may overtake one another anyway.
      this.pushes.push(operation);
      if (result === -EAGAIN) this.awaitRoom();
      else this.wake();
      return;
    }
    if (result > 0) this.host.add(SENT_BYTES, result);
    operation.doneBytes = Math.max(result, 0);
    this.finishPush(operation, result < 0 ? -result : 0);
  }

  private awaitRoom(): void {
    if (this.awaitingRoom) return;
    this.awaitingRoom = true;
    const { ring } = this.host;
    const at = ring.prepare(IORING_OP_POLL_ADD, this.fd, this.id, WRITABLE);
    ring.words[at + SQE_OPERATION_FLAGS] = POLLOUT;
  }

  private roomFound(): void {
    this.awaitingRoom = false;
    if (this.fd >= 0 && this.pushes.head !== undefined) this.wake();
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
    const { fd, host } = this;
    if (fd < 0) return;
    // Every operation is to be complete at the end: what is with the kernel is taken at once there, so let it be.
    if (this.sending.head !== undefined) host.settle(this.sending);
    this.fd = -1;
    if (this.standing && !this.pausing) host.ring.cancel(this.id, RECEIVE);
    if (this.awaitingRoom) host.ring.cancel(this.id, WRITABLE);
    host.close(fd);
    this.inbox.clear();
    this.end(this.pops, ECANCELED);
    this.end(this.pushes, ECANCELED);
    this.leaveRing();
  }
}
