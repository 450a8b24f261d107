// A UDP socket as a queue: bind, connect, push, pop, and the bounds of what it holds. Ports and demultiplexing: udp-layer.ts.

import type { ScatterGatherArray } from '@demikernel/memory';
import {
  EADDRNOTAVAIL,
  EAGAIN,
  ECANCELED,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
} from '../../runtime/errno.ts';
import { type Operation, OperationList, PUSH_TO } from '../../runtime/operation.ts';
import { Queue, SHUT_RD, SHUT_WR, type SocketOptionName } from '../../runtime/queue.ts';
import { AF_INET, SocketAddress } from '../../runtime/socket-address.ts';
import { ReceiveRing } from './receive-ring.ts';
import type { UdpLayer } from './udp-layer.ts';

/** Payload of the largest UDP datagram: 65535 less the headers. */
export const MAX_PAYLOAD_BYTES = 65507;
/** Pushes and pops that may wait at once, each; one more fails with EAGAIN. */
const MAX_WAITING = 1024;
const OPEN = 0;
const CLOSED = 1;

export class UdpQueue extends Queue {
  readonly localAddress: SocketAddress;
  readonly remoteAddress: SocketAddress;
  /** Has a default peer, and hears from nobody else. */
  connected: boolean;
  reuseAddress: boolean;
  /** Is on the layer's list of queues whose pushes wait for room. */
  stalled: boolean;
  /** Bytes accepted and not yet given to the device. */
  unsentBytes: number;
  private readonly layer: UdpLayer;
  private readonly pops: OperationList;
  private readonly pushes: OperationList;
  private readonly received: ReceiveRing;
  private receivedBytes: number;
  private receivedSlots: number;
  private receiveBufferBytes: number;
  private sendBufferBytes: number;
  private state: number;
  private readShut: boolean;
  private writeShut: boolean;
  /** An error from the network that the next operation reports. */
  private pendingErrno: number;

  constructor(layer: UdpLayer) {
    super();
    this.localAddress = new SocketAddress();
    this.remoteAddress = new SocketAddress();
    this.connected = false;
    this.reuseAddress = false;
    this.stalled = false;
    this.unsentBytes = 0;
    this.layer = layer;
    this.pops = new OperationList();
    this.pushes = new OperationList();
    this.received = new ReceiveRing();
    this.receivedBytes = 0;
    this.receivedSlots = 0;
    this.receiveBufferBytes = layer.receiveBufferBytes;
    this.sendBufferBytes = layer.sendBufferBytes;
    this.state = OPEN;
    this.readShut = false;
    this.writeShut = false;
    this.pendingErrno = 0;
  }

  override bind(address: SocketAddress): number {
    if (this.localAddress.port !== 0 || address.family !== AF_INET) return EINVAL;
    if (address.ipv4 !== 0 && !this.layer.mayBind(address.ipv4)) return EADDRNOTAVAIL;
    return this.layer.bind(this, address.ipv4, address.port);
  }

  override listen(): number {
    return EOPNOTSUPP;
  }

  override accept(operation: Operation): void {
    this.layer.operations.complete(operation, EOPNOTSUPP);
  }

  /** Sets the default peer; done at once, because nothing is said on the wire. */
  override connect(operation: Operation): void {
    this.layer.operations.complete(operation, this.connectTo(operation.address));
  }

  private connectTo(peer: SocketAddress): number {
    if (peer.family !== AF_INET || peer.port === 0 || peer.ipv4 === 0) return EINVAL;
    const route = this.layer.output.route(peer.ipv4, this.localAddress.ipv4);
    if (route === undefined) return ENETUNREACH;
    const errno = this.bindIfNeeded();
    if (errno !== 0) return errno;
    return this.layer.connect(this, peer.ipv4, peer.port, route.source);
  }

  private bindIfNeeded(): number {
    return this.localAddress.port === 0 ? this.layer.bind(this, this.localAddress.ipv4, 0) : 0;
  }

  override push(operation: Operation): void {
    operation.sizeBytes = operation.array === undefined ? 0 : operation.array.lengthBytes;
    // Those that wait go first.
    if (this.pushes.count === 0 && this.tryPush(operation)) return;
    if (this.pushes.count === MAX_WAITING) {
      this.refuse(operation, EAGAIN);
      return;
    }
    this.pushes.push(operation);
    this.layer.stall(this);
  }

  /** Accepts or refuses a push; false when there is no room for it now. */
  private tryPush(operation: Operation): boolean {
    const bytes = operation.sizeBytes;
    const errno = this.refusal(operation, bytes);
    if (errno !== 0) return this.refuse(operation, errno);
    if (this.mustWait(bytes)) return false;
    const named = (operation.flags & PUSH_TO) !== 0;
    const to = named ? operation.address : this.remoteAddress;
    const route = this.layer.output.route(to.ipv4, this.localAddress.ipv4);
    if (route === undefined) return this.refuse(operation, ENETUNREACH);
    const array = operation.array!;
    operation.array = undefined;
    operation.doneBytes = bytes;
    this.unsentBytes += bytes;
    this.layer.transmit.accept(this, route, array, bytes, this.localAddress.port, to.port);
    this.layer.operations.complete(operation, 0);
    return true;
  }

  private refusal(operation: Operation, bytes: number): number {
    if (this.state !== OPEN) return ECANCELED;
    if (this.writeShut) return EPIPE;
    if (operation.array === undefined) return EINVAL;
    if (bytes > MAX_PAYLOAD_BYTES) return EMSGSIZE;
    if ((operation.flags & PUSH_TO) === 0) {
      if (!this.connected) return ENOTCONN;
    } else if (operation.address.family !== AF_INET || operation.address.port === 0) return EINVAL;
    if (this.pendingErrno !== 0) return this.takeErrno();
    return this.bindIfNeeded();
  }

  private refuse(operation: Operation, errno: number): true {
    const array = operation.array;
    operation.array = undefined;
    if (array !== undefined) array.free();
    this.layer.operations.complete(operation, errno);
    return true;
  }

  private takeErrno(): number {
    const errno = this.pendingErrno;
    this.pendingErrno = 0;
    return errno;
  }

  /** A datagram of this queue has left, or is lost; called by the transmitter. */
  sent(bytes: number): void {
    this.unsentBytes -= bytes;
  }

  /** Goes on with the pushes that wait for room; true when some still do. */
  resumePushes(): boolean {
    for (let operation = this.pushes.head; operation !== undefined; operation = this.pushes.head) {
      if (this.mustWait(operation.sizeBytes)) return true;
      this.pushes.remove(operation);
      this.tryPush(operation);
    }
    return false;
  }

  private mustWait(bytes: number): boolean {
    if (this.layer.transmit.full) return true;
    return this.unsentBytes > 0 && this.unsentBytes + bytes > this.sendBufferBytes;
  }

  override pop(operation: Operation): void {
    if (this.state !== OPEN) {
      this.layer.operations.complete(operation, ECANCELED);
      return;
    }
    const array = this.received.shift();
    if (array !== undefined) {
      this.receivedBytes -= array.lengthBytes;
      this.receivedSlots -= array.count;
      this.layer.heldSlots -= array.count;
      this.give(operation, array, this.received.shiftedAddress, this.received.shiftedPort);
      return;
    }
    if (this.pendingErrno !== 0) {
      this.layer.operations.complete(operation, this.takeErrno());
      return;
    }
    if (this.readShut) {
      this.endOfStream(operation);
      return;
    }
    if (this.pops.count === MAX_WAITING) {
      this.layer.operations.complete(operation, EAGAIN);
      return;
    }
    this.pops.push(operation);
  }

  /** Takes a datagram over; false when there is no room, and it stays the caller's. */
  deliver(array: ScatterGatherArray, bytes: number, address: number, port: number): boolean {
    const operation = this.pops.head;
    if (operation !== undefined) {
      this.pops.remove(operation);
      this.give(operation, array, address, port);
      return true;
    }
    if (this.receivedBytes + bytes > this.receiveBufferBytes) return false;
    if (this.readShut || this.receivedSlots + array.count > this.layer.receiveSlots) return false;
    this.receivedBytes += bytes;
    this.receivedSlots += array.count;
    this.layer.heldSlots += array.count;
    this.received.push(array, address, port);
    return true;
  }

  /** Whether a datagram would be taken by a waiting pop at once. */
  get awaited(): boolean {
    return this.pops.count > 0;
  }

  private give(operation: Operation, array: ScatterGatherArray, address: number, port: number): void {
    if (operation.sizeBytes > 0 && operation.sizeBytes < array.lengthBytes)
      array.truncate(operation.sizeBytes);
    operation.array = array;
    operation.address.setIpv4(address, port);
    this.layer.operations.complete(operation, 0);
  }

  private endOfStream(operation: Operation): void {
    operation.array = this.layer.output.pool.array();
    this.layer.operations.complete(operation, 0);
  }

  /** An ICMP error or a dead neighbour; only a connected queue is told, as RFC 1122 section 4.1.3.3 leaves it. */
  failedTo(address: number, port: number, errno: number): void {
    if (!this.connected || this.remoteAddress.ipv4 !== address || this.remoteAddress.port !== port) return;
    const operation = this.pops.shift();
    if (operation === undefined) this.pendingErrno = errno;
    else this.layer.operations.complete(operation, errno);
  }

  override shutdown(how: number): number {
    if (!this.connected) return ENOTCONN;
    if (how !== SHUT_RD) this.writeShut = true;
    if (how !== SHUT_WR) {
      this.readShut = true;
      for (let operation = this.pops.shift(); operation !== undefined; operation = this.pops.shift()) {
        this.endOfStream(operation);
      }
    }
    return 0;
  }

  override cancel(operation: Operation): boolean {
    const list = operation.list;
    if (list === undefined || (list !== this.pops && list !== this.pushes)) return false;
    list.remove(operation);
    this.refuse(operation, ECANCELED);
    return true;
  }

  override close(): void {
    if (this.state === CLOSED) return;
    this.state = CLOSED;
    this.layer.remove(this);
    for (let operation = this.pops.shift(); operation !== undefined; operation = this.pops.shift()) {
      this.refuse(operation, ECANCELED);
    }
    for (let operation = this.pushes.shift(); operation !== undefined; operation = this.pushes.shift()) {
      this.refuse(operation, ECANCELED);
    }
    for (let array = this.received.shift(); array !== undefined; array = this.received.shift()) {
      this.layer.heldSlots -= array.count;
      array.free();
    }
  }

  override getOption(name: SocketOptionName): number | boolean | undefined {
    if (name === 'sendBufferBytes') return this.sendBufferBytes;
    if (name === 'receiveBufferBytes') return this.receiveBufferBytes;
    if (name === 'reuseAddress') return this.reuseAddress;
    return undefined;
  }

  override setOption(name: SocketOptionName, value: number | boolean): number {
    if (name === 'reuseAddress') {
      if (typeof value !== 'boolean') return EINVAL;
      this.reuseAddress = value;
      return 0;
    }
    if (name !== 'sendBufferBytes' && name !== 'receiveBufferBytes') return EOPNOTSUPP;
    if (typeof value !== 'number' || !(value > 0)) return EINVAL;
    if (name === 'sendBufferBytes') this.sendBufferBytes = value | 0;
    else this.receiveBufferBytes = value | 0;
    return 0;
  }
}
