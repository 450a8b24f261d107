// PDPIX socket options in the kernel's terms (socket(7), tcp(7)).

import {
  EINVAL,
  EOPNOTSUPP,
  getSocketOption,
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_SNDBUF,
  SOL_SOCKET,
  setSocketOption,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  TCP_USER_TIMEOUT,
} from '@demikernel/native/kernel';
import type { SocketOptionName } from '../runtime/queue.ts';

/** One option: where the kernel keeps it, and how many of our units make one of its. */
interface Mapping {
  level: number;
  name: number;
  /** `flag`: true and false. Otherwise the number of our units in one of the kernel's. */
  unit: 'flag' | number;
  /** Buffers: the kernel doubles what it is given and answers with the double. */
  doubled: boolean;
}

const SECOND_US = 1_000_000;
const MILLISECOND_US = 1000;

function map(level: number, name: number, unit: 'flag' | number, doubled = false): Mapping {
  return { level, name, unit, doubled };
}

// lingerUs is not here: a lingering close(2) would block the thread, so the queue lingers itself.
const MAPPINGS: Readonly<Partial<Record<SocketOptionName, Mapping>>> = {
  noDelay: map(IPPROTO_TCP, TCP_NODELAY, 'flag'),
  keepAlive: map(SOL_SOCKET, SO_KEEPALIVE, 'flag'),
  keepAliveIdleUs: map(IPPROTO_TCP, TCP_KEEPIDLE, SECOND_US),
  keepAliveIntervalUs: map(IPPROTO_TCP, TCP_KEEPINTVL, SECOND_US),
  keepAliveProbes: map(IPPROTO_TCP, TCP_KEEPCNT, 1),
  userTimeoutUs: map(IPPROTO_TCP, TCP_USER_TIMEOUT, MILLISECOND_US),
  sendBufferBytes: map(SOL_SOCKET, SO_SNDBUF, 1, true),
  receiveBufferBytes: map(SOL_SOCKET, SO_RCVBUF, 1, true),
  reuseAddress: map(SOL_SOCKET, SO_REUSEADDR, 'flag'),
};

/** Sets an option. Times are rounded up to the kernel's grain: seconds for keep-alive. 0 or a positive errno. */
export function setKernelOption(fd: number, name: SocketOptionName, value: number | boolean): number {
  const mapping = MAPPINGS[name];
  if (mapping === undefined) return EOPNOTSUPP;
  const { level, name: option, unit } = mapping;
  if (unit === 'flag') {
    if (typeof value !== 'boolean') return EINVAL;
    return -setSocketOption(fd, level, option, value ? 1 : 0);
  }
  if (typeof value !== 'number' || !(value >= 0 && value <= 0x7fff_ffff * unit)) return EINVAL;
  return -setSocketOption(fd, level, option, Math.ceil(value / unit));
}

/** An option's value, or `undefined` when this socket has none of that name. */
export function kernelOption(fd: number, name: SocketOptionName): number | boolean | undefined {
  const mapping = MAPPINGS[name];
  if (mapping === undefined) return undefined;
  const { level, name: option, unit, doubled } = mapping;
  const value = getSocketOption(fd, level, option);
  if (value < 0) return undefined;
  if (unit === 'flag') return value !== 0;
  return doubled ? value / 2 : value * unit;
}
