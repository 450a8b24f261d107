// The socket options of Catmint: kept, and obeyed where a reliable connection has something to obey.

import { EINVAL, EOPNOTSUPP } from '../../runtime/errno.ts';
import type { SocketOptionName, SocketOptions } from '../../runtime/queue.ts';

const LEAST_BUFFER_BYTES = 4096;
const MOST_BUFFER_BYTES = 1 << 30;
const MOST_TIME_US = 0x7fff_ffff * 1_000_000;

export function defaultOptions(): SocketOptions {
  return {
    reuseAddress: false,
    receiveBufferBytes: 4 << 20,
    sendBufferBytes: 4 << 20,
    userTimeoutUs: 0,
    keepAlive: false,
    keepAliveProbes: 9,
    keepAliveIntervalUs: 75_000_000,
    keepAliveIdleUs: 7_200_000_000,
    lingerUs: -1,
    noDelay: false,
  };
}

/** 0, EINVAL for a value that makes no sense, EOPNOTSUPP for a name that is unknown. */
export function setOption(options: SocketOptions, name: SocketOptionName, value: number | boolean): number {
  const known = options as unknown as Record<string, number | boolean>;
  if (!Object.hasOwn(known, name)) return EOPNOTSUPP;
  if (typeof value !== typeof known[name]) return EINVAL;
  if (typeof value === 'number') {
    const least = name === 'lingerUs' ? -1 : 0;
    if (!(value >= least && value <= MOST_TIME_US)) return EINVAL;
    if (name.endsWith('BufferBytes')) {
      known[name] = Math.floor(Math.max(LEAST_BUFFER_BYTES, Math.min(value, MOST_BUFFER_BYTES)));
      return 0;
    }
  }
  known[name] = value;
  return 0;
}
