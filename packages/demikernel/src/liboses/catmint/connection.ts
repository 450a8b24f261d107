// One reliable connection: credits, messages out and in, rendezvous, and the operations that wait on them.

import type { ScatterGatherArray } from '@demikernel/memory';
import { IBV_WC_RETRY_EXC_ERR, IBV_WC_SUCCESS } from '@demikernel/native/verbs';
import { Credits } from '../../rdma/credits.ts';
import {
  creditsOf,
  encodeWord,
  FLAG_DEAF,
  FLAG_ENDED,
  FLAG_MORE,
  finishedOf,
  type Greeting,
  KIND_CONTROL,
  KIND_DATA,
  KIND_RENDEZVOUS,
  kindOf,
  MOST_FINISHED,
  MOST_RENDEZVOUS_BYTES,
  PIECE_BYTES,
  rendezvousBytes,
  wordIsValid,
} from '../../rdma/wire.ts';
import { EAGAIN, ECANCELED, ECONNRESET, EISCONN, EMSGSIZE, EPIPE, ETIMEDOUT } from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_ACKED, PUSH_TO } from '../../runtime/operation.ts';
import { type Arrival, arrived, Reader, readPieces } from './inbox.ts';
import {
  CONTROL_MESSAGES,
  FAILURES,
  INLINE_MESSAGES,
  type RdmaHost,
  READS,
  RECEIVED_BYTES,
  RECEIVED_MESSAGES,
  RENDEZVOUS,
  SENT_BYTES,
  SENT_MESSAGES,
  VIOLATIONS,
} from './rdma-host.ts';
import { SendQueue } from './send-queue.ts';

/** Pushes, and pops, that may wait on one queue; one more fails with EAGAIN. */
export const MAX_WAITING = 1024;

export interface ConnectionOptions {
  id: number;
  queuePair: number;
  number: number;
  /** What the peer has said, and how many receives it has been promised. */
  peer: Greeting;
  window: number;
  sendBufferBytes: number;
  receiveBufferBytes: number;
}

/** The connection outlives its queue until what it has sent has arrived. */
export class RdmaConnection {
  sendBufferBytes: number;
  receiveBufferBytes: number;
  private readonly host: RdmaHost;
  private readonly id: number;
  private readonly number: number;
  private readonly peer: Greeting;
  private readonly credits: Credits;
  private readonly sends: SendQueue;
  private readonly reader: Reader;
  private readonly pops: OperationList;
  private readonly pushes: OperationList;
  /** Acknowledged pushes whose last request is under way, by `mark`. */
  private readonly unacknowledged: OperationList;
  private readonly inbox: Arrival[];
  /** A message of which not everything has arrived. */
  private partial: ScatterGatherArray | undefined;
  /** Arrays that the peer reads, in order. */
  private readonly lent: ScatterGatherArray[];
  private lentBytes: number;
  /** Rendezvous messages read and not told. */
  private finished: number;
  /** Byte of the first push's segment at which it goes on. */
  private segmentAt: number;
  private ownState: number;
  private toldState: number;
  private peerState: number;
  private receiveFailure: number;
  private sendFailure: number;
  private deaf: boolean;
  private ending: boolean;
  private closed: boolean;
  private gone: boolean;
  private disconnected: boolean;
  /** The last thing said is on its way. */
  private lastWord: number;

  constructor(host: RdmaHost, options: ConnectionOptions) {
    const { peer } = options;
    this.sendBufferBytes = options.sendBufferBytes;
    this.receiveBufferBytes = options.receiveBufferBytes;
    this.host = host;
    this.id = options.id;
    this.number = options.number;
    this.peer = peer;
    this.credits = new Credits(peer.credits, options.window);
    this.sends = new SendQueue(host, options.queuePair);
    this.reader = new Reader(host, this.sends, peer.base, peer.key);
    this.pops = new OperationList();
    this.pushes = new OperationList();
    this.unacknowledged = new OperationList();
    this.inbox = [];
    this.partial = undefined;
    this.lent = [];
    this.lentBytes = 0;
    this.finished = 0;
    this.segmentAt = 0;
    this.ownState = 0;
    this.toldState = 0;
    this.peerState = 0;
    this.receiveFailure = 0;
    this.sendFailure = 0;
    this.deaf = false;
    this.ending = false;
    this.closed = false;
    this.gone = false;
    this.disconnected = false;
    this.lastWord = -1;
    host.enter(options.number, this);
  }

  // ---- turns ----

  /** Whether `turn` may have something to do. */
  get busy(): boolean {
    return (
      this.closed ||
      this.pushes.head !== undefined ||
      this.ownState !== this.toldState ||
      this.finished > 0 ||
      this.credits.worthControl ||
      (this.inbox.length > 0 && (this.pops.head !== undefined || this.inbox[0]!.pieces !== undefined))
    );
  }

  turn(): number {
    if (this.gone) return 0;
    let work = 0;
    if (this.inbox.length > 0) {
      this.readAhead();
      work += this.servePops();
    }
    if (this.pushes.head !== undefined) work += this.servePushes();
    work += this.control();
    if (this.closed) this.leaveIfDone();
    return work;
  }

  /** Says what no message has carried, if it is worth one of its own. */
  private control(): number {
    const { credits, sends } = this;
    const due = this.finished > 0 || this.ownState !== this.toldState || credits.worthControl;
    if (!due || this.disconnected || credits.available === 0 || !sends.hasRoom) return 0;
    // Without a receive posted for it, a word that gives nothing back would only be answered.
    if (this.finished === 0 && this.ownState === this.toldState && this.host.unpromised === 0) return 0;
    this.host.add(CONTROL_MESSAGES, 1);
    this.post(KIND_CONTROL, 0, 0, this.ownState !== this.toldState);
    return 1;
  }

  /** Posts a message of what was added to the send queue. False: the connection is over. */
  private post(kind: number, lengthBytes: number, flags: number, told: boolean): boolean {
    const { credits, host } = this;
    const given = credits.takeOwed(host.unpromised);
    host.unpromised -= given;
    const finished = Math.min(this.finished, MOST_FINISHED);
    const word = encodeWord(kind, flags | this.ownState, given, finished);
    const errno = this.sends.send(word, lengthBytes, told);
    if (errno !== 0) {
      this.fail(ECONNRESET);
      return false;
    }
    credits.available--;
    this.finished -= finished;
    this.toldState = this.ownState;
    if (told) this.lastWord = this.sends.last;
    return true;
  }

  // ---- completions ----

  sendCompleted(number: number, status: number): void {
    if (status !== IBV_WC_SUCCESS) {
      this.fail(status === IBV_WC_RETRY_EXC_ERR ? ETIMEDOUT : ECONNRESET);
      return;
    }
    this.sends.complete(number);
    for (let push = this.unacknowledged.head; push !== undefined; push = this.unacknowledged.head) {
      if (!this.sends.isDone(push.mark)) break;
      this.unacknowledged.remove(push);
      this.finishPush(push, 0);
    }
    if (this.inbox.length > 0) {
      this.readAhead();
      this.servePops();
    }
    if (this.pushes.head !== undefined) this.servePushes();
  }

  receiveFailed(_status: number): void {
    this.credits.received();
    this.fail(ECONNRESET);
  }

  /** A message without the word: nobody of ours has sent it. */
  receivedAlien(slot: number): void {
    this.credits.received();
    this.host.pool.release(slot);
    this.violate();
  }

  /** A message, in a slot whose reference is ours. */
  received(slot: number, lengthBytes: number, word: number): void {
    const { credits, host } = this;
    const { pool } = host;
    if (!credits.received() || !wordIsValid(word) || !credits.give(creditsOf(word)) || this.gone) {
      pool.release(slot);
      this.violate();
      return;
    }
    const finished = finishedOf(word);
    if (finished > this.lent.length) {
      pool.release(slot);
      this.violate();
      return;
    }
    for (let i = 0; i < finished; i++) this.takeBackLent();
    const kind = kindOf(word);
    if (kind === KIND_CONTROL) {
      credits.owedControl++;
      pool.release(slot);
    } else if (this.deaf || (this.peerState & FLAG_ENDED) !== 0) {
      credits.owedData++;
      pool.release(slot);
      if (kind === KIND_RENDEZVOUS) this.finished++;
    } else if (kind === KIND_DATA) this.inbox.push(arrived(host, slot, lengthBytes, word));
    else if (!this.describe(slot, lengthBytes)) return;
    this.peerChanged(word & (FLAG_ENDED | FLAG_DEAF));
    if (this.inbox.length > 0) {
      this.readAhead();
      this.servePops();
    } else this.servePops();
    if (this.pushes.head !== undefined) this.servePushes();
  }

  /** A message that lies in the peer's memory. False: it cannot. */
  private describe(slot: number, lengthBytes: number): boolean {
    const { host, peer } = this;
    const { pool } = host;
    const offset = pool.slotOffset(slot);
    const { view } = pool.region;
    const total = peer.key === 0 ? -1 : rendezvousBytes(view, offset, lengthBytes, peer.lengthBytes);
    if (total > 0) {
      const pieces = readPieces(view, offset, lengthBytes);
      this.inbox.push({ array: undefined, more: false, pieces, lengthBytes: total, lastRead: -1 });
    }
    pool.release(slot);
    if (total <= 0) this.violate();
    return total > 0;
  }

  private peerChanged(state: number): void {
    if (state === this.peerState) return;
    this.peerState |= state;
    if ((state & FLAG_DEAF) !== 0) this.failSending(EPIPE);
  }

  private takeBackLent(): void {
    const array = this.lent.shift()!;
    this.lentBytes -= array.lengthBytes;
    array.free();
  }

  /** The peer does not keep to the rules: this connection is over, and nothing else. */
  private violate(): void {
    if (!this.gone) this.host.add(VIOLATIONS, 1);
    this.fail(ECONNRESET);
  }

  /** The connection is over. */
  private fail(errno: number): void {
    if (this.disconnected) return;
    this.host.add(FAILURES, 1);
    this.over(errno);
  }

  /** The connection manager says that the other end is gone. */
  peerGone(): void {
    if (this.disconnected) return;
    this.over((this.peerState & FLAG_ENDED) !== 0 ? 0 : ECONNRESET);
  }

  private over(errno: number): void {
    this.disconnected = true;
    if (this.receiveFailure === 0) this.receiveFailure = errno;
    // What is read from the peer's memory will not come any more.
    const unread = this.inbox.findIndex(arrival => arrival.pieces !== undefined);
    if (unread >= 0) {
      this.receiveFailure = ECONNRESET;
      for (const { array } of this.inbox.splice(unread)) array?.free();
      this.reader.arrival = undefined;
    }
    this.host.door.manager.disconnect(this.id);
    this.failSending(errno !== 0 ? errno : EPIPE);
    this.servePops();
    if (this.closed) this.destroy();
  }

  private failSending(errno: number): void {
    if (this.sendFailure === 0) this.sendFailure = errno;
    this.endPushes(this.sendFailure);
    for (let push = this.unacknowledged.shift(); push !== undefined; push = this.unacknowledged.shift())
      this.finishPush(push, this.sendFailure);
  }

  private endPushes(errno: number): void {
    this.segmentAt = 0;
    for (let push = this.pushes.shift(); push !== undefined; push = this.pushes.shift())
      this.finishPush(push, errno);
  }

  // ---- receiving ----

  pop(operation: Operation): void {
    if (this.pops.head === undefined && this.receive(operation)) return;
    if (this.pops.count === MAX_WAITING) this.host.runtime.operations.complete(operation, EAGAIN);
    else this.pops.push(operation);
  }

  private servePops(): number {
    let served = 0;
    while (this.pops.head !== undefined && this.receive(this.pops.head)) served++;
    return served;
  }

  /** Reads the first message that lies in the peer's memory, when it is at the head. */
  private readAhead(): void {
    const arrival = this.inbox[0]!;
    if (arrival.pieces === undefined || this.disconnected) return;
    if (this.reader.arrival !== arrival && !this.reader.begin(arrival)) return;
    if (arrival.lastRead < 0) {
      if (this.reader.advance() !== 0) {
        this.fail(ECONNRESET);
        return;
      }
      this.host.add(READS, 1);
    }
    if (arrival.lastRead >= 0 && this.sends.isDone(arrival.lastRead)) {
      arrival.pieces = undefined;
      this.reader.arrival = undefined;
      this.finished++;
    }
  }

  private receive(operation: Operation): boolean {
    const array = this.peer.message ? this.takeMessage() : this.takeBytes(operation.sizeBytes);
    if (array === undefined) return this.receiveNothing(operation);
    if (this.peer.message && operation.sizeBytes > 0) array.truncate(operation.sizeBytes);
    this.host.add(RECEIVED_MESSAGES, 1);
    this.host.add(RECEIVED_BYTES, array.lengthBytes);
    if (operation.list !== undefined) this.pops.remove(operation);
    operation.array = array;
    this.host.runtime.operations.complete(operation, 0);
    return true;
  }

  private takeMessage(): ScatterGatherArray | undefined {
    while (this.inbox.length > 0 && this.inbox[0]!.pieces === undefined) {
      const { array, more } = this.takeArrival();
      if (this.partial === undefined) this.partial = array!;
      else this.join(this.partial, array!);
      if (!more) {
        const whole = this.partial;
        this.partial = undefined;
        return whole;
      }
      if (this.partial.lengthBytes > MOST_RENDEZVOUS_BYTES) {
        this.violate();
        return undefined;
      }
    }
    return undefined;
  }

  private join(to: ScatterGatherArray, from: ScatterGatherArray): void {
    for (let i = 0; i < from.count; i++) to.append(from.segments[i]!.share());
    from.free();
  }

  private takeArrival(): Arrival {
    const arrival = this.inbox.shift()!;
    this.credits.owedData++;
    if (this.inbox.length > 0) this.readAhead();
    return arrival;
  }

  private takeBytes(sizeBytes: number): ScatterGatherArray | undefined {
    const arrival = this.inbox[0];
    if (arrival === undefined || arrival.pieces !== undefined) return undefined;
    const array = arrival.array!;
    if (sizeBytes === 0 || arrival.lengthBytes <= sizeBytes) return this.takeArrival().array;
    const { pool } = this.host;
    const head = pool.array();
    const rest = pool.array();
    let left = sizeBytes;
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!;
      const here = Math.min(left, slice.length);
      if (here > 0) head.append(slice.sub(0, here));
      if (here < slice.length) rest.append(slice.sub(here, slice.length - here));
      left -= here;
    }
    array.free();
    arrival.array = rest;
    arrival.lengthBytes -= sizeBytes;
    return head;
  }

  private receiveNothing(operation: Operation): boolean {
    const ended = this.inbox.length === 0 && (this.peerState & FLAG_ENDED) !== 0;
    if (!ended && this.receiveFailure === 0 && !this.deaf) return false;
    if (operation.list !== undefined) this.pops.remove(operation);
    const errno = this.deaf || ended ? 0 : this.receiveFailure;
    if (errno === 0) operation.array = this.host.pool.array();
    this.host.runtime.operations.complete(operation, errno);
    return true;
  }

  // ---- sending ----

  push(operation: Operation): void {
    const errno = this.whyNotPush(operation);
    if (errno !== 0) this.finishPush(operation, errno);
    else if (this.pushes.head === undefined && this.send(operation)) return;
    else if (this.sendFailure !== 0) this.finishPush(operation, this.sendFailure);
    else if (this.pushes.count === MAX_WAITING) this.finishPush(operation, EAGAIN);
    else this.pushes.push(operation);
  }

  private whyNotPush(operation: Operation): number {
    if (this.sendFailure !== 0) return this.sendFailure;
    if (this.ending) return EPIPE;
    if ((operation.flags & PUSH_TO) !== 0) return EISCONN;
    return this.peer.message && operation.array!.lengthBytes > MOST_RENDEZVOUS_BYTES ? EMSGSIZE : 0;
  }

  private servePushes(): number {
    let sent = 0;
    while (this.pushes.head !== undefined && this.send(this.pushes.head)) sent++;
    return sent;
  }

  /** Posts what there is room for of a push, on the list or not. True: the push is over. */
  private send(operation: Operation): boolean {
    const array = operation.array!;
    const total = array.lengthBytes;
    if (total === 0 && !this.peer.message) return this.sent(operation);
    if (operation.doneBytes === 0 && this.lends(operation, array, total)) {
      const over = this.lend(array, total);
      if (!over) return false;
      operation.doneBytes = total;
      return this.sent(operation);
    }
    for (;;) {
      if (this.sendFailure !== 0 || !this.credits.canSendData || !this.sends.hasRoom) return false;
      const length = this.gather(operation, array, total);
      operation.doneBytes += length;
      const last = operation.doneBytes === total;
      if (length <= this.host.inlineBytes) this.host.add(INLINE_MESSAGES, 1);
      const told = last && (operation.flags & PUSH_ACKED) !== 0;
      // A failure ends every push on the list, and this one here.
      if (!this.post(KIND_DATA, length, last ? 0 : FLAG_MORE, told)) return this.unsent(operation);
      if (last) return this.sent(operation);
    }
  }

  private unsent(operation: Operation): boolean {
    if (operation.array !== undefined) this.finishPush(operation, this.sendFailure);
    return true;
  }

  /** Adds the next bytes of a push, as many as one message takes. */
  private gather(operation: Operation, array: ScatterGatherArray, total: number): number {
    const most = Math.min(this.peer.slotBytes, total - operation.doneBytes);
    let length = 0;
    while (length < most && this.sends.piecesLeft > 0) {
      const slice = array.segments[operation.mark]!;
      const here = Math.min(slice.length - this.segmentAt, most - length);
      if (here > 0) this.sends.add(slice.slot, slice.offset + this.segmentAt, here);
      length += here;
      this.segmentAt += here;
      if (this.segmentAt === slice.length) {
        operation.mark++;
        this.segmentAt = 0;
      }
    }
    return length;
  }

  /** Whether a push is better read by the peer. */
  private lends(operation: Operation, array: ScatterGatherArray, total: number): boolean {
    const { host } = this;
    return (
      total > host.rendezvousBytes &&
      total <= MOST_RENDEZVOUS_BYTES &&
      host.door.device.remoteKey !== 0 &&
      (operation.flags & PUSH_ACKED) === 0 &&
      array.count * PIECE_BYTES <= Math.min(this.peer.slotBytes, host.pool.slotSizeBytes)
    );
  }

  /** Sends the description of an array, which stays where it is until the peer has read it. False: not now. */
  private lend(array: ScatterGatherArray, total: number): boolean {
    const { host, lent } = this;
    const { pool } = host;
    if (!this.credits.canSendData || !this.sends.hasRoom) return false;
    if (lent.length === MOST_FINISHED || (lent.length > 0 && this.lentBytes + total > this.sendBufferBytes))
      return false;
    const slot = pool.allocReserved();
    if (slot < 0) return false;
    const { view } = pool.region;
    const start = pool.slotOffset(slot);
    let at = start;
    let end = -1;
    for (let i = 0; i < array.count; i++) {
      const { offset, length } = array.segments[i]!;
      if (length === 0) continue;
      // Pieces that lie side by side are one.
      if (offset === end) view.setUint32(at - 4, view.getUint32(at - 4, true) + length, true);
      else {
        view.setUint32(at, offset, true);
        view.setUint32(at + 4, length, true);
        at += PIECE_BYTES;
      }
      end = offset + length;
    }
    lent.push(array.share());
    this.lentBytes += total;
    this.sends.add(slot, start, at - start);
    const posted = this.post(KIND_RENDEZVOUS, at - start, 0, false);
    pool.release(slot);
    if (posted) host.add(RENDEZVOUS, 1);
    return posted;
  }

  private sent(operation: Operation): boolean {
    const { host } = this;
    host.add(SENT_MESSAGES, 1);
    host.add(SENT_BYTES, operation.doneBytes);
    this.segmentAt = 0;
    if (operation.list !== undefined) this.pushes.remove(operation);
    if (operation.list === undefined && (operation.flags & PUSH_ACKED) !== 0 && operation.doneBytes > 0) {
      operation.mark = this.sends.last;
      this.unacknowledged.push(operation);
    } else this.finishPush(operation, 0);
    if (this.ending && this.pushes.head === undefined) this.ownState |= FLAG_ENDED;
    return true;
  }

  private finishPush(operation: Operation, errno: number): void {
    const { array } = operation;
    operation.array = undefined;
    array?.free();
    this.host.runtime.operations.complete(operation, errno);
  }

  // ---- the end ----

  endReceiving(): void {
    this.deaf = true;
    this.drop();
    this.servePops();
  }

  endSending(): void {
    this.ending = true;
    if (this.pushes.head === undefined) this.ownState |= FLAG_ENDED;
    this.control();
  }

  private drop(): void {
    for (const arrival of this.inbox) {
      this.credits.owedData++;
      if (arrival.pieces !== undefined) this.finished++;
      arrival.array?.free();
    }
    this.inbox.length = 0;
    this.reader.arrival = undefined;
    this.partial?.free();
    this.partial = undefined;
  }

  cancel(operation: Operation): boolean {
    const { list } = operation;
    if (list !== this.pops && (list !== this.pushes || operation.doneBytes > 0)) return false;
    list.remove(operation);
    this.finishPush(operation, ECANCELED);
    return true;
  }

  /** The queue is gone. @param reset what is under way is not wanted any more */
  close(reset: boolean): void {
    this.closed = true;
    this.endPushes(ECANCELED);
    for (let push = this.unacknowledged.shift(); push !== undefined; push = this.unacknowledged.shift())
      this.finishPush(push, ECANCELED);
    for (let pop = this.pops.shift(); pop !== undefined; pop = this.pops.shift())
      this.finishPush(pop, ECANCELED);
    this.deaf = true;
    this.drop();
    if (reset || this.disconnected) {
      if (!this.disconnected) this.host.door.manager.disconnect(this.id);
      this.destroy();
      return;
    }
    this.ownState |= FLAG_ENDED | FLAG_DEAF;
    this.turn();
  }

  private leaveIfDone(): void {
    if (this.gone) return;
    const said = this.toldState === this.ownState && this.sends.isDone(Math.max(this.lastWord, 0));
    // A peer that hears nothing any more reads nothing either.
    const read = this.lent.length === 0 || (this.peerState & FLAG_DEAF) !== 0;
    if (!said || !read || this.sends.underWay > 0) return;
    this.host.door.manager.disconnect(this.id);
    this.destroy();
  }

  /** Gives everything back, at once. */
  destroy(): void {
    if (this.gone) return;
    this.gone = true;
    this.disconnected = true;
    const { host } = this;
    host.door.manager.destroyQueuePair(this.id);
    host.leave(this.number, this);
    host.unpromised += this.credits.promised;
    host.forget(this.id);
    this.sends.abandon();
    while (this.lent.length > 0) this.takeBackLent();
    this.drop();
  }
}
