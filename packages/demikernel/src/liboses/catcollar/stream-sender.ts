// Sending the pushes of one stream: as many as there are with one request, from where their bytes lie.

import type { ScatterGatherArray } from '@demikernel/memory';
import {
  EAGAIN,
  EINTR,
  EOPNOTSUPP,
  IORING_CQE_F_MORE,
  IORING_CQE_F_NOTIF,
  IORING_OP_SEND,
  IORING_OP_SEND_ZC,
  IORING_OP_SENDMSG,
  IORING_OP_SENDMSG_ZC,
  IORING_RECVSEND_FIXED_BUF,
  IORING_SEND_ZC_REPORT_USAGE,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SQE_HEAD,
  SQE_IOPRIO_SHIFT,
  SQE_LENGTH,
  SQE_OPERATION_FLAGS,
} from '@demikernel/native/kernel';
import type { Operation } from '../../runtime/operation.ts';
import { VECTORS_PER_BLOCK } from './message-blocks.ts';
import {
  type RingHost,
  SEND_PARTIAL,
  SENDS,
  SENT_BYTES,
  ZERO_COPY_COPIED,
  ZERO_COPY_SENDS,
} from './ring-host.ts';
import type { StreamQueue } from './stream-queue.ts';
import { KIND_BITS, SEND, SEND_HELD } from './tags.ts';

const FLAGS: number = MSG_DONTWAIT | MSG_NOSIGNAL;
/** With REPORT_USAGE a notification says whether the kernel has copied after all (IORING_NOTIF_USAGE_ZC_COPIED). */
const ZC_COPIED: number = 1 << 31;

/**
 * Zero copy takes two completions: `sent` says how much was taken, a notification that the memory is free again. Until
 * then `held` keeps references of its own, so that applications may free theirs as ever; and so it does with a polling
 * kernel thread, which sends when it pleases, perhaps after the queue is closed.
 */
export class StreamSender {
  /** A send is with the kernel. */
  underWay: boolean;
  /** The socket had no room; a poll waits for some. */
  awaitingRoom: boolean;
  private readonly host: RingHost;
  private readonly queue: StreamQueue;
  private scheduled: boolean;
  private offeredBytes: number;
  /** Message block of the send under way, or -1. */
  private block: number;
  /** The socket knows no zero copy (UNIX sockets). */
  private copiesOnly: boolean;
  private held: (ScatterGatherArray | undefined)[] | undefined;

  constructor(host: RingHost, queue: StreamQueue) {
    this.underWay = false;
    this.awaitingRoom = false;
    this.host = host;
    this.queue = queue;
    this.scheduled = false;
    this.offeredBytes = 0;
    this.block = -1;
    this.copiesOnly = false;
    this.held = undefined;
  }

  /** There may be something to send at the end of the turn. */
  wake(): void {
    if (this.scheduled || this.underWay || this.awaitingRoom) return;
    this.scheduled = true;
    this.host.schedule(this.queue);
  }

  /** Whether bytes of a push that waits are with the kernel now. */
  offers(operation: Operation): boolean {
    if (!this.underWay) return false;
    let before = 0;
    for (let push = this.queue.pushes.head; push !== undefined && push !== operation; push = push.next) {
      before += push.sizeBytes - push.doneBytes;
    }
    return before < this.offeredBytes;
  }

  /** Prepares a send. False: no message block is free, again next turn. */
  submit(): boolean {
    this.scheduled = false;
    this.advance(0);
    const head = this.queue.pushes.head;
    if (head === undefined || this.underWay || this.awaitingRoom) return true;
    const prepared =
      head.next === undefined && head.array!.count === 1 ? this.sendOne(head) : this.sendMany(head);
    this.scheduled = !prepared;
    return prepared;
  }

  /** The common case: one message in one slice. */
  private sendOne(operation: Operation): boolean {
    const { ring, blocks } = this.host;
    const slice = operation.array!.segments[0]!;
    const lengthBytes = slice.length - operation.doneBytes;
    const zeroCopy = this.suitsZeroCopy(lengthBytes);
    const tag = zeroCopy || this.host.polled ? this.hold(operation) : SEND;
    const at = ring.prepare(zeroCopy ? IORING_OP_SEND_ZC : IORING_OP_SEND, this.queue.fd, this.queue.id, tag);
    if (zeroCopy) this.reportUsage(at);
    if (zeroCopy && this.host.registered && slice.pool === blocks.pool) {
      ring.words[at + SQE_HEAD]! |= IORING_RECVSEND_FIXED_BUF << SQE_IOPRIO_SHIFT;
    }
    const offset = slice.offset + operation.doneBytes;
    if (slice.pool === blocks.pool) ring.setAddressHalves(at, blocks.poolLow, blocks.poolHigh, offset);
    else ring.setAddress(at, blocks.baseOf(slice.pool), offset);
    ring.words[at + SQE_LENGTH] = lengthBytes;
    this.begin(at, lengthBytes);
    return true;
  }

  private sendMany(head: Operation): boolean {
    const { ring, blocks } = this.host;
    const block = blocks.take();
    if (block < 0) return false;
    let vectors = 0;
    let lengthBytes = 0;
    let operation: Operation | undefined = head;
    while (operation !== undefined && vectors < VECTORS_PER_BLOCK) {
      vectors = blocks.point(block, vectors, operation.array!, operation.doneBytes);
      lengthBytes += blocks.pointedBytes;
      operation = operation.next;
    }
    blocks.setCount(block, vectors);
    this.block = block;
    const zeroCopy = this.suitsZeroCopy(lengthBytes);
    const tag = zeroCopy || this.host.polled ? this.hold(head) : SEND;
    const opcode = zeroCopy ? IORING_OP_SENDMSG_ZC : IORING_OP_SENDMSG;
    const at = ring.prepare(opcode, this.queue.fd, this.queue.id, tag);
    if (zeroCopy) this.reportUsage(at);
    ring.setAddressHalves(at, blocks.baseLow, blocks.baseHigh, blocks.offset(block));
    ring.words[at + SQE_LENGTH] = 1;
    this.begin(at, lengthBytes);
    return true;
  }

  private suitsZeroCopy(lengthBytes: number): boolean {
    return lengthBytes >= this.host.zeroCopyBytes && !this.copiesOnly;
  }

  private reportUsage(at: number): void {
    this.host.ring.words[at + SQE_HEAD]! |= IORING_SEND_ZC_REPORT_USAGE << SQE_IOPRIO_SHIFT;
    this.host.add(ZERO_COPY_SENDS, 1);
  }

  private begin(at: number, lengthBytes: number): void {
    this.host.ring.words[at + SQE_OPERATION_FLAGS] = FLAGS;
    this.offeredBytes = lengthBytes;
    this.underWay = true;
    this.host.add(SENDS, 1);
  }

  /** The kernel has taken `result` bytes, or a negative errno says why not. */
  sent(result: number): void {
    this.underWay = false;
    if (this.block >= 0) {
      this.host.blocks.release(this.block);
      this.block = -1;
    }
    const { queue } = this;
    if (queue.fd < 0) return;
    if (result === -EAGAIN) this.awaitRoom();
    else if (result === -EOPNOTSUPP && !this.copiesOnly) {
      this.copiesOnly = true;
      this.wake();
    } else if (result === -EINTR) this.wake();
    else if (result < 0) queue.fail(-result);
    else this.took(result);
  }

  private took(lengthBytes: number): void {
    const { queue, host } = this;
    const { counters } = host;
    counters[SENT_BYTES] = counters[SENT_BYTES]! + lengthBytes;
    queue.acknowledgements.taken(lengthBytes);
    this.advance(lengthBytes);
    if (lengthBytes < this.offeredBytes) {
      counters[SEND_PARTIAL] = counters[SEND_PARTIAL]! + 1;
      this.awaitRoom();
    } else if (queue.pushes.head !== undefined) this.wake();
  }

  /** Spreads taken bytes over the pushes, and ends those that are whole. */
  private advance(lengthBytes: number): void {
    const { pushes } = this.queue;
    let left = lengthBytes;
    for (let push = pushes.head; push !== undefined; push = pushes.head) {
      const wanted = push.sizeBytes - push.doneBytes;
      const taken = left < wanted ? left : wanted;
      push.doneBytes += taken;
      left -= taken;
      if (taken < wanted) return;
      pushes.remove(push);
      this.queue.pushTaken(push);
    }
    this.queue.allTaken();
  }

  private awaitRoom(): void {
    if (this.queue.pushes.head === undefined || this.awaitingRoom) return;
    this.awaitingRoom = true;
    this.queue.awaitRoom();
  }

  /** The socket has room, or an error to tell. */
  roomFound(): void {
    this.awaitingRoom = false;
    if (this.queue.fd >= 0 && this.queue.pushes.head !== undefined) this.wake();
  }

  // ---- memory that the kernel reads after the send ----

  /** References of our own to everything from `head` on that one request can take; the tag that finds them again. */
  private hold(head: Operation): number {
    const { pool } = this.host;
    const array = pool.array();
    let operation: Operation | undefined = head;
    while (operation !== undefined && array.count < VECTORS_PER_BLOCK) {
      const { segments, count } = operation.array!;
      for (let i = 0; i < count; i++) array.append(segments[i]!.share());
      operation = operation.next;
    }
    if (this.held === undefined) this.held = [];
    let place = this.held.indexOf(undefined);
    if (place < 0) place = this.held.length;
    this.held[place] = array;
    return SEND_HELD | (place << KIND_BITS);
  }

  sentHeld(place: number, result: number, flags: number): void {
    if ((flags & IORING_CQE_F_NOTIF) === 0) this.sent(result);
    else if ((result & ZC_COPIED) !== 0) this.host.add(ZERO_COPY_COPIED, 1);
    if ((flags & IORING_CQE_F_MORE) !== 0) return;
    this.held![place]!.free();
    this.held![place] = undefined;
  }
}
