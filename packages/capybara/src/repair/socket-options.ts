// The socket options that travel with a connection.

import {
  getSocketOption,
  getSocketOptionBytes,
  IP_TOS,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_TCLASS,
  SO_BUF_LOCK,
  SO_KEEPALIVE,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOL_SOCKET,
  setSocketOption,
  setSocketOptionBytes,
  TCP_CONGESTION,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  TCP_USER_TIMEOUT,
} from '@demikernel/native/kernel';
import type { CarriedOptions } from './connection-record.ts';

/** Level and name of each option that is set again as it was read; buffers and traffic class are not among them. */
const PLAIN: readonly (readonly [keyof CarriedOptions, number, number])[] = [
  ['noDelay', IPPROTO_TCP, TCP_NODELAY],
  ['keepIdleSeconds', IPPROTO_TCP, TCP_KEEPIDLE],
  ['keepIntervalSeconds', IPPROTO_TCP, TCP_KEEPINTVL],
  ['keepCount', IPPROTO_TCP, TCP_KEEPCNT],
  ['userTimeoutMs', IPPROTO_TCP, TCP_USER_TIMEOUT],
  ['keepAlive', SOL_SOCKET, SO_KEEPALIVE],
];
const CONGESTION_BYTES = 16;
const LEAST_ROOM_BYTES: number = 256 * 1024;

/** Reads them. An option that cannot be read is taken for 0. */
export function readOptions(fd: number, ipv6: boolean): CarriedOptions {
  const read = (level: number, name: number): number => Math.max(getSocketOption(fd, level, name), 0);
  const options = {
    sendBufferBytes: read(SOL_SOCKET, SO_SNDBUF),
    receiveBufferBytes: read(SOL_SOCKET, SO_RCVBUF),
    bufferLock: read(SOL_SOCKET, SO_BUF_LOCK),
    trafficClass: ipv6 ? read(IPPROTO_IPV6, IPV6_TCLASS) : read(IPPROTO_IP, IP_TOS),
  } as CarriedOptions;
  for (const [field, level, name] of PLAIN) options[field] = read(level, name);
  return options;
}

/** Room for what the record holds, before it is filled in; a queue takes up more memory than its bytes. */
export function makeRoom(fd: number, receivedBytes: number, sendBytes: number): void {
  // The kernel doubles what it is told, for its own overhead.
  setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, LEAST_ROOM_BYTES + 2 * receivedBytes);
  setSocketOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, LEAST_ROOM_BYTES + 2 * sendBytes);
}

/** Buffers as they were, and who chooses their sizes from now on. */
export function restoreRoom(fd: number, options: CarriedOptions): void {
  setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, options.receiveBufferBytes >> 1);
  setSocketOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, options.sendBufferBytes >> 1);
  setSocketOption(fd, SOL_SOCKET, SO_BUF_LOCK, options.bufferLock);
}

/** Sets them. What this host does not know, a congestion control for example, is left at its default. */
export function writeOptions(fd: number, options: CarriedOptions, ipv6: boolean): void {
  for (const [field, level, name] of PLAIN) setSocketOption(fd, level, name, options[field]);
  if (ipv6) setSocketOption(fd, IPPROTO_IPV6, IPV6_TCLASS, options.trafficClass);
  else setSocketOption(fd, IPPROTO_IP, IP_TOS, options.trafficClass);
}

/** Name of the connection's congestion control, or the empty string. */
export function congestionControl(fd: number): string {
  const name = Buffer.alloc(CONGESTION_BYTES);
  const length = getSocketOptionBytes(fd, IPPROTO_TCP, TCP_CONGESTION, name);
  return length < 0 ? '' : name.toString('latin1', 0, length).replace(/\0.*$/s, '');
}

/** Chooses it, where this host has it. */
export function setCongestionControl(fd: number, name: string): void {
  if (name !== '') setSocketOptionBytes(fd, IPPROTO_TCP, TCP_CONGESTION, Buffer.from(name, 'latin1'));
}
