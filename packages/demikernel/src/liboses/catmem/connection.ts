// One connection: two rings in shared memory, the rendezvous socket beside them, and the operations that wait on them.

import { copyBetween, type ScatterGatherArray, type Slice } from '@demikernel/memory';
import { futexWake, type MemoryMap } from '@demikernel/native/kernel';
import { EAGAIN, ECANCELED, ECONNRESET, EISCONN, EMSGSIZE, ENOBUFS, EPIPE } from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_ACKED, PUSH_TO } from '../../runtime/operation.ts';
import { ASLEEP_ON_WORD, AWAKE } from '../../shm/bell.ts';
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

/**
 * Slots that are given back together: each time costs both ends a cache line. A peer that waits for slots is not kept waiting,
 * nor one that sleeps; and none longer than the host's look at its sockets.
 */
const RETURNS_AT_ONCE = 16;
/** Slots on their way up to which a message is published at once: some are those that the peer has not given back yet. */
const PROMPT_SLOTS = 8 + RETURNS_AT_ONCE;

/** Slots on their way up to which taking back what has come back can wait. */
const POSTPONED_SLOTS = 4 * RETURNS_AT_ONCE;

/** Slices of an array that may be sent at once: longer ones are worth a look at what has come back first. */
const MOST_DIRECT = 256;

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
    this.receiver = new ReceiveRing(place, {
      region: peer.region,
      debug: host.debug,
      listener: this,
      sender: this.sender,
      copyThresholdBytes: host.pool.copyThresholdBytes,
    });
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
    if (this.receiver.peerStateIsNot(this.peerState)) {
      this.peerChanged(this.receiver.peerState);
      work++;
    }
    if (this.receiver.unpublished !== 0 && this.words[this.peerWantsAt] !== 0) this.publish(false);
    if (this.pops.head !== undefined) {
      work += this.servePops();
      // Somebody waits for what has come: slots are taken back in a turn that has nothing better to do. There may be none for
      // long, so not when they are many, or the last ones.
      const later = sender.inFlight <= POSTPONED_SLOTS && !this.host.slotsAreScarce;
      if (work !== 0 && later && this.pushes.head === undefined) return work;
    } else if (this.deaf && this.receiver.ready) work += this.inbox.discard();
    if (sender.free !== sender.capacity && sender.hasReturns()) {
      const count = sender.takeReturns();
      if (count === VIOLATED) this.violate();
      else work += count;
      if (this.pushes.head !== undefined) this.servePushes();
      else this.wantSlots(this.closed || this.host.slotsAreScarce);
    }
    if (this.receiver.violated) {
      this.violate();
      this.servePops();
    }
    if (this.peerDead) this.reclaimFromDead();
    if (this.closed) this.leaveIfDone();
    return work;
  }

  /** Whether a message is there that somebody waits for. */
  get hasMessage(): boolean {
    return this.pops.head !== undefined && this.receiver.ready;
  }

  /** Whether a poll would find something: asked once before sleeping. */
  hasWork(): boolean {
    const { sender, receiver } = this;
    // An application that waits for memory waits for its peers.
    if (sender.free !== sender.capacity && this.host.slotsAreScarce) this.wantSlots(true);
    return (
      (sender.free !== sender.capacity && sender.hasReturns()) ||
      receiver.peerState !== this.peerState ||
      ((this.pops.head !== undefined || this.deaf) && receiver.ready)
    );
  }

  /**
   * The peer sees what was pushed, and what was given back if that is much or wanted, and is woken if it sleeps.
   *
   * @param everything what was given back, too, however little
   */
  publish(everything: boolean): void {
    if (this.fd < 0) return;
    const { receiver, sender, words } = this;
    const due = everything || receiver.unpublished >= RETURNS_AT_ONCE || words[this.peerWantsAt] !== 0;
    // The mark of what was sent is stored with a barrier, and stands for both.
    const returned = due && receiver.publish(!sender.unpublished);
    const sent = sender.publish();
    // Slots alone wake a sleeper only if it waits for some.
    if (sent || (returned && words[this.peerWantsAt] !== 0)) this.ring();
  }

  private ring(): void {
    if (this.peerDead) return;
    const { bell, bellAddress } = this.peer;
    const { state } = bell;
    if (state === AWAKE) return;
    this.host.add(WAKE_UPS, 1);
    if (state === ASLEEP_ON_WORD) futexWake(bellAddress, 1);
    else this.host.greeter.ring(this.fd);
  }

  /** A slot of the peer's is free again. */
  slotsReturned(): void {
    if (this.fd < 0) return;
    if (this.receiver.unpublished >= RETURNS_AT_ONCE || this.host.asleep) this.host.touch(this);
  }

  /** Shows the peer what has been given back, however little. */
  publishReturns(): void {
    if (this.receiver.unpublished !== 0) this.publish(true);
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
    this.servePops();
    this.reclaimFromDead();
    if (this.closed) this.leaveIfDone();
  }

  /** Takes back what was on its way to a dead peer, unless some of it has come back and is still to be read. */
  private reclaimFromDead(): void {
    const { receiver, sender } = this;
    if (sender.free !== sender.capacity && !receiver.bringsOurs()) sender.reclaim();
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
      if (!this.sees(array.segments[i]!)) return this.own(operation);
    }
    return 0;
  }

  /** Whether the peer sees the bytes of a slice: they are ours, or it has lent them. */
  private sees(slice: Slice): boolean {
    return slice.pool === this.host.pool || slice.pool === this.receiver.pool;
  }

  /** There may be slices of another pool, lent by another peer for example, which this one does not see: they are copied. 0 or an errno. */
  private own(operation: Operation): number {
    const array = operation.array!;
    const { pool } = this.host;
    const copy = pool.array();
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!;
      if (this.sees(slice)) {
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
        this.host.touch(this);
        return false;
      }
      this.put(slice, i < last ? FLAG_MORE : 0);
      operation.doneBytes += length;
    }
    if (operation.list !== undefined) this.pushes.remove(operation);
    this.sent(operation.doneBytes, operation.flags);
    this.finishPush(operation, 0);
    return true;
  }

  /** Sends an array if that can be done at once: its bytes, or -1. */
  pushDirect(array: ScatterGatherArray, flags: number): number {
    const { sender } = this;
    const { count, segments } = array;
    const over = this.sendFailure !== 0 || this.ending || (flags & PUSH_TO) !== 0;
    if (over || this.pushes.head !== undefined || count === 0 || count > MOST_DIRECT) return -1;
    let lengthBytes = 0;
    for (let i = 0; i < count; i++) {
      const slice = segments[i]!;
      if (slice.length === 0 || !this.sees(slice)) return -1;
      lengthBytes += slice.length;
    }
    if (count > sender.free || !this.fits(lengthBytes, 0)) return -1;
    for (let i = 0; i < count; i++) this.put(segments[i]!, i < count - 1 ? FLAG_MORE : 0);
    this.sent(lengthBytes, flags);
    return lengthBytes;
  }

  private put({ pool, slot, offset, length }: Slice, flags: number): void {
    pool.retain(slot);
    if (pool === this.host.pool) this.sender.put(slot, offset, length, flags);
    else this.sender.putBack(slot, offset, length, flags);
  }

  /** A message is in the ring. */
  private sent(lengthBytes: number, flags: number): void {
    const { host, sender } = this;
    const { counters } = host;
    counters[SENT_MESSAGES] = counters[SENT_MESSAGES]! + 1;
    counters[SENT_BYTES] = counters[SENT_BYTES]! + lengthBytes;
    // An acknowledged push: the peer has what lies in its memory, even if we die now. A message that is nearly alone on its way
    // is likely waited for; one of many goes with the others, at the end of the turn.
    if ((flags & PUSH_ACKED) !== 0 || sender.inFlight <= PROMPT_SLOTS) {
      // Slots to give back go at the end of the turn: nobody waits for them as for an answer.
      if (sender.publish()) this.ring();
    } else host.touch(this);
    if (host.slotsAreScarce) this.wantSlots(true);
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
    if (reset || this.peerDead) this.sender.reclaim();
    this.leaveIfDone();
  }

  private leaveIfDone(): void {
    if (this.receiver.lent === 0 && (this.peerDead || this.sender.free === this.sender.capacity))
      this.destroy();
  }

  /** Gives everything back, at once. */
  destroy(): void {
    if (this.fd < 0) return;
    this.publish(true);
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
