// A socket of Catmem as a queue: names, listening, connecting, accepting. Once it is connected, connection.ts does the work.

import type { ScatterGatherArray } from '@demikernel/memory';
import {
  acceptSocket,
  bindSocket,
  closeDescriptor,
  connectSocket,
  EMFILE,
  listenSocket,
} from '@demikernel/native/kernel';
import {
  EADDRINUSE,
  EAGAIN,
  EALREADY,
  ECANCELED,
  ECONNREFUSED,
  EINVAL,
  EISCONN,
  ENOTCONN,
} from '../../runtime/errno.ts';
import { type Operation, OperationList } from '../../runtime/operation.ts';
import {
  Queue,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  type SocketOptionName,
  type SocketOptions,
} from '../../runtime/queue.ts';
import { AF_INET, SocketAddress } from '../../runtime/socket-address.ts';
import { Timer, type TimerOwner } from '../../runtime/timer-wheel.ts';
import { type Connection, MAX_WAITING } from './connection.ts';
import { ACCEPTED, CONNECTED as CONNECTED_COUNTER, type MemoryHost, type Watched } from './memory-host.ts';
import { checkLocal, freePort, type Kind, PORT_ATTEMPTS, writeName } from './names.ts';
import { MemorySocketOptions } from './options.ts';
import { Answerer, Caller, type Rendezvous, type RendezvousOwner } from './rendezvous.ts';

const FRESH = 0;
const LISTENING = 1;
const CONNECTING = 2;
const CONNECTED = 3;
const CLOSED = 4;

/** Until a listener whose backlog was full is asked again. */
const RETRY_US = 200;
const LOOPBACK_IPV4 = 0x7f000001;

/** A connection that nobody has accepted yet. */
interface Waiting {
  answerer: Answerer;
  connection: Connection;
}

/** A stream, or a queue of messages, over shared memory. */
export class MemorySocket extends Queue implements RendezvousOwner, Watched, TimerOwner {
  readonly kind: Kind;
  override readonly localAddress: SocketAddress;
  override readonly remoteAddress: SocketAddress;
  private readonly host: MemoryHost;
  private options: MemorySocketOptions;
  private state: number;
  /** Holds the name; -1 without one. */
  private fd: number;
  private connection: Connection | undefined;
  private connecting: Operation | undefined;
  private caller: Caller | undefined;
  private readonly timer: Timer;
  private readonly accepts: OperationList;
  private backlog: number;
  private waiting: Waiting[];
  private readonly answerers: Set<Answerer>;

  constructor(host: MemoryHost, kind: Kind) {
    super();
    this.direct = true;
    this.kind = kind;
    this.localAddress = new SocketAddress();
    this.remoteAddress = new SocketAddress();
    this.host = host;
    this.options = new MemorySocketOptions();
    this.state = FRESH;
    this.fd = -1;
    this.connection = undefined;
    this.connecting = undefined;
    this.caller = undefined;
    this.timer = new Timer(this, 0);
    this.accepts = new OperationList();
    this.backlog = 0;
    this.waiting = [];
    this.answerers = new Set();
  }

  get initialOptions(): Readonly<SocketOptions> {
    return this.options.values;
  }

  // ---- names ----

  override bind(address: SocketAddress): number {
    if (this.state !== FRESH || this.fd >= 0) return EINVAL;
    const errno = checkLocal(address);
    return errno === 0 ? this.take(address) : errno;
  }

  /** Takes the name, any free port if it has none. 0 or an errno. */
  private take(address: SocketAddress): number {
    const { host, localAddress } = this;
    const fd = host.open();
    if (fd < 0) return -fd;
    localAddress.copyFrom(address);
    const anyPort = address.family === AF_INET && address.port === 0;
    let errno = EADDRINUSE;
    for (let attempt = 0; attempt < PORT_ATTEMPTS && errno === EADDRINUSE; attempt++) {
      if (anyPort) localAddress.port = freePort(host.runtime.random);
      errno = writeName(host.scratch, this.kind, localAddress) ? -bindSocket(fd, host.scratch) : EINVAL;
      if (!anyPort) break;
    }
    if (errno === 0) this.fd = fd;
    else {
      closeDescriptor(fd);
      localAddress.setIpv4(0, 0);
    }
    return errno;
  }

  // ---- listening ----

  override listen(backlog: number): number {
    if (this.state !== FRESH && this.state !== LISTENING) return EINVAL;
    if (this.fd < 0) {
      const errno = this.take(new SocketAddress());
      if (errno !== 0) return errno;
    }
    this.backlog = Math.max(1, backlog);
    const errno = -listenSocket(this.fd, this.backlog);
    if (errno !== 0 || this.state === LISTENING) return errno;
    this.state = LISTENING;
    return -this.host.watch(this.fd, this);
  }

  /** Somebody knocks. What does not fit into the backlog waits in the kernel's. */
  ready(): void {
    while (this.waiting.length < this.backlog + this.accepts.count) {
      const fd = acceptSocket(this.fd, this.host.scratch);
      // Nobody there; or no descriptors left, and the next accept tries again.
      if (fd < 0) return;
      const answerer = new Answerer(this.host, this, fd);
      this.answerers.add(answerer);
      if (this.host.watch(fd, answerer) < 0) {
        this.answerers.delete(answerer);
        answerer.end();
      } else answerer.ready();
      if (this.answerers.size > this.backlog) this.dropSilent();
    }
  }

  /** A peer greets as soon as it has knocked: who has been silent longest while others did is none. */
  private dropSilent(): void {
    for (const answerer of this.answerers) {
      this.answerers.delete(answerer);
      answerer.end();
      return;
    }
  }

  override accept(operation: Operation): void {
    const { operations } = this.host.runtime;
    if (this.state !== LISTENING) operations.complete(operation, EINVAL);
    else if (this.accepts.count === MAX_WAITING) operations.complete(operation, EAGAIN);
    else {
      this.accepts.push(operation);
      this.serveAccepts();
      this.ready();
    }
  }

  private serveAccepts(): void {
    while (this.accepts.head !== undefined && this.waiting.length > 0) {
      const operation = this.accepts.shift()!;
      const { answerer, connection } = this.waiting.shift()!;
      const queue = new MemorySocket(this.host, this.kind);
      queue.options = new MemorySocketOptions(this.options.values);
      queue.state = CONNECTED;
      queue.connection = connection;
      queue.localAddress.copyFrom(this.localAddress);
      // A listener on every address: the connection has the one that was asked for.
      if (this.localAddress.family === AF_INET && this.localAddress.ipv4 === 0) {
        queue.localAddress.ipv4 = answerer.askedAddress.ipv4;
      }
      queue.remoteAddress.copyFrom(answerer.remoteAddress);
      const qd = this.host.runtime.queues.add(queue);
      if (qd < 0) {
        connection.close(true);
        this.host.runtime.operations.complete(operation, EMFILE);
        continue;
      }
      this.host.add(ACCEPTED, 1);
      operation.acceptedQd = qd;
      operation.address.copyFrom(answerer.remoteAddress);
      this.host.runtime.operations.complete(operation, 0);
    }
  }

  // ---- connecting ----

  override connect(operation: Operation): void {
    const errno = this.whyNotConnect();
    if (errno !== 0) {
      this.host.runtime.operations.complete(operation, errno);
      return;
    }
    this.state = CONNECTING;
    this.connecting = operation;
    this.call();
  }

  private whyNotConnect(): number {
    if (this.state === FRESH) return 0;
    if (this.state === CONNECTING) return EALREADY;
    return this.state === CONNECTED ? EISCONN : EINVAL;
  }

  private call(): void {
    const to = this.connecting!.address;
    let errno = this.fd >= 0 ? 0 : this.take(callerAddress(to));
    if (errno === 0) errno = this.knock(to);
    if (errno === EAGAIN) this.host.runtime.timers.arm(this.timer, RETRY_US);
    else if (errno !== 0) this.failConnect(errno);
    else this.greet(to);
  }

  /** Connects to whoever listens there, or on every address. 0 or an errno. */
  private knock(to: SocketAddress): number {
    const { scratch } = this.host;
    if (!writeName(scratch, this.kind, to)) return EINVAL;
    const errno = -connectSocket(this.fd, scratch);
    if (errno !== ECONNREFUSED || to.family !== AF_INET) return errno;
    writeName(scratch, this.kind, new SocketAddress(0, to.port));
    return -connectSocket(this.fd, scratch);
  }

  private greet(to: SocketAddress): void {
    let errno: number;
    try {
      this.caller = new Caller(this.host, this, this.fd);
      errno = this.caller.greet(to);
    } catch {
      errno = EMFILE;
    }
    if (errno === 0) return;
    this.caller?.end();
    if (this.caller !== undefined) this.fd = -1;
    this.failConnect(errno);
  }

  onTimer(): void {
    if (this.state === CONNECTING) this.call();
  }

  private failConnect(errno: number): void {
    const operation = this.connecting!;
    this.startAfresh();
    this.host.runtime.operations.complete(operation, errno);
  }

  /** A socket that failed to connect is good for nothing else; a fresh one in its place can try again. */
  private startAfresh(): void {
    this.host.runtime.timers.cancel(this.timer);
    this.connecting = undefined;
    this.caller = undefined;
    if (this.fd >= 0) this.host.closeSocket(this.fd);
    this.fd = -1;
    this.localAddress.setIpv4(0, 0);
    this.state = FRESH;
  }

  // ---- what a rendezvous comes to ----

  met(rendezvous: Rendezvous, connection: Connection): void {
    if (rendezvous instanceof Answerer) {
      this.answerers.delete(rendezvous);
      this.waiting.push({ answerer: rendezvous, connection });
      this.serveAccepts();
      return;
    }
    const operation = this.connecting!;
    this.connecting = undefined;
    this.caller = undefined;
    // The connection owns the descriptor, and with it the name.
    this.fd = -1;
    this.connection = connection;
    this.state = CONNECTED;
    this.remoteAddress.copyFrom(operation.address);
    this.host.add(CONNECTED_COUNTER, 1);
    this.host.runtime.operations.complete(operation, 0);
  }

  failed(rendezvous: Rendezvous, errno: number): void {
    if (rendezvous instanceof Answerer) {
      this.answerers.delete(rendezvous);
      return;
    }
    this.fd = -1;
    this.failConnect(errno);
  }

  // ---- messages ----

  override push(operation: Operation): void {
    if (this.connection !== undefined) this.connection.push(operation);
    else {
      operation.array?.free();
      operation.array = undefined;
      this.host.runtime.operations.complete(operation, ENOTCONN);
    }
  }

  override pushDirect(array: ScatterGatherArray, flags: number): number {
    return this.connection === undefined ? -1 : this.connection.pushDirect(array, flags);
  }

  override pop(operation: Operation): void {
    if (this.connection !== undefined) this.connection.pop(operation);
    else this.host.runtime.operations.complete(operation, ENOTCONN);
  }

  // ---- the end ----

  override shutdown(how: number): number {
    const { connection } = this;
    if (connection === undefined) return ENOTCONN;
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return EINVAL;
    if (how !== SHUT_WR) connection.endReceiving();
    if (how !== SHUT_RD) connection.endSending();
    return 0;
  }

  override cancel(operation: Operation): boolean {
    const { operations } = this.host.runtime;
    if (operation === this.connecting) {
      this.caller?.end();
      if (this.caller !== undefined) this.fd = -1;
      this.startAfresh();
      operations.complete(operation, ECANCELED);
      return true;
    }
    if (operation.list === this.accepts) {
      this.accepts.remove(operation);
      operations.complete(operation, ECANCELED);
      return true;
    }
    return this.connection?.cancel(operation) ?? false;
  }

  override close(): void {
    if (this.state === CLOSED) return;
    if (this.connecting !== undefined) this.cancel(this.connecting);
    this.state = CLOSED;
    this.connection?.close(this.options.values.lingerUs === 0);
    this.connection = undefined;
    for (const answerer of this.answerers) answerer.end();
    this.answerers.clear();
    for (const { connection } of this.waiting) connection.close(true);
    this.waiting = [];
    if (this.fd >= 0) this.host.closeSocket(this.fd);
    this.fd = -1;
    for (let accept = this.accepts.shift(); accept !== undefined; accept = this.accepts.shift()) {
      this.host.runtime.operations.complete(accept, ECANCELED);
    }
  }

  // ---- options ----

  override getOption(name: SocketOptionName): number | boolean | undefined {
    return this.options.get(name);
  }

  override setOption(name: SocketOptionName, value: number | boolean): number {
    const errno = this.options.set(name, value);
    const { connection } = this;
    if (errno !== 0 || connection === undefined) return errno;
    connection.sendBufferBytes = this.options.values.sendBufferBytes;
    connection.receiveBufferBytes = this.options.values.receiveBufferBytes;
    return 0;
  }
}

/** Where a socket without a name calls from: the address it calls, on a port of its own. */
function callerAddress(to: SocketAddress): SocketAddress {
  return new SocketAddress(to.family === AF_INET && to.ipv4 !== 0 ? to.ipv4 : LOOPBACK_IPV4, 0);
}
