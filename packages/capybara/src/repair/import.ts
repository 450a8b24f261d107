// Putting a connection into the kernel of this host, as if it had always been here.

import { DemiError } from '@demikernel/memory';
import {
  AF_INET,
  AF_INET6,
  bindSocket,
  check,
  closeDescriptor,
  connectSocket,
  fillQueue,
  IP_FREEBIND,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_FREEBIND,
  openSocket,
  REPAIR_NO_QUEUE,
  REPAIR_OFF,
  REPAIR_ON,
  REPAIR_RECEIVE_QUEUE,
  REPAIR_SEND_QUEUE,
  SHUT_WR,
  SO_REUSEADDR,
  SOCK_STREAM,
  SOL_SOCKET,
  SocketAddress,
  selectRepairQueue,
  setQueueSequence,
  setRepair,
  setRepairOptions,
  setRepairWindow,
  setSocketOption,
  setTcpTimestamp,
  shutdownSocket,
} from '@demikernel/native/kernel';
import {
  type Endpoint,
  hasClosedWriting,
  hasPeerClosed,
  type KernelConnection,
} from './connection-record.ts';
import { FinInjector } from './fin-injector.ts';
import { makeRoom, restoreRoom, setCongestionControl, writeOptions } from './socket-options.ts';

/** Bytes put into a queue by one call: tcp_send_rcvq makes one buffer of each. */
const FILL_BYTES = 32 * 1024;

/** A connection that has been put together here and does not speak yet. */
export class ImportedConnection {
  /** Non-blocking; the caller's once {@link resume} has returned. */
  readonly fd: number;
  readonly #connection: KernelConnection;

  /** @internal use {@link importConnection} */
  constructor(fd: number, connection: KernelConnection) {
    this.fd = fd;
    this.#connection = connection;
  }

  /**
   * Lets it speak: a window probe first, then what was never sent, then the FIN if one is due. Before this, the peer has
   * heard nothing from here, and {@link abandon} leaves no trace.
   *
   * @throws DemiError; the connection is then gone from this host, without a word to the peer
   */
  resume(): void {
    const { fd } = this;
    const { state, unsent, options } = this.#connection;
    try {
      check(setRepair(fd, REPAIR_OFF), 'setsockopt(TCP_REPAIR)');
      // Leaving repair mode turned it off.
      setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      fill(fd, unsent);
      restoreRoom(fd, options);
      if (hasPeerClosed(state)) {
        using injector = new FinInjector();
        injector.inject(this.#connection);
      }
      if (hasClosedWriting(state)) check(shutdownSocket(fd, SHUT_WR), 'shutdown');
    } catch (error) {
      setRepair(fd, REPAIR_ON);
      this.abandon();
      throw error;
    }
  }

  /** Forgets it before {@link resume}: closed in repair mode, it says nothing. */
  abandon(): void {
    closeDescriptor(this.fd);
  }
}

/**
 * Puts a connection together in this thread's network namespace. It is deaf and silent until {@link ImportedConnection.resume}.
 *
 * The local address need not be this host's. Nobody may have the connection here: on the host that it comes from, abandon
 * it first.
 *
 * @throws DemiError `ERR_DEMI_PERMISSION` without CAP_NET_ADMIN; `ERR_DEMI_SYSCALL` with errno EADDRINUSE or EADDRNOTAVAIL
 *   when the connection exists here, with ENETUNREACH when there is no way back to the peer. Nothing is left.
 */
export function importConnection(connection: KernelConnection): ImportedConnection {
  const ipv6 = connection.local.address.includes(':');
  const fd = check(openSocket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM), 'socket');
  try {
    fillIn(fd, connection, ipv6);
    return new ImportedConnection(fd, connection);
  } catch (error) {
    // In repair mode by now, or never connected: closed without a word.
    closeDescriptor(fd);
    throw error;
  }
}

function fillIn(fd: number, connection: KernelConnection, ipv6: boolean): void {
  const { local, remote, sent, unsent, received, options } = connection;
  check(setRepair(fd, REPAIR_ON), 'setsockopt(TCP_REPAIR)', {
    capabilities: ['CAP_NET_ADMIN'],
    detail: 'restoring a connection',
  });
  setSocketOption(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_FREEBIND : IP_FREEBIND, 1);
  // SO_REUSEADDR must not be touched: repair mode has set it to SK_FORCE_REUSE, which binds beside a listener.
  selectQueue(fd, REPAIR_SEND_QUEUE);
  check(setQueueSequence(fd, connection.sendSequence), 'setsockopt(TCP_QUEUE_SEQ)');
  selectQueue(fd, REPAIR_RECEIVE_QUEUE);
  check(setQueueSequence(fd, connection.receiveSequence), 'setsockopt(TCP_QUEUE_SEQ)');
  const name = new SocketAddress();
  try {
    const at = ({ address, port }: Endpoint): SocketAddress => {
      name.setIp(address, port);
      return name;
    };
    const detail = `restoring ${local.address}:${local.port} - ${remote.address}:${remote.port}`;
    check(bindSocket(fd, at(local)), 'bind', { detail });
    // In repair mode no SYN is sent: the connection is established at once.
    check(connectSocket(fd, at(remote)), 'connect', { detail });
  } finally {
    name.close();
  }
  check(setRepairOptions(fd, connection, connection.mss), 'setsockopt(TCP_REPAIR_OPTIONS)');
  if (connection.timestamps) {
    // The kernel rounds a clock of milliseconds down to even numbers (its lowest bit says which clock it is): without one
    // tick more, a connection that moves often would fall behind what its peer has seen (RFC 7323 section 5).
    check(setTcpTimestamp(fd, (connection.timestamp + 2) >>> 0), 'setsockopt(TCP_TIMESTAMP)');
  }
  setCongestionControl(fd, connection.congestionControl);
  makeRoom(fd, received.length, sent.length + unsent.length);
  fill(fd, received);
  selectQueue(fd, REPAIR_SEND_QUEUE);
  fill(fd, sent);
  check(setRepairWindow(fd, windowBefore(connection)), 'setsockopt(TCP_REPAIR_WINDOW)');
  selectQueue(fd, REPAIR_NO_QUEUE);
  writeOptions(fd, options, ipv6);
}

/** The window as it was before the peer's FIN, which is not here yet: nothing in it may lie behind what was received. */
function windowBefore(connection: KernelConnection): Uint32Array {
  const window = Uint32Array.from(connection.window);
  const end = connection.receiveSequence + connection.received.length;
  // snd_wl1 and rcv_wup.
  for (const i of [0, 4]) if (((window[i]! - end) | 0) > 0) window[i] = end;
  return window;
}

function selectQueue(fd: number, queue: number): void {
  check(selectRepairQueue(fd, queue), 'setsockopt(TCP_REPAIR_QUEUE)');
}

function fill(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const taken = check(fillQueue(fd, bytes.subarray(at, at + FILL_BYTES)), 'send', {
      detail: 'filling a queue',
    });
    if (taken === 0) throw new DemiError('ERR_DEMI_STATE', 'The kernel took none of a queue');
    at += taken;
  }
}
