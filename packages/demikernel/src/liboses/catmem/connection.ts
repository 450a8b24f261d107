// One connection: two rings in shared memory, the rendezvous socket beside them, and the operations that wait on them.

import { copyBetween } from '@demikernel/memory';
import type { MemoryMap } from '@demikernel/native/kernel';
import { EAGAIN, ECANCELED, ECONNRESET, EISCONN, EMSGSIZE, ENOBUFS, EPIPE } from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_ACKED, PUSH_TO } from '../../runtime/operation.ts';
import {
  blockWords,
  FLAG_MORE,
  STATE_DEAF,
  STATE_ENDED,
  STATE_RESET,
  WANTS_SLOTS,
} from '../../shm/layout.ts';
import { ReceiveRing, type ReturnListener } from '../../shm/receive-ring.ts';
import { SendRing, VIOLATED } from '../../shm/send-ring.ts';
import { Inbox } from './inbox.ts';
import {
  DEAD_PEERS,
  type MemoryHost,
  RECEIVED_BYTES,
  RECEIVED_MESSAGES,
  SENT_BYTES,
  SENT_MESSAGES,
  VIOLATIONS,
  WAKE_UPS,
  type Watched,
} from './memory-host.ts';
import type { Kind } from './names.ts';
import type { PeerMemory } from './peer-memory.ts';

/** Pushes, and pops, that may wait on one queue; one more fails with EAGAIN. */
export const MAX_WAITING = 1024;
/** Bytes on their way to the peer at most, and what the peer is allowed, unless the buffers are set. */
export const DEFAULT_BUFFER_BYTES: number = 4 << 20;

/** Slots on their way up to which a message is published at once. */
const PROMPT_SLOTS = 8;

/** Wake-ups that are read from a socket in one go. */
const MOST_WAKE_UPS = 64;

const NOTHING = new Int32Array(0);

export interface ConnectionOptions {
  kind: Kind;
  /** The rendezvous socket, watched on the connection's behalf from now on. */
  fd: number;
  /** The rings. */
  memory: MemoryMap;
  capacity: number;
  /** Whether this end connected: which of the two blocks is ours. */
  connector: boolean;
  peer: PeerMemory;
  sendBufferBytes: number;
  receiveBufferBytes: number;
}

/**
 * The connection outlives its queue until the peer has given back what is on its way to it, and the application what
 * the peer has lent.
 */
export class Connection implements Watched, ReturnListener {
  /** In the host's list of those with something to publish. */
  unpublished: boolean;
  sendBufferBytes: number;
  readonly peer: PeerMemory;
  private readonly host: MemoryHost;
  private readonly message: boolean;
  private readonly memory: MemoryMap;
  private words: Int32Array;
  private readonly peerWantsAt: number;
  private readonly ownWantsAt: number;
  private readonly sender: SendRing;
  private readonly receiver: ReceiveRing;
  private readonly inbox: Inbox;
  private readonly pops: OperationList;
  private readonly pushes: OperationList;
  private fd: number;
  /** What we have told the peer, and what it has told us: STATE_… bits. */
  private ownState: number;
  private peerState: number;
  private peerDead: boolean;
  /** Why receiving, and sending, is over; or 0. */
  private receiveFailure: number;
  private sendFailure: number;
  /** Nobody wants what arrives: SHUT_RD, or the queue is closed. */
  private deaf: boolean;
  /** SHUT_WR: the end goes out behind what waits. */
  private ending: boolean;
  private closed: boolean;
  /** The peer has broken the rules. */
  private broken: boolean;
  private wantsSlots: boolean;

  constructor(host: MemoryHost, options: ConnectionOptions) {
    const { memory, capacity, connector, peer } = options;
    const words = memory.signedWords(0, memory.lengthBytes >> 2);
    const block = blockWords(capacity);
    const ownAt = connector ? 0 : block;
    const peerAt = connector ? block : 0;
    const place = { words, ownAt, peerAt, capacity };
    this.unpublished = false;
    this.sendBufferBytes = options.sendBufferBytes;
    this.peer = peer;
    this.host = host;
    this.message = options.kind === 'message';
    this.memory = memory;
    this.words = words;
    this.peerWantsAt = peerAt + WANTS_SLOTS;
    this.ownWantsAt = ownAt + WANTS_SLOTS;
    this.sender = new SendRing(place, host.pool);
    this.receiver = new ReceiveRing(place, { region: peer.region, debug: host.debug, listener: this });
    this.inbox = new Inbox(host, this.receiver, capacity, this.message);
    this.pops = new OperationList();
    this.pushes = new OperationList();
    this.fd = options.fd;
    this.ownState = 0;
    this.peerState = 0;
    this.peerDead = false;
    this.receiveFailure = 0;
    this.sendFailure = 0;
    this.deaf = false;
    this.ending = false;
    this.closed = false;
    this.broken = false;
    this.wantsSlots = false;
    this.receiver.setWindow(options.receiveBufferBytes);
    host.enter(this);
  }

  set receiveBufferBytes(bytes: number) {
    if (!this.closed) this.receiver.setWindow(bytes);
  }

  // ---- turns ----

  /** Looks at the shared memory. Returns how much there was to do. */
  poll(): number {
    const { sender } = this;
    let work = 0;
    // The state comes first: what a peer that has reset gives back completes no push any more.
    const state = this.receiver.peerState;
    if (state !== this.peerState) {
      this.peerChanged(state);
      work++;
    }
    if (this.pops.head !== undefined) {
      work += this.servePops();
      // Somebody waits for what has come; slots are taken back in a turn that has nothing better to do.
      if (work !== 0 && sender.free > sender.capacity >> 1 && this.pushes.head === undefined) return work;
    } else if (this.deaf && this.receiver.ready) work += this.inbox.discard();
    if (sender.free !== sender.capacity && sender.hasReturns()) {
      const count = sender.takeReturns();
      if (count === VIOLATED) this.violate();
      else work += count;
      if (this.pushes.head !== undefined) this.servePushes();
      else this.wantSlots(this.closed);
    }
    if (this.receiver.violated) {
      this.violate();
      this.servePops();
    }
    if (this.closed) this.leaveIfDone();
    return work;
  }

  /** Whether a poll would find something: asked once before sleeping. */
  hasWork(): boolean {
    const { sender, receiver } = this;
    const { pool } = this.host;
    // An application that waits for memory waits for its peers.
    if (sender.free !== sender.capacity && pool.freeSlots < pool.slotCount >> 3) this.wantSlots(true);
    return (
      (sender.free !== sender.capacity && sender.hasReturns()) ||
      receiver.peerState !== this.peerState ||
      ((this.pops.head !== undefined || this.deaf) && receiver.ready)
    );
  }

  /** The peer sees what was pushed and what was given back, and is woken if it sleeps. */
  publish(): void {
    if (this.fd < 0) return;
    // The mark of what was sent is stored with a barrier, and stands for both.
    const returned = this.receiver.publish(!this.sender.unpublished);
    const sent = this.sender.publish();
    // Slots alone wake a sleeper only if it waits for some.
    if (sent || (returned && this.words[this.peerWantsAt] !== 0)) this.ring();
  }

  private ring(): void {
    if (this.peerDead || !this.peer.bell.mustRing) return;
    this.host.add(WAKE_UPS, 1);
    this.host.greeter.ring(this.fd);
  }

  /** A slot of the peer's is free again. */
  slotsReturned(): void {
    if (this.fd >= 0) this.host.touch(this);
  }

  /** The socket: bytes that woke us, or its end. */
  ready(): void {
    const { host, fd } = this;
    let length = 1;
    for (let count = 0; length > 0; count++) {
      // Not for ever: a peer could write as fast as we read.
      if (count === MOST_WAKE_UPS) {
        host.watchAgain(fd);
        return;
      }
      length = host.greeter.drain(fd);
    }
    if (length !== -EAGAIN) this.peerDied();
  }

  private peerDied(): void {
    if (this.peerDead) return;
    this.peerDead = true;
    this.peerChanged(this.receiver.peerState);
    if ((this.peerState & STATE_ENDED) === 0) {
      this.host.add(DEAD_PEERS, 1);
      if (this.receiveFailure === 0) this.receiveFailure = ECONNRESET;
    }
    this.failSending((this.peerState & STATE_DEAF) === 0 ? ECONNRESET : EPIPE);
    this.sender.reclaim();
    this.servePops();
    if (this.closed) this.leaveIfDone();
  }

  private peerChanged(state: number): void {
    this.peerState = state;
    if ((state & STATE_RESET) !== 0) {
      this.receiveFailure = ECONNRESET;
      this.failSending(ECONNRESET);
      this.inbox.drop();
      this.servePops();
    } else if ((state & STATE_DEAF) !== 0) this.failSending(EPIPE);
  }

  /** The peer does not keep to the rules: this connection is over, and nothing else. */
  private violate(): void {
    if (this.broken) return;
    this.broken = true;
    this.host.add(VIOLATIONS, 1);
    this.announce(STATE_ENDED | STATE_DEAF | STATE_RESET);
    this.receiveFailure = ECONNRESET;
    this.receiver.violated = true;
    this.peerDead = true;
    this.failSending(ECONNRESET);
    this.sender.reclaim();
    this.inbox.drop();
  }

  private failSending(errno: number): void {
    if (this.sendFailure === 0) this.sendFailure = errno;
    this.endPushes(this.sendFailure);
  }

  private endPushes(errno: number): void {
    for (let push = this.pushes.shift(); push !== undefined; push = this.pushes.shift()) {
      this.finishPush(push, errno);
    }
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

  /** Tries to finish a pop, on the list or not. False: nothing has arrived. */
  private receive(operation: Operation): boolean {
    const { inbox } = this;
    const mine = inbox.take(operation.sizeBytes);
    if (this.receiver.violated) this.violate();
    if (mine === undefined) return !inbox.waitsForMemory && this.receiveNothing(operation);
    const { counters } = this.host;
    counters[RECEIVED_MESSAGES] = counters[RECEIVED_MESSAGES]! + 1;
    counters[RECEIVED_BYTES] = counters[RECEIVED_BYTES]! + mine.lengthBytes;
    if (operation.list !== undefined) this.pops.remove(operation);
    operation.array = mine;
    this.host.runtime.operations.complete(operation, 0);
    return true;
  }

  private receiveNothing(operation: Operation): boolean {
    const over = this.receiveFailure !== 0 || this.deaf || (this.peerState & STATE_ENDED) !== 0;
    if (!over) return false;
    if (operation.list !== undefined) this.pops.remove(operation);
    const errno = this.deaf ? 0 : this.receiveFailure;
    if (errno === 0) operation.array = this.host.pool.array();
    this.host.runtime.operations.complete(operation, errno);
    return true;
  }

  // ---- sending ----

  push(operation: Operation): void {
    const errno = this.whyNotPush(operation);
    if (errno !== 0) this.finishPush(operation, errno);
    else if (this.pushes.head === undefined && this.send(operation)) return;
    else if (this.pushes.count === MAX_WAITING) this.finishPush(operation, EAGAIN);
    else this.pushes.push(operation);
  }

  private whyNotPush(operation: Operation): number {
    if (this.sendFailure !== 0) return this.sendFailure;
    if (this.ending) return EPIPE;
    if ((operation.flags & PUSH_TO) !== 0) return EISCONN;
    const array = operation.array!;
    // A message is received whole, so it must not need more ids than there are.
    if (this.message && array.count > this.sender.capacity >> 1) return EMSGSIZE;
    for (let i = 0; i < array.count; i++) {
      if (array.segments[i]!.pool !== this.host.pool) return this.own(operation);
    }
    return 0;
  }

  /** A Gatherable may bring slices of another pool, which the peer does not see: they are copied. 0 or an errno. */
  private own(operation: Operation): number {
    const array = operation.array!;
    const { pool } = this.host;
    const copy = pool.array();
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!;
      if (slice.pool === pool) {
        copy.append(slice.share());
        continue;
      }
      for (let at = 0; at < slice.length; at += pool.capacityBytes) {
        const piece = pool.alloc(Math.min(slice.length - at, pool.capacityBytes));
        if (piece === undefined) {
          copy.free();
          return ENOBUFS;
        }
        copyBetween(pool.region, piece.offset, slice.pool.region, slice.offset + at, piece.length);
        copy.append(piece);
      }
    }
    array.free();
    operation.array = copy;
    return 0;
  }

  private servePushes(): void {
    while (this.pushes.head !== undefined) {
      if (!this.send(this.pushes.head)) return;
    }
    this.wantSlots(this.closed);
    if (this.ending && (this.ownState & STATE_ENDED) === 0) this.announce(STATE_ENDED);
  }

  private wantSlots(wanted: boolean): void {
    if (wanted === this.wantsSlots) return;
    this.wantsSlots = wanted;
    Atomics.store(this.words, this.ownWantsAt, wanted ? 1 : 0);
  }

  /** Puts what there is room for of a push, on the list or not. True: the push is over. */
  private send(operation: Operation): boolean {
    const { sender, host } = this;
    const array = operation.array!;
    let last = array.count - 1;
    while (last > 0 && array.segments[last]!.length === 0) last--;
    for (let i = operation.mark; i <= last; i++) {
      const slice = array.segments[i]!;
      const { length } = slice;
      if (length === 0 && (!this.message || i < last)) continue;
      if (!this.hasRoom(length, i)) {
        operation.mark = i;
        this.wantSlots(true);
        host.touch(this);
        return false;
      }
      host.pool.retain(slice.slot);
      sender.put(slice.slot, slice.offset, length, i < last ? FLAG_MORE : 0);
      operation.doneBytes += length;
    }
    if (operation.list !== undefined) this.pushes.remove(operation);
    const { counters } = host;
    counters[SENT_MESSAGES] = counters[SENT_MESSAGES]! + 1;
    counters[SENT_BYTES] = counters[SENT_BYTES]! + operation.doneBytes;
    // An acknowledged push: the peer has what lies in its memory, even if we die now. A message that is nearly alone on its way
    // is likely waited for; one of many goes with the others, at the end of the turn.
    if ((operation.flags & PUSH_ACKED) !== 0 || sender.inFlight <= PROMPT_SLOTS) {
      // Slots to give back go at the end of the turn: nobody waits for them as for an answer.
      if (sender.publish()) this.ring();
    } else host.touch(this);
    this.finishPush(operation, 0);
    return true;
  }

  private hasRoom(lengthBytes: number, index: number): boolean {
    const { sender } = this;
    if (this.fits(lengthBytes, index)) return true;
    if (!sender.hasReturns()) return false;
    if (sender.takeReturns() === VIOLATED) return false; // The next poll says so.
    return this.fits(lengthBytes, index);
  }

  private fits(lengthBytes: number, index: number): boolean {
    const { sender } = this;
    if (sender.free === 0) return false;
    if (sender.inFlightBytes === 0 || (this.message && index > 0)) return true;
    const bytes = sender.inFlightBytes + lengthBytes;
    return bytes <= this.sendBufferBytes && bytes <= sender.windowBytes;
  }

  private finishPush(operation: Operation, errno: number): void {
    const { array } = operation;
    operation.array = undefined;
    array?.free();
    this.host.runtime.operations.complete(operation, errno);
  }

  // ---- the end ----

  /** SHUT_RD: what arrives is thrown away, and every pop is at the end of the stream. */
  endReceiving(): void {
    this.deaf = true;
    this.inbox.drop();
    this.servePops();
  }

  /** SHUT_WR: behind what waits. */
  endSending(): void {
    this.ending = true;
    if (this.pushes.head === undefined && (this.ownState & STATE_ENDED) === 0) this.announce(STATE_ENDED);
  }

  private announce(state: number): void {
    this.ownState |= state;
    this.sender.publishState(this.ownState);
    this.ring();
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
    for (let pop = this.pops.shift(); pop !== undefined; pop = this.pops.shift()) {
      this.finishPush(pop, ECANCELED);
    }
    this.deaf = true;
    this.announce(STATE_ENDED | STATE_DEAF | (reset ? STATE_RESET : 0));
    this.inbox.drop();
    this.wantSlots(true);
    this.receiver.publish(true);
    if (reset) this.sender.reclaim();
    this.leaveIfDone();
  }

  private leaveIfDone(): void {
    if (this.receiver.lent === 0 && (this.peerDead || this.sender.free === this.sender.capacity))
      this.destroy();
  }

  /** Gives everything back, at once. */
  destroy(): void {
    if (this.fd < 0) return;
    this.publish();
    this.sender.reclaim();
    this.host.leave(this);
    this.host.closeSocket(this.fd);
    this.fd = -1;
    this.sender.detach(NOTHING);
    this.receiver.detach(NOTHING);
    this.words = NOTHING;
    this.host.peers.close(this.peer);
    this.memory.unmap();
  }
}
