// The socket options of Catmem: kept, and obeyed where shared memory has something to obey.

import { EINVAL, EOPNOTSUPP } from '../../runtime/errno.ts';
import type { SocketOptionName, SocketOptions } from '../../runtime/queue.ts';
import { DEFAULT_BUFFER_BYTES } from './connection.ts';

const DEFAULTS: Readonly<SocketOptions> = {
  noDelay: false,
  lingerUs: -1,
  keepAlive: false,
  keepAliveIdleUs: 7_200_000_000,
  keepAliveIntervalUs: 75_000_000,
  keepAliveProbes: 9,
  userTimeoutUs: 0,
  sendBufferBytes: DEFAULT_BUFFER_BYTES,
  receiveBufferBytes: DEFAULT_BUFFER_BYTES,
  reuseAddress: false,
};

/** Buffers hold a slot at least. */
const LEAST_BUFFER_BYTES = 4096;
const MOST_BUFFER_BYTES = 1 << 30;
const MOST_TIME_US = 0x7fff_ffff * 1_000_000;

/** The options of one socket. */
export class MemorySocketOptions {
  readonly values: SocketOptions;

  constructor(from: Readonly<SocketOptions> = DEFAULTS) {
    this.values = { ...from };
  }

  get(name: SocketOptionName): number | boolean | undefined {
    return Object.hasOwn(this.values, name) ? this.values[name] : undefined;
  }

  /** 0, EINVAL for a value that makes no sense, EOPNOTSUPP for a name that is unknown. */
  set(name: SocketOptionName, value: number | boolean): number {
    if (!Object.hasOwn(this.values, name)) return EOPNOTSUPP;
    if (typeof value !== typeof DEFAULTS[name]) return EINVAL;
    const values = this.values as unknown as Record<string, number | boolean>;
    if (typeof value === 'boolean') values[name] = value;
    else {
      if (!(value >= (name === 'lingerUs' ? -1 : 0) && value <= MOST_TIME_US)) return EINVAL;
      const isBuffer = name === 'sendBufferBytes' || name === 'receiveBufferBytes';
      values[name] = isBuffer
        ? Math.floor(Math.min(Math.max(value, LEAST_BUFFER_BYTES), MOST_BUFFER_BYTES))
        : value;
    }
    return 0;
  }
}
