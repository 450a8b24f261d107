// What the queues of one Catmem share: the memory, the descriptors, the connections, sleeping and waking.

import type { SlotPool } from '@demikernel/memory';
import {
  closeDescriptor,
  EPOLLET,
  EPOLLIN,
  EPOLLRDHUP,
  EpollSet,
  SocketAddress as NativeAddress,
  openNamespace,
  openSocket,
  runInNamespace,
  SOCK_SEQPACKET,
} from '@demikernel/native/kernel';
import type { Runtime } from '../../runtime/runtime.ts';
import { AF_UNIX } from '../../runtime/socket-address.ts';
import type { Bell } from '../../shm/bell.ts';
import type { Connection } from './connection.ts';
import { Greeter } from './greeting.ts';
import type { PeerMemories } from './peer-memory.ts';

/** Events that one look takes; the rest comes with the next. */
const EVENTS_PER_LOOK = 64;
/** A loop that has work looks for new connections and dead peers this often; one without work at every turn. */
const LOOK_US = 50;
/** Looks at the rings of so few connections that a turn without work adds to its own. */
const LOOKS_AGAIN = 16;
const FEW_CONNECTIONS = 4;
/** Until what found no memory is tried again, when nothing else happens. */
const STARVED_RETRY_US = 100;

export const CATMEM_COUNTERS = [
  'sentMessages',
  'sentBytes',
  'receivedMessages',
  'receivedBytes',
  'copiedBytes',
  'wakeUps',
  'accepted',
  'connected',
  'refusedPeers',
  'deadPeers',
  'violations',
  'memoryShort',
] as const;
export const SENT_MESSAGES = 0;
export const SENT_BYTES = 1;
export const RECEIVED_MESSAGES = 2;
export const RECEIVED_BYTES = 3;
export const COPIED_BYTES = 4;
export const WAKE_UPS = 5;
export const ACCEPTED = 6;
export const CONNECTED = 7;
export const REFUSED_PEERS = 8;
export const DEAD_PEERS = 9;
export const VIOLATIONS = 10;
export const MEMORY_SHORT = 11;

/** Something with a descriptor that the host watches. */
export interface Watched {
  /** Something has arrived, or the other end is gone. */
  ready(): void;
}

export interface MemoryHostOptions {
  pool: SlotPool;
  /** The memfds that peers are given. */
  poolFd: number;
  bellFd: number;
  bell: Bell;
  peers: PeerMemories;
  namespace?: string;
  /** Copy what arrives instead of lending it. */
  copy: boolean;
  debug: boolean;
}

/** Shared by the queues of one library OS. */
export class MemoryHost {
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly poolFd: number;
  readonly bellFd: number;
  readonly bell: Bell;
  readonly peers: PeerMemories;
  readonly copy: boolean;
  readonly debug: boolean;
  readonly epoll: EpollSet;
  readonly greeter: Greeter;
  readonly counters: Float64Array;
  /** For calls at set-up. */
  readonly scratch: NativeAddress;
  /** Asleep, or about to be: what is published must be published at once. */
  asleep: boolean;
  /** While it slept, nothing came over the sockets: they need no look. */
  socketsSilent: boolean;
  /** A connection found no memory. */
  starved: boolean;
  private readonly namespace: number;
  private readonly watched: (Watched | undefined)[];
  private readonly connections: Connection[];
  private readonly unpublished: Connection[];
  private unpublishedCount: number;
  private lookedUs: number;

  constructor(runtime: Runtime, options: MemoryHostOptions) {
    this.runtime = runtime;
    this.pool = options.pool;
    this.poolFd = options.poolFd;
    this.bellFd = options.bellFd;
    this.bell = options.bell;
    this.peers = options.peers;
    this.copy = options.copy;
    this.debug = options.debug;
    this.epoll = new EpollSet(EVENTS_PER_LOOK);
    this.greeter = new Greeter();
    this.counters = runtime.metrics.counters('catmem', CATMEM_COUNTERS);
    this.scratch = new NativeAddress();
    this.asleep = false;
    this.socketsSilent = false;
    this.starved = false;
    this.namespace = options.namespace === undefined ? -1 : openNamespace(options.namespace);
    this.watched = [];
    this.connections = [];
    this.unpublished = [];
    this.unpublishedCount = 0;
    this.lookedUs = runtime.clock.micros32;
  }

  add(counter: number, amount: number): void {
    this.counters[counter] = this.counters[counter]! + amount;
  }

  // ---- rendezvous sockets ----

  /** A rendezvous socket, or a negative errno. */
  open(): number {
    if (this.namespace < 0) return openSocket(AF_UNIX, SOCK_SEQPACKET);
    return runInNamespace(this.namespace, () => openSocket(AF_UNIX, SOCK_SEQPACKET));
  }

  /** Begins to watch a descriptor; what has arrived already is reported too. 0 or a negative errno. */
  watch(fd: number, watched: Watched): number {
    while (this.watched.length <= fd) this.watched.push(undefined);
    this.watched[fd] = watched;
    return this.epoll.add(fd, EPOLLIN | EPOLLRDHUP | EPOLLET, fd);
  }

  /** Has what is still unread reported once more. */
  watchAgain(fd: number): void {
    this.epoll.modify(fd, EPOLLIN | EPOLLRDHUP | EPOLLET, fd);
  }

  /** Hands a watched descriptor to somebody else. */
  handOver(fd: number, watched: Watched): void {
    this.watched[fd] = watched;
  }

  closeSocket(fd: number): void {
    this.watched[fd] = undefined;
    closeDescriptor(fd);
  }

  // ---- connections ----

  enter(connection: Connection): void {
    this.connections.push(connection);
  }

  leave(connection: Connection): void {
    const at = this.connections.indexOf(connection);
    const last = this.connections.pop()!;
    if (last !== connection) this.connections[at] = last;
  }

  /** Whether little of our memory is left: peers that could give some back are asked to. */
  get slotsAreScarce(): boolean {
    return this.pool.freeSlots <= this.pool.slotCount >> 3;
  }

  /** The connection has something to publish: at the next flush, or at once when none may come soon. */
  touch(connection: Connection): void {
    if (this.asleep) {
      connection.publish(true);
      return;
    }
    if (connection.unpublished) return;
    connection.unpublished = true;
    if (this.unpublishedCount < this.unpublished.length) this.unpublished[this.unpublishedCount] = connection;
    else this.unpublished.push(connection);
    this.unpublishedCount++;
  }

  // ---- turns ----

  flush(): number {
    const count = this.unpublishedCount;
    for (let i = 0; i < count; i++) {
      const connection = this.unpublished[i]!;
      connection.unpublished = false;
      connection.publish(false);
    }
    this.unpublishedCount = 0;
    return count;
  }

  poll(): number {
    const slept = this.asleep;
    if (slept) {
      this.asleep = false;
      this.bell.wakeUp();
    }
    this.starved = false;
    const { connections } = this;
    let work = 0;
    // From the end: one that leaves is replaced by one that has been polled.
    for (let i = connections.length - 1; i >= 0; i--) {
      const connection = connections[i];
      if (connection !== undefined) work += connection.poll();
    }
    if (work === 0) work = this.lookAgain();
    const nowUs = this.runtime.clock.micros32;
    // Unsigned: whoever has not polled for half an hour is late, too.
    if ((slept && !this.socketsSilent) || (nowUs - this.lookedUs) >>> 0 >= LOOK_US) {
      this.lookedUs = nowUs;
      for (let i = 0; i < connections.length; i++) connections[i]!.publishReturns();
      work += this.look();
    }
    return work;
  }

  /** What comes is likely to come now: a look at the rings alone is much cheaper, and so sooner repeated, than a turn. */
  private lookAgain(): number {
    const { connections } = this;
    const last = connections.length - 1;
    if (last >= FEW_CONNECTIONS) return 0;
    for (let look = 0; look < LOOKS_AGAIN; look++) {
      for (let i = last; i >= 0; i--) {
        const connection = connections[i]!;
        if (connection.hasMessage) return connection.poll();
      }
    }
    return 0;
  }

  /** What the rendezvous sockets have to say. */
  private look(): number {
    const count = this.epoll.wait(0);
    for (let i = 0; i < count; i++) this.watched[this.epoll.key(i)]?.ready();
    return count > 0 ? count : 0;
  }

  /** Before sleeping: how long, in microseconds. 0 when there is work after all. See Bell for why nothing is missed. */
  untilNextUs(): number {
    if (this.unpublishedCount > 0) return 0;
    this.asleep = true;
    this.bell.fallAsleep();
    for (let i = 0; i < this.connections.length; i++) {
      const connection = this.connections[i]!;
      connection.publishReturns();
      if (!connection.hasWork()) continue;
      this.asleep = false;
      this.bell.wakeUp();
      return 0;
    }
    this.socketsSilent = false;
    return this.starved ? STARVED_RETRY_US : Number.POSITIVE_INFINITY;
  }

  /** Whether a poll would find something in the rings. */
  hasWork(): boolean {
    for (let i = 0; i < this.connections.length; i++) if (this.connections[i]!.hasWork()) return true;
    return false;
  }

  close(): void {
    this.flush();
    for (let i = this.connections.length - 1; i >= 0; i--) this.connections[i]?.destroy();
    this.greeter.close();
    this.epoll.close();
    this.scratch.close();
    if (this.namespace >= 0) closeDescriptor(this.namespace);
  }
}
