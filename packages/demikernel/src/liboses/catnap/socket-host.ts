// What the sockets of one Catnap share: the epoll set, the memory, the message headers, the counters.

import type { SlotPool } from '@demikernel/memory';
import {
  closeDescriptor,
  EPOLLET,
  EpollSet,
  SocketAddress as NativeAddress,
  openNamespace,
  openSocket,
  runInNamespace,
} from '@demikernel/native/kernel';
import type { Runtime } from '../../runtime/runtime.ts';
import { Receiver } from './receiver.ts';
import { Sender } from './sender.ts';

/** Events that one turn takes; the rest comes with the next. */
const EVENTS_PER_TURN = 256;

/**
 * A socket that alone had something to say so many times in a row is asked directly while a pop waits on it: that saves the
 * way through epoll, 0.4 µs of an 8 µs echo. Every eighth turn looks at epoll all the same, and after GUESS_TURNS in vain
 * all of them do.
 */
const STREAK = 4;
const GUESS_TURNS = 64;
const GUESS_MASK = 7;

/** What Catnap counts. */
export const CATNAP_COUNTERS = [
  'events',
  'receiveCalls',
  'receivedBytes',
  'receiveEmpty',
  'sendCalls',
  'sentBytes',
  'sendPartial',
  'accepted',
  'connected',
  'failures',
  'memoryShort',
  'datagramsTruncated',
] as const;
export const EVENTS = 0;
export const RECEIVE_CALLS = 1;
export const RECEIVED_BYTES = 2;
export const RECEIVE_EMPTY = 3;
export const SEND_CALLS = 4;
export const SENT_BYTES = 5;
export const SEND_PARTIAL = 6;
export const ACCEPTED = 7;
export const CONNECTED = 8;
export const FAILURES = 9;
export const MEMORY_SHORT = 10;
export const DATAGRAMS_TRUNCATED = 11;

/** A socket as the host sees it. */
export interface HostedSocket {
  readonly fd: number;
  /** Epoll has something new to say: EPOLLIN, EPOLLOUT, … */
  ready(events: number): void;
  /** Receives if something is there and a pop waits for it. Returns how many pops that ended, -1 when none waits. */
  guess(): number;
  /** What could not go on for lack of memory is tried again. */
  retry(): void;
}

/** Shared by the queues of one library OS. */
export class SocketHost {
  readonly runtime: Runtime;
  readonly pool: SlotPool;
  readonly epoll: EpollSet;
  readonly receiver: Receiver;
  readonly sender: Sender;
  readonly counters: Float64Array;
  /** For calls at set-up: bind, connect, accept, getsockname. */
  readonly scratch: NativeAddress;
  // By descriptor: the kernel hands out the lowest free number, so this stays dense.
  private readonly sockets: (HostedSocket | undefined)[];
  private starved: HostedSocket[];
  private readonly namespace: number;
  /** The socket that had the last event, how many in a row it had alone, and the turns left to ask it first. */
  private likely: HostedSocket | undefined;
  private streak: number;
  private guessesLeft: number;
  private turns: number;

  constructor(runtime: Runtime, pool: SlotPool, namespace: string | undefined) {
    this.runtime = runtime;
    this.pool = pool;
    this.namespace = namespace === undefined ? -1 : openNamespace(namespace);
    this.epoll = new EpollSet(EVENTS_PER_TURN);
    this.receiver = new Receiver(pool);
    this.sender = new Sender(Number(pool.region.address));
    this.counters = runtime.metrics.counters('catnap', CATNAP_COUNTERS);
    this.scratch = new NativeAddress();
    this.sockets = [];
    this.starved = [];
    this.likely = undefined;
    this.streak = 0;
    this.guessesLeft = 0;
    this.turns = 0;
  }

  /** A non-blocking socket, in the namespace asked for. The descriptor or a negative errno. */
  open(family: number, type: number): number {
    if (this.namespace < 0) return openSocket(family, type);
    return runInNamespace(this.namespace, () => openSocket(family, type));
  }

  /**
   * Begins to watch a descriptor for EPOLLIN, EPOLLOUT, …; what it is ready for already is reported too. 0 or a negative errno.
   *
   * Edge-triggered: an event costs nothing more until the next one, and a socket that nobody pops from stays silent.
   */
  watch(socket: HostedSocket, events: number): number {
    while (this.sockets.length <= socket.fd) this.sockets.push(undefined);
    this.sockets[socket.fd] = socket;
    return this.epoll.add(socket.fd, events | EPOLLET, socket.fd);
  }

  /** Changes what a descriptor is watched for; what it is ready for already is reported again. 0 or a negative errno. */
  rewatch(socket: HostedSocket, events: number): number {
    return this.epoll.modify(socket.fd, events | EPOLLET, socket.fd);
  }

  /** The events of a watched descriptor are another object's from here on. */
  handOver(socket: HostedSocket): void {
    if (this.likely === this.sockets[socket.fd]) this.noteAlone(undefined);
    this.sockets[socket.fd] = socket;
  }

  /** Closes a descriptor, watched or not. */
  close(fd: number): void {
    if (fd < this.sockets.length && this.sockets[fd] !== undefined) {
      // Closing alone is not enough while a child being spawned holds a copy.
      this.epoll.remove(fd);
      if (this.likely === this.sockets[fd]) this.noteAlone(undefined);
      this.sockets[fd] = undefined;
    }
    closeDescriptor(fd);
  }

  /** Has `retry` called in the next turn: there was no slot to receive into. */
  starve(socket: HostedSocket): void {
    this.add(MEMORY_SHORT, 1);
    if (!this.starved.includes(socket)) this.starved.push(socket);
  }

  get hasStarved(): boolean {
    return this.starved.length > 0;
  }

  /** One batch of events, by one system call when there are none. Returns how much there was to do. */
  poll(): number {
    if (this.starved.length > 0) this.feed();
    // Turns are counted apart, so that a socket which always has something does not keep the others waiting.
    this.turns = (this.turns + 1) & GUESS_MASK;
    if (this.guessesLeft > 0 && this.turns !== 0) {
      this.guessesLeft--;
      const ended = this.likely!.guess();
      if (ended > 0) this.guessesLeft = GUESS_TURNS;
      if (ended >= 0) return ended;
    }
    const { epoll, sockets } = this;
    const count = epoll.wait(0);
    if (count <= 0) return 0;
    this.add(EVENTS, count);
    this.noteAlone(count === 1 ? sockets[epoll.key(0)] : undefined);
    for (let i = 0; i < count; i++) {
      const socket = sockets[epoll.key(i)];
      if (socket !== undefined) socket.ready(epoll.events(i));
    }
    return count;
  }

  private noteAlone(socket: HostedSocket | undefined): void {
    if (socket === undefined || socket !== this.likely) {
      this.likely = socket;
      this.streak = 0;
      this.guessesLeft = 0;
    } else if (++this.streak >= STREAK) {
      this.guessesLeft = GUESS_TURNS;
    }
  }

  private feed(): void {
    const starved = this.starved;
    this.starved = [];
    for (const socket of starved) if (this.sockets[socket.fd] === socket) socket.retry();
  }

  add(counter: number, amount: number): void {
    this.counters[counter] = this.counters[counter]! + amount;
  }

  shutDown(): void {
    for (let fd = 0; fd < this.sockets.length; fd++) if (this.sockets[fd] !== undefined) this.close(fd);
    this.epoll.close();
    this.receiver.close();
    this.sender.close();
    this.scratch.close();
    if (this.namespace >= 0) closeDescriptor(this.namespace);
  }
}
