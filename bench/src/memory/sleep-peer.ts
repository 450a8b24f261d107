// Two processes that both sleep between messages, and nothing else: what each way of sleeping and waking costs. A message is a
// word of shared memory, as in bare-peer.ts; whoever waits for it sleeps at once, whoever writes it always wakes.

import { openSync } from 'node:fs';
import {
  AF_UNIX,
  acceptSocket,
  bindSocket,
  connectSocket,
  copyDescriptorOf,
  createMemfd,
  EPOLLET,
  EPOLLIN,
  EpollSet,
  EventFd,
  futexWait,
  futexWake,
  IoUring,
  type LibC,
  libc,
  listenSocket,
  type MemoryMap,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  mapAnonymous,
  mapDescriptor,
  openProcess,
  openSocket,
  POLLIN,
  PollSet,
  prepareFutexWait,
  SOCK_SEQPACKET,
  SocketAddress,
} from '@demikernel/native/kernel';
import type { Client } from './peer.ts';

const PAGE_BYTES = 4096;
/** Words of the page: messages there and back, a cache line or more apart. */
const THERE = 0;
const BACK = 32;
/** Bytes that a drain takes at most. */
const DRAIN_BYTES = 64;

/** `socket`: what Catmem does, a byte over the socket of the rendezvous, ppoll(2) over epoll(7). The others: what it could do. */
export type SleepKind = 'socket' | 'eventfd' | 'uring-futex' | 'futex';

/** One end's way to sleep, and to wake the other. */
interface Sleep {
  /** Returns when woken, or when the word is no longer `value`, or for no reason. */
  sleep(value: number): void;
  wake(): void;
}

/** Sleeps in ppoll(2) on an epoll set around one descriptor, which `drain` makes unreadable. */
class DescriptorSleep {
  private readonly epoll: EpollSet;
  private readonly pollSet: PollSet;

  constructor(fd: number) {
    this.epoll = new EpollSet(4);
    this.epoll.add(fd, EPOLLIN | EPOLLET, 0);
    this.pollSet = new PollSet(1);
    this.pollSet.add(this.epoll.fd, POLLIN);
  }

  wait(): void {
    this.pollSet.wait(-1);
    this.epoll.wait(0);
  }
}

class SocketSleep extends DescriptorSleep implements Sleep {
  private readonly fd: number;
  private readonly libc: LibC;
  private readonly memory: MemoryMap;

  constructor(fd: number) {
    super(fd);
    this.fd = fd;
    this.libc = libc();
    this.memory = mapAnonymous({ lengthBytes: DRAIN_BYTES });
  }

  sleep(): void {
    this.wait();
    while (this.libc.recv(this.fd, this.memory.addressNumber, DRAIN_BYTES, MSG_DONTWAIT) > 0);
  }

  wake(): void {
    this.libc.send(this.fd, this.memory.addressNumber, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

class EventSleep extends DescriptorSleep implements Sleep {
  private readonly libc: LibC;
  private readonly own: number;
  private readonly peer: number;
  private readonly memory: MemoryMap;

  constructor(own: number, peer: number) {
    super(own);
    this.libc = libc();
    this.own = own;
    this.peer = peer;
    this.memory = mapAnonymous({ lengthBytes: 16 });
    this.memory.signedWords(8, 1)[0] = 1;
  }

  sleep(): void {
    this.wait();
    this.libc.read(this.own, this.memory.addressNumber, 8);
  }

  wake(): void {
    this.libc.write(this.peer, this.memory.addressNumber + 8, 8);
  }
}

class FutexSleep implements Sleep {
  protected readonly own: number;
  private readonly peer: number;

  /** @param own address of the word that is slept on here; `peer` of the one that the other end sleeps on */
  constructor(own: number, peer: number) {
    this.own = own;
    this.peer = peer;
  }

  sleep(value: number): void {
    futexWait(this.own, value);
  }

  wake(): void {
    futexWake(this.peer, 1);
  }
}

class RingFutexSleep extends FutexSleep {
  private readonly ring: IoUring;

  constructor(own: number, peer: number) {
    super(own, peer);
    this.ring = new IoUring({ entries: 8 });
  }

  override sleep(value: number): void {
    prepareFutexWait(this.ring, this.own, value, 0, 0);
    this.ring.enter(1);
    this.ring.consume(this.ring.available());
  }
}

/** One end: sends in one word, and waits for the other. */
class SleepyEnd {
  private readonly words: Int32Array;
  private readonly out: number;
  private readonly in: number;
  private readonly how: Sleep;

  constructor(words: Int32Array, server: boolean, how: Sleep) {
    this.words = words;
    this.out = server ? BACK : THERE;
    this.in = server ? THERE : BACK;
    this.how = how;
  }

  send(turn: number): void {
    Atomics.store(this.words, this.out, turn);
    this.how.wake();
  }

  receive(turn: number): void {
    while (Atomics.load(this.words, this.in) !== turn) this.how.sleep((turn - 1) | 0);
  }
}

/** Where a client finds the page, and what sleeps beside it: `pid:memfd:socket path:eventfd of the service:of the client`. */
interface Meeting {
  map: MemoryMap;
  where: string;
  /** The end of a socket, once the client has come. */
  socket: () => number;
  events: readonly [number, number];
}

function meet(kind: SleepKind): Meeting {
  const fd = createMemfd({ name: 'sleep', lengthBytes: PAGE_BYTES });
  const map = mapDescriptor({ fd, lengthBytes: PAGE_BYTES });
  const name = `demikernel-bench-sleep-${process.pid}`;
  const events: [number, number] = kind === 'eventfd' ? [new EventFd().fd, new EventFd().fd] : [-1, -1];
  const where = [process.pid, fd, name, ...events].join(':');
  let listening = -1;
  const address = new SocketAddress();
  if (kind === 'socket') {
    listening = openSocket(AF_UNIX, SOCK_SEQPACKET, 0, { blocking: true });
    address.setUnix(`\0${name}`);
    bindSocket(listening, address);
    listenSocket(listening, 1);
  }
  return { map, where, events, socket: () => acceptSocket(listening, address) };
}

/** Where the words lie that the service and the client sleep on. */
function wordsOf(map: MemoryMap): { service: number; client: number } {
  return { service: map.addressNumber + THERE * 4, client: map.addressNumber + BACK * 4 };
}

/** Answers for ever. */
export function serveSleeping(kind: SleepKind, ready: (where: string) => void): void {
  const meeting = meet(kind);
  ready(meeting.where);
  const { service, client } = wordsOf(meeting.map);
  let how: Sleep;
  if (kind === 'socket') how = new SocketSleep(meeting.socket());
  else if (kind === 'eventfd') how = new EventSleep(meeting.events[0], meeting.events[1]);
  else how = kind === 'futex' ? new FutexSleep(service, client) : new RingFutexSleep(service, client);
  const end = new SleepyEnd(meeting.map.signedWords(0, PAGE_BYTES >> 2), true, how);
  for (let turn = 1; ; turn = (turn + 1) | 0) {
    end.receive(turn);
    end.send(turn);
  }
}

export class SleepingClient implements Client {
  private readonly end: SleepyEnd;
  private turn: number;

  constructor(kind: SleepKind, where: string) {
    const [pid, fd, name, serviceEvents, clientEvents] = where.split(':');
    const map = mapDescriptor({ fd: openSync(`/proc/${pid}/fd/${fd}`, 'r+'), lengthBytes: PAGE_BYTES });
    const { service, client } = wordsOf(map);
    let how: Sleep;
    if (kind === 'socket') {
      const socket = openSocket(AF_UNIX, SOCK_SEQPACKET);
      const address = new SocketAddress();
      address.setUnix(`\0${name}`);
      connectSocket(socket, address);
      address.close();
      how = new SocketSleep(socket);
    } else if (kind === 'eventfd') {
      const process = openProcess(Number(pid));
      how = new EventSleep(
        copyDescriptorOf(process, Number(clientEvents)),
        copyDescriptorOf(process, Number(serviceEvents)),
      );
    } else how = kind === 'futex' ? new FutexSleep(client, service) : new RingFutexSleep(client, service);
    this.end = new SleepyEnd(map.signedWords(0, PAGE_BYTES >> 2), false, how);
    this.turn = 0;
  }

  roundTrip(_sizeBytes: number): void {
    this.turn = (this.turn + 1) | 0;
    this.end.send(this.turn);
    this.end.receive(this.turn);
  }

  send(): void {
    throw new Error('nothing to stream through');
  }

  close(): void {}
}
