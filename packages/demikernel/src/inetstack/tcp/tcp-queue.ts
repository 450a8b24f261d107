// A TCP queue: the contract of runtime/queue.ts over a listener or a connection. The protocol is elsewhere.

import {
  EADDRNOTAVAIL,
  EALREADY,
  EBUSY,
  ECANCELED,
  EINVAL,
  EISCONN,
  ENETUNREACH,
  ENOBUFS,
  ENOTCONN,
  EOPNOTSUPP,
} from '../../runtime/errno.ts';
import { OP_ACCEPT, OP_CONNECT, OP_POP, OP_PUSH, type Operation } from '../../runtime/operation.ts';
import { Queue, SHUT_RD, SHUT_RDWR, SHUT_WR, type SocketOptionName } from '../../runtime/queue.ts';
import { AF_INET, SocketAddress } from '../../runtime/socket-address.ts';
import { TcpConnection } from './connection.ts';
import { ACTIVE_OPEN, count } from './counters.ts';
import { prepareOffer } from './handshake.ts';
import { abort, destroy, orphan, shutdownReceive, shutdownSend } from './lifecycle.ts';
import { TcpListener } from './listener.ts';
import { type FrozenConnection, freeze } from './migration/frozen.ts';
import { cancelPop, failPush, pop, push } from './operations.ts';
import { isTaken } from './ports.ts';
import { ConnectionSettings } from './settings.ts';
import { ESTABLISHED, SYN_SENT, TIME_WAIT } from './states.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { markReady } from './transmit.ts';

export class TcpQueue extends Queue {
  private connection: TcpConnection | undefined;
  private readonly layer: TcpLayer;
  readonly localAddress: SocketAddress;
  readonly remoteAddress: SocketAddress;
  private readonly settings: ConnectionSettings;
  private listener: TcpListener | undefined;
  /** The port this queue itself has bound; 0 for none. */
  private boundPort: number;
  private boundAddress: number;
  private closed: boolean;
  /** While the connection is frozen, `connection` is not there. */
  private frozen: FrozenConnection | undefined;

  constructor(layer: TcpLayer) {
    super();
    // First what every push and pop wants: one cache line per queue.
    this.connection = undefined;
    this.layer = layer;
    this.localAddress = new SocketAddress();
    this.remoteAddress = new SocketAddress();
    this.settings = new ConnectionSettings(layer.configuration);
    this.listener = undefined;
    this.boundPort = 0;
    this.boundAddress = 0;
    this.closed = false;
    this.frozen = undefined;
  }

  /** The connection behind this queue, for tests and for moving it. */
  get state(): TcpConnection | undefined {
    return this.connection;
  }

  /** Takes a connection that a listener has accepted. */
  adopt(c: TcpConnection, settings: ConnectionSettings): void {
    this.settings.copyFrom(settings);
    this.connection = c;
    this.localAddress.setIpv4(c.localAddress, c.localPort);
    this.remoteAddress.setIpv4(c.remoteAddress, c.remotePort);
  }

  /**
   * Takes the connection out of the stack, to move it or to go on with it.
   *
   * @param packets that are kept for it meanwhile, at most
   * @returns an errno when there is none that can move: not synchronized, or over
   */
  freeze(packets: number): FrozenConnection | number {
    const c = this.connection;
    if (this.frozen !== undefined) return EALREADY;
    if (c === undefined || c.inTable === 0) return ENOTCONN;
    if (!this.mayFreeze) return EOPNOTSUPP;
    const frozen = freeze(this.layer, c, this, packets);
    this.connection = undefined;
    this.frozen = frozen;
    return frozen;
  }

  /** Whether there is a connection that can be frozen now. */
  get mayFreeze(): boolean {
    const c = this.connection;
    return c !== undefined && c.inTable !== 0 && c.state >= ESTABLISHED && c.state !== TIME_WAIT;
  }

  /** Stands for a connection that has arrived and is frozen still. */
  adoptFrozen(frozen: FrozenConnection): void {
    this.frozen = frozen;
    this.localAddress.setIpv4(frozen.connection.localAddress, frozen.connection.localPort);
    this.remoteAddress.setIpv4(frozen.connection.remoteAddress, frozen.connection.remotePort);
  }

  /** The connection goes on; or, without one, is gone. */
  thaw(c: TcpConnection | undefined): void {
    this.connection = c;
    this.frozen = undefined;
    if (c !== undefined && !this.closed) this.settings.applyTo(c);
  }

  /** The options, as they move with the connection. */
  get options(): ConnectionSettings {
    return this.settings;
  }

  /** The layer it belongs to. */
  get owner(): TcpLayer {
    return this.layer;
  }

  /** What it listens on; `undefined` when it does not. */
  get listening(): TcpListener | undefined {
    return this.listener;
  }

  override bind(address: SocketAddress): number {
    if (this.boundPort !== 0 || this.connection !== undefined || address.family !== AF_INET) return EINVAL;
    if (address.ipv4 !== 0 && !this.layer.output.isLocal(address.ipv4)) return EADDRNOTAVAIL;
    const port = this.layer.ports.bind(address.ipv4, address.port);
    if (port < 0) return -port;
    this.boundPort = port;
    this.boundAddress = address.ipv4;
    this.localAddress.setIpv4(address.ipv4, port);
    return 0;
  }

  override listen(backlog: number): number {
    if (this.connection !== undefined) return EISCONN;
    const room = Math.max(1, Math.min(backlog | 0, 65_535));
    if (this.listener !== undefined) {
      this.listener.backlog = room;
      return 0;
    }
    if (this.boundPort === 0) {
      const errno = this.bind(new SocketAddress());
      if (errno !== 0) return errno;
    }
    this.listener = new TcpListener(this.layer, this.boundAddress, this.boundPort, this.settings, room);
    this.layer.addListener(this.listener);
    return 0;
  }

  override accept(operation: Operation): void {
    if (this.listener === undefined) this.layer.runtime.operations.complete(operation, EINVAL);
    else this.listener.accept(operation);
  }

  override connect(operation: Operation): void {
    const errno = this.open(operation);
    if (errno !== 0) this.layer.runtime.operations.complete(operation, errno);
  }

  /** Active OPEN (RFC 9293 section 3.10.1). */
  private open(operation: Operation): number {
    const { layer } = this;
    const { address } = operation;
    if (this.listener !== undefined) return EOPNOTSUPP;
    if (this.connection !== undefined) return this.connection.connecting !== undefined ? EALREADY : EISCONN;
    if (address.family !== AF_INET || address.port === 0) return EINVAL;
    const route = layer.output.route(address.ipv4, this.boundAddress);
    if (route === undefined || route.broadcast) return ENETUNREACH;
    if (layer.demultiplexer.count >= layer.configuration.maximumConnections) return ENOBUFS;
    const port = this.choosePort(route.source, address.ipv4, address.port);
    if (port < 0) return -port;
    const c = new TcpConnection(layer, route, route.source, port, address.ipv4, address.port);
    this.settings.applyTo(c);
    prepareOffer(layer, c);
    c.state = SYN_SENT;
    c.connecting = operation;
    layer.enterRetained(c);
    this.connection = c;
    this.localAddress.setIpv4(route.source, port);
    this.remoteAddress.setIpv4(address.ipv4, address.port);
    count(layer.counters, ACTIVE_OPEN);
    markReady(layer, c);
    return 0;
  }

  /** The local port, of which one use has been taken for the connection; or a negative errno. */
  private choosePort(source: number, remoteAddress: number, remotePort: number): number {
    const { layer } = this;
    const { demultiplexer } = layer;
    if (this.boundPort === 0) {
      const hash = layer.sequences.portOffset(source, remoteAddress, remotePort);
      return layer.ports.connect(demultiplexer, source, remoteAddress, remotePort, hash);
    }
    if (isTaken(demultiplexer, source, this.boundPort, remoteAddress, remotePort)) return -EADDRNOTAVAIL;
    const errno = layer.ports.retain(this.boundPort);
    return errno === 0 ? this.boundPort : -errno;
  }

  override push(operation: Operation): void {
    const c = this.connection;
    if (c !== undefined && (c.state >= ESTABLISHED || c.connecting === undefined)) {
      push(this.layer, c, operation);
    } else if (this.frozen !== undefined) this.frozen.push(operation);
    else failPush(this.layer, operation, ENOTCONN);
  }

  override pop(operation: Operation): void {
    const c = this.connection;
    if (c !== undefined && c.connecting === undefined) pop(this.layer, c, operation);
    else if (this.frozen !== undefined) this.frozen.pop(operation);
    else this.layer.runtime.operations.complete(operation, ENOTCONN);
  }

  override shutdown(how: number): number {
    const c = this.connection;
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return EINVAL;
    // It could only be done to the copy that stays, and that one may be gone in a moment.
    if (this.frozen !== undefined) return EBUSY;
    if (c === undefined || c.state < ESTABLISHED) return ENOTCONN;
    if (how !== SHUT_WR) shutdownReceive(this.layer, c);
    if (how !== SHUT_RD) shutdownSend(this.layer, c);
    return 0;
  }

  override cancel(operation: Operation): boolean {
    const { layer } = this;
    const c = this.connection ?? this.frozen?.connection;
    if (operation.opcode === OP_CONNECT) {
      if (c === undefined || c.connecting !== operation) return false;
      this.connection = undefined;
      abort(layer, c, ECANCELED);
      return true;
    }
    if (operation.opcode === OP_POP) return c !== undefined && cancelPop(layer, c, operation);
    const list = operation.list;
    if (list === undefined) return false;
    if (operation.opcode === OP_ACCEPT && list === this.listener?.accepts) {
      list.remove(operation);
      layer.runtime.operations.complete(operation, ECANCELED);
      return true;
    }
    if (c === undefined) return false;
    if (operation.opcode === OP_PUSH && list === c.pushes && operation.doneBytes === 0) {
      list.remove(operation);
      failPush(layer, operation, ECANCELED);
      return true;
    }
    return false;
  }

  override close(): void {
    if (this.closed) return;
    this.closed = true;
    const { layer, listener, connection } = this;
    if (listener !== undefined) {
      layer.removeListener(listener);
      listener.close();
      this.listener = undefined;
    }
    // The connection stays reachable through the layer's table until it is done.
    if (connection !== undefined) orphan(layer, connection);
    this.frozen?.close();
    if (this.boundPort !== 0) layer.ports.unbind(this.boundAddress, this.boundPort);
    this.boundPort = 0;
  }

  override getOption(name: SocketOptionName): number | boolean | undefined {
    return this.settings[name];
  }

  override setOption(name: SocketOptionName, value: number | boolean): number {
    return this.settings.set(this.layer, this.connection, name, value);
  }

  /** Ends the connection at once with a RST, whatever the linger option says. */
  abort(): void {
    const c = this.connection;
    if (c === undefined) return;
    if (c.inTable !== 0) abort(this.layer, c, ECANCELED);
    else destroy(this.layer, c, ECANCELED);
  }
}
