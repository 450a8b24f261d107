// Kernel sockets: making, naming, connecting, options. Bytes travel by message.ts.
// Every door returns a non-negative result or a negative errno, and throws nothing.

import type { NativeBuffer } from './library.ts';
import { errno, libc } from './library.ts';
import type { SocketAddress } from './socket-address.ts';

// include/linux/net.h, include/linux/socket.h
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

// include/uapi/asm-generic/socket.h
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_BROADCAST = 6;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const SO_PEERCRED = 17;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const SO_ACCEPTCONN = 30;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_PROTOCOL = 38;
export const SO_DOMAIN = 39;
export const SO_BUSY_POLL = 46;
export const SO_INCOMING_CPU = 49;
export const SO_BUF_LOCK = 72;

// include/uapi/linux/in.h, tcp.h
export const IPPROTO_IP = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IP_TOS = 1;
export const IP_FREEBIND = 15;
export const IPV6_TCLASS = 67;
export const IPV6_FREEBIND = 78;
export const TCP_NODELAY = 1;
export const TCP_MAXSEG = 2;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_INFO = 11;
export const TCP_QUICKACK = 12;
export const TCP_CONGESTION = 13;
export const TCP_USER_TIMEOUT = 18;

/** How a socket is opened. */
export interface SocketMode {
  /** The data path polls and never sleeps in a call, so `false` is the exception. */
  blocking?: boolean;
}

/** socket(2), close-on-exec and non-blocking unless asked otherwise. Returns the descriptor or a negative errno. */
export function openSocket(family: number, type: number, protocol = 0, mode: SocketMode = {}): number {
  const flags = mode.blocking === true ? SOCK_CLOEXEC : SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = libc().socket(family, type | flags, protocol);
  return fd === -1 ? -errno() : fd;
}

/** bind(2). 0 or a negative errno. */
export function bindSocket(fd: number, address: SocketAddress): number {
  return libc().bind(fd, address.address, address.lengthBytes) === -1 ? -errno() : 0;
}

/** listen(2). 0 or a negative errno. */
export function listenSocket(fd: number, backlog: number): number {
  return libc().listen(fd, backlog) === -1 ? -errno() : 0;
}

/**
 * accept4(2): the next connection's descriptor, non-blocking, its peer written to `peer`; or a negative errno, -EAGAIN
 * when none is waiting. Errors of the network (ECONNABORTED, …) concern that connection only: call again.
 *
 * The kernel makes the new socket before it looks for a connection, so asking in vain costs ten times a poll: ask when
 * the listener is readable.
 */
export function acceptSocket(fd: number, peer: SocketAddress): number {
  peer.clear();
  const accepted = libc().accept4(fd, peer.address, peer.lengthAddress, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return accepted === -1 ? -errno() : accepted;
}

/** connect(2). 0; -EINPROGRESS: wait until writable, then ask {@link socketError}; or another negative errno. */
export function connectSocket(fd: number, address: SocketAddress): number {
  return libc().connect(fd, address.address, address.lengthBytes) === -1 ? -errno() : 0;
}

/** shutdown(2) with SHUT_RD, SHUT_WR or SHUT_RDWR. 0 or a negative errno. */
export function shutdownSocket(fd: number, how: number): number {
  return libc().shutdown(fd, how) === -1 ? -errno() : 0;
}

/** getsockname(2) into `address`. 0 or a negative errno. */
export function socketName(fd: number, address: SocketAddress): number {
  address.clear();
  return libc().getsockname(fd, address.address, address.lengthAddress) === -1 ? -errno() : 0;
}

/** getpeername(2) into `address`. 0 or a negative errno. */
export function peerName(fd: number, address: SocketAddress): number {
  address.clear();
  return libc().getpeername(fd, address.address, address.lengthAddress) === -1 ? -errno() : 0;
}

const optionValue = new Int32Array(1);
const optionLength = new Int32Array(1);

/** setsockopt(2) with an int value. 0 or a negative errno. */
export function setSocketOption(fd: number, level: number, name: number, value: number): number {
  optionValue[0] = value;
  return libc().setsockopt(fd, level, name, optionValue, 4) === -1 ? -errno() : 0;
}

/** getsockopt(2) of an int value that cannot be negative. The value or a negative errno. */
export function getSocketOption(fd: number, level: number, name: number): number {
  optionLength[0] = 4;
  optionValue[0] = 0;
  return libc().getsockopt(fd, level, name, optionValue, optionLength) === -1 ? -errno() : optionValue[0]!;
}

/** setsockopt(2) with a structure. 0 or a negative errno. */
export function setSocketOptionBytes(fd: number, level: number, name: number, value: NativeBuffer): number {
  return libc().setsockopt(fd, level, name, value, value.byteLength) === -1 ? -errno() : 0;
}

/** getsockopt(2) of a structure into `value`. The length the kernel wrote, or a negative errno. */
export function getSocketOptionBytes(fd: number, level: number, name: number, value: NativeBuffer): number {
  optionLength[0] = value.byteLength;
  return libc().getsockopt(fd, level, name, value, optionLength) === -1 ? -errno() : optionLength[0]!;
}

/** SO_LINGER: how close(2) treats unsent bytes. `seconds` 0 resets the connection; negative turns lingering off. */
export function setLinger(fd: number, seconds: number): number {
  // struct linger { int l_onoff; int l_linger; }
  return setSocketOptionBytes(
    fd,
    SOL_SOCKET,
    SO_LINGER,
    Int32Array.of(seconds < 0 ? 0 : 1, Math.max(seconds, 0)),
  );
}

/** The pending error of a socket, taken (SO_ERROR): a positive errno, 0 for none, or a negative errno of the asking. */
export function socketError(fd: number): number {
  return getSocketOption(fd, SOL_SOCKET, SO_ERROR);
}
