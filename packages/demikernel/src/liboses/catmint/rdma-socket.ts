// A socket of Catmint as a queue: names, listening, connecting, accepting. Once it is connected, connection.ts does the work.

import {
  type ConnectionEvent,
  MOST_PIECES,
  RDMA_CM_EVENT_ADDR_ERROR,
  RDMA_CM_EVENT_ADDR_RESOLVED,
  RDMA_CM_EVENT_CONNECT_REQUEST,
  RDMA_CM_EVENT_ESTABLISHED,
  RDMA_CM_EVENT_REJECTED,
  RDMA_CM_EVENT_ROUTE_ERROR,
  RDMA_CM_EVENT_ROUTE_RESOLVED,
  RDMA_CM_EVENT_UNREACHABLE,
} from '@demikernel/native/verbs';
import { decodeGreeting, encodeGreeting, type Greeting } from '../../rdma/wire.ts';
import {
  EADDRNOTAVAIL,
  EAGAIN,
  EALREADY,
  ECANCELED,
  ECONNREFUSED,
  ECONNRESET,
  EHOSTUNREACH,
  EINVAL,
  EISCONN,
  ENOBUFS,
  ENODEV,
  ENOTCONN,
  ETIMEDOUT,
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
import { MAX_WAITING, RdmaConnection } from './connection.ts';
import { defaultOptions, setOption } from './options.ts';
import { type EventTarget, type RdmaHost, REFUSED } from './rdma-host.ts';
import { SEND_DEPTH } from './send-queue.ts';

const FRESH = 0;
const LISTENING = 1;
const CONNECTING = 2;
const CONNECTED = 3;
const CLOSED = 4;

/** A queue pair that is being connected, before there is a connection; afterwards it tells the connection of the end. */
class Link implements EventTarget {
  readonly id: number;
  readonly window: number;
  connection: RdmaConnection | undefined;
  private readonly host: RdmaHost;
  private readonly owner: RdmaSocket;
  private queuePair: number;

  constructor(host: RdmaHost, owner: RdmaSocket, id: number, window: number) {
    this.id = id;
    this.window = window;
    this.connection = undefined;
    this.host = host;
    this.owner = owner;
    this.queuePair = 0;
  }

  /** Makes the queue pair. 0 or an errno. */
  prepare(): number {
    const { inlineBytes } = this.host;
    const made = this.host.door.createQueuePair(this.id, {
      sends: SEND_DEPTH,
      pieces: MOST_PIECES,
      inlineBytes,
    });
    if (made > 0) this.queuePair = made;
    return made > 0 ? 0 : -made;
  }

  stand(peer: Greeting, options: Readonly<SocketOptions>): RdmaConnection {
    const { sendBufferBytes, receiveBufferBytes } = options;
    const { id, queuePair, window } = this;
    const number = this.host.door.manager.queuePairNumber(queuePair);
    this.connection = new RdmaConnection(this.host, {
      id,
      queuePair,
      number,
      peer,
      window,
      sendBufferBytes,
      receiveBufferBytes,
    });
    return this.connection;
  }

  event(event: ConnectionEvent): void {
    this.owner.linkEvent(this, event);
  }

  /** Gives up what is not a connection yet. */
  abandon(): void {
    if (this.connection !== undefined) {
      this.connection.close(true);
      return;
    }
    if (this.queuePair !== 0) this.host.door.manager.destroyQueuePair(this.id);
    this.host.unpromised += this.window;
    this.host.forget(this.id);
  }
}

/** A stream, or a queue of messages, over a reliable connection. */
export class RdmaSocket extends Queue implements EventTarget {
  override readonly localAddress: SocketAddress;
  override readonly remoteAddress: SocketAddress;
  private readonly host: RdmaHost;
  private readonly message: boolean;
  private options: SocketOptions;
  private state: number;
  /** The id that has the name; 0 without one. */
  private id: number;
  private connection: RdmaConnection | undefined;
  private connecting: Operation | undefined;
  private link: Link | undefined;
  private readonly accepts: OperationList;
  private backlog: number;
  /** Connections that nobody has accepted yet, in the order of their requests; the first ones may not stand yet. */
  private readonly requests: Link[];
  private readonly standing: Set<Link>;

  constructor(host: RdmaHost, message: boolean) {
    super();
    this.localAddress = new SocketAddress();
    this.remoteAddress = new SocketAddress();
    this.host = host;
    this.message = message;
    this.options = defaultOptions();
    this.state = FRESH;
    this.id = 0;
    this.connection = undefined;
    this.connecting = undefined;
    this.link = undefined;
    this.accepts = new OperationList();
    this.backlog = 0;
    this.requests = [];
    this.standing = new Set();
  }

  // ---- names ----

  override bind(address: SocketAddress): number {
    if (this.state !== FRESH || this.id !== 0) return EINVAL;
    return this.take(address);
  }

  private take(address: SocketAddress): number {
    if (address.family !== AF_INET) return EINVAL;
    const { host } = this;
    const { manager } = host.door;
    const id = manager.create();
    if (id < 0) return -id;
    const errno = manager.bind(id, address.ipv4, address.port);
    if (errno !== 0) {
      manager.destroy(id);
      return errno === ENODEV ? EADDRNOTAVAIL : errno;
    }
    this.own(id);
    const name = manager.addressOf(id, 'local');
    this.localAddress.setIpv4(name.ipv4, name.port);
    return 0;
  }

  private own(id: number): void {
    this.id = id;
    this.host.watch(id, this);
  }

  // ---- listening ----

  override listen(backlog: number): number {
    if (this.state !== FRESH && this.state !== LISTENING) return EINVAL;
    if (this.id === 0) {
      const errno = this.take(new SocketAddress());
      if (errno !== 0) return errno;
    }
    this.backlog = Math.max(1, backlog);
    if (this.state === LISTENING) return 0;
    const errno = this.host.door.manager.listen(this.id, this.backlog);
    if (errno === 0) this.state = LISTENING;
    return errno;
  }

  /** Somebody asks. */
  private request(event: ConnectionEvent): void {
    const { host } = this;
    const { manager } = host.door;
    const peer = decodeGreeting(event.data);
    const full = this.requests.length >= this.backlog + this.accepts.count;
    const window = peer === undefined || peer.message !== this.message || full ? 0 : host.grant();
    if (window === 0) {
      host.add(REFUSED, 1);
      manager.reject(event.id);
      manager.destroy(event.id);
      return;
    }
    const link = new Link(host, this, event.id, window);
    host.watch(event.id, link);
    if (link.prepare() !== 0) {
      manager.reject(event.id);
      link.abandon();
      return;
    }
    link.stand(peer!, this.options);
    this.requests.push(link);
    if (manager.accept(event.id, this.greeting(window)) !== 0) this.dropRequest(link);
  }

  private greeting(credits: number): Uint8Array {
    const { door, pool } = this.host;
    return encodeGreeting({
      message: this.message,
      credits,
      base: door.device.regionAddress,
      lengthBytes: pool.region.lengthBytes,
      key: door.device.remoteKey,
      slotBytes: pool.slotSizeBytes,
    });
  }

  private dropRequest(link: Link): void {
    this.standing.delete(link);
    this.requests.splice(this.requests.indexOf(link), 1);
    link.abandon();
  }

  override accept(operation: Operation): void {
    const { operations } = this.host.runtime;
    if (this.state !== LISTENING) operations.complete(operation, EINVAL);
    else if (this.accepts.count === MAX_WAITING) operations.complete(operation, EAGAIN);
    else {
      this.accepts.push(operation);
      this.serveAccepts();
    }
  }

  private serveAccepts(): void {
    while (this.accepts.head !== undefined && this.standing.has(this.requests[0]!)) {
      const operation = this.accepts.shift()!;
      const link = this.requests.shift()!;
      this.standing.delete(link);
      const queue = new RdmaSocket(this.host, this.message);
      queue.options = { ...this.options };
      const qd = this.host.runtime.queues.add(queue);
      if (qd < 0) {
        link.abandon();
        this.host.runtime.operations.complete(operation, ENOBUFS);
        continue;
      }
      queue.become(link.connection!, link.id);
      operation.acceptedQd = qd;
      operation.address.copyFrom(queue.remoteAddress);
      this.host.runtime.operations.complete(operation, 0);
    }
  }

  private become(connection: RdmaConnection, id: number): void {
    const { manager } = this.host.door;
    const [near, far] = [manager.addressOf(id, 'local'), manager.addressOf(id, 'remote')];
    this.state = CONNECTED;
    this.connection = connection;
    this.localAddress.setIpv4(near.ipv4, near.port);
    this.remoteAddress.setIpv4(far.ipv4, far.port);
    connection.sendBufferBytes = this.options.sendBufferBytes;
    connection.receiveBufferBytes = this.options.receiveBufferBytes;
  }

  // ---- connecting ----

  override connect(operation: Operation): void {
    const errno = this.whyNotConnect() || this.call(operation);
    if (errno !== 0) this.host.runtime.operations.complete(operation, errno);
  }

  private whyNotConnect(): number {
    if (this.state === FRESH) return 0;
    if (this.state === CONNECTING) return EALREADY;
    return this.state === CONNECTED ? EISCONN : EINVAL;
  }

  private call(operation: Operation): number {
    const { host } = this;
    const { manager } = host.door;
    const to = operation.address;
    if (to.family !== AF_INET) return EINVAL;
    if (this.id === 0) {
      const id = manager.create();
      if (id < 0) return -id;
      this.own(id);
    }
    const window = host.grant();
    if (window === 0) return ENOBUFS;
    this.link = new Link(host, this, this.id, window);
    host.watch(this.id, this.link);
    this.state = CONNECTING;
    const errno = manager.resolveAddress(this.id, to.ipv4, to.port);
    if (errno !== 0) {
      this.startAfresh();
      return errno === ENODEV ? EHOSTUNREACH : errno;
    }
    this.connecting = operation;
    return 0;
  }

  private startAfresh(): void {
    this.link?.abandon();
    this.link = undefined;
    this.id = 0;
    this.connecting = undefined;
    this.localAddress.setIpv4(0, 0);
    this.state = FRESH;
  }

  private failConnect(errno: number): void {
    const operation = this.connecting!;
    this.startAfresh();
    this.host.runtime.operations.complete(operation, errno);
  }

  // ---- events ----

  event(event: ConnectionEvent): void {
    if (event.kind === RDMA_CM_EVENT_CONNECT_REQUEST && this.state === LISTENING) this.request(event);
    else if (event.kind === RDMA_CM_EVENT_CONNECT_REQUEST) this.host.door.manager.destroy(event.id);
  }

  linkEvent(link: Link, event: ConnectionEvent): void {
    if (link === this.link && this.connecting !== undefined) this.callerEvent(link, event);
    else if (event.kind === RDMA_CM_EVENT_ESTABLISHED) {
      this.standing.add(link);
      this.serveAccepts();
    } else if (this.requests.includes(link) && !this.standing.has(link)) this.dropRequest(link);
    else link.connection?.peerGone();
  }

  private callerEvent(link: Link, event: ConnectionEvent): void {
    const { manager } = this.host.door;
    let errno = 0;
    switch (event.kind) {
      case RDMA_CM_EVENT_ADDR_RESOLVED:
        errno = manager.resolveRoute(link.id);
        break;
      case RDMA_CM_EVENT_ROUTE_RESOLVED:
        errno = link.prepare() || manager.connect(link.id, this.greeting(link.window));
        break;
      case RDMA_CM_EVENT_ESTABLISHED:
        this.established(link, event);
        return;
      case RDMA_CM_EVENT_ADDR_ERROR:
      case RDMA_CM_EVENT_ROUTE_ERROR:
        errno = event.status < 0 ? -event.status : EHOSTUNREACH;
        break;
      case RDMA_CM_EVENT_REJECTED:
        errno = ECONNREFUSED;
        break;
      case RDMA_CM_EVENT_UNREACHABLE:
        errno = ETIMEDOUT;
        break;
      default:
        errno = ECONNRESET;
    }
    if (errno !== 0) this.failConnect(errno);
  }

  private established(link: Link, event: ConnectionEvent): void {
    const peer = decodeGreeting(event.data);
    if (peer === undefined || peer.message !== this.message) {
      this.host.add(REFUSED, 1);
      this.host.door.manager.disconnect(link.id);
      this.failConnect(ECONNREFUSED);
      return;
    }
    const operation = this.connecting!;
    this.connecting = undefined;
    this.id = 0;
    this.become(link.stand(peer, this.options), link.id);
    this.host.runtime.operations.complete(operation, 0);
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
    this.connection?.close(this.options.lingerUs === 0);
    this.connection = undefined;
    while (this.requests.length > 0) this.dropRequest(this.requests[0]!);
    if (this.id !== 0) this.host.forget(this.id);
    this.id = 0;
    for (let accept = this.accepts.shift(); accept !== undefined; accept = this.accepts.shift()) {
      this.host.runtime.operations.complete(accept, ECANCELED);
    }
  }

  // ---- options ----

  override getOption(name: SocketOptionName): number | boolean | undefined {
    return Object.hasOwn(this.options, name) ? this.options[name] : undefined;
  }

  override setOption(name: SocketOptionName, value: number | boolean): number {
    const errno = setOption(this.options, name, value);
    if (errno !== 0 || this.connection === undefined) return errno;
    this.connection.sendBufferBytes = this.options.sendBufferBytes;
    this.connection.receiveBufferBytes = this.options.receiveBufferBytes;
    return 0;
  }
}
