// Socket options of a TCP queue, before and after it has a connection.

import { EINVAL } from '../../runtime/errno.ts';
import type { SocketOptionName } from '../../runtime/queue.ts';
import type { TcpConnection } from './connection.ts';
import { ESTABLISHED, TIME_WAIT } from './states.ts';
import type { TcpConfiguration } from './tcp-configuration.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { armKeepAlive } from './timers.ts';

/** Largest time an int32 of milliseconds holds, in microseconds. */
const MAX_TIME_US = 0x7fff_ffff * 1000;
/** Buffers from one small segment to what the largest window scale and an int32 allow. */
export const MIN_BUFFER_BYTES = 256;
export const MAX_BUFFER_BYTES = 0x1fff_ffff;

/** The options; times in microseconds. Accepted connections begin with a copy of their listener's. */
export class ConnectionSettings {
  noDelay: boolean;
  lingerUs: number;
  keepAlive: boolean;
  keepAliveIdleUs: number;
  keepAliveIntervalUs: number;
  keepAliveProbes: number;
  userTimeoutUs: number;
  sendBufferBytes: number;
  receiveBufferBytes: number;
  reuseAddress: boolean;

  constructor(configuration: TcpConfiguration) {
    this.noDelay = false;
    this.lingerUs = -1;
    this.keepAlive = false;
    // RFC 9293 section 3.8.4 asks for two hours at least by default.
    this.keepAliveIdleUs = 7_200_000_000;
    this.keepAliveIntervalUs = 75_000_000;
    this.keepAliveProbes = 9;
    this.userTimeoutUs = 0;
    this.sendBufferBytes = configuration.sendBufferBytes;
    this.receiveBufferBytes = configuration.receiveBufferBytes;
    this.reuseAddress = false;
  }

  copyFrom(other: ConnectionSettings): void {
    this.noDelay = other.noDelay;
    this.lingerUs = other.lingerUs;
    this.keepAlive = other.keepAlive;
    this.keepAliveIdleUs = other.keepAliveIdleUs;
    this.keepAliveIntervalUs = other.keepAliveIntervalUs;
    this.keepAliveProbes = other.keepAliveProbes;
    this.userTimeoutUs = other.userTimeoutUs;
    this.sendBufferBytes = other.sendBufferBytes;
    this.receiveBufferBytes = other.receiveBufferBytes;
    this.reuseAddress = other.reuseAddress;
  }

  /** Writes the settings into a connection. */
  applyTo(c: TcpConnection): void {
    c.noDelay = this.noDelay ? 1 : 0;
    // An int32 of microseconds holds 35 minutes, longer than any orphan should live.
    c.lingerUs = Math.min(this.lingerUs, 0x7fff_ffff) | 0;
    c.keepAlive = this.keepAlive ? 1 : 0;
    c.keepIdleMs = milliseconds(this.keepAliveIdleUs);
    c.keepIntervalMs = milliseconds(this.keepAliveIntervalUs);
    c.keepProbes = this.keepAliveProbes;
    c.userTimeoutMs = this.userTimeoutUs === 0 ? 0 : milliseconds(this.userTimeoutUs);
    c.sendBufferBytes = this.sendBufferBytes;
    // A window that was offered is never taken back: a smaller buffer is for connections to come.
    if (c.state < ESTABLISHED || this.receiveBufferBytes > c.receiveBufferBytes) {
      c.receiveBufferBytes = this.receiveBufferBytes;
    }
  }

  /** Sets one option and, when there is a connection, has it know. Returns an errno. */
  set(
    layer: TcpLayer,
    c: TcpConnection | undefined,
    name: SocketOptionName,
    value: number | boolean,
  ): number {
    switch (name) {
      case 'noDelay':
      case 'keepAlive':
      case 'reuseAddress':
        if (typeof value !== 'boolean') return EINVAL;
        this[name] = value;
        break;
      case 'lingerUs':
        if (typeof value !== 'number' || !(value >= -1)) return EINVAL;
        this.lingerUs = value;
        break;
      case 'keepAliveIdleUs':
      case 'keepAliveIntervalUs':
        if (typeof value !== 'number' || !(value >= 1000 && value <= MAX_TIME_US)) return EINVAL;
        this[name] = value;
        break;
      case 'userTimeoutUs':
        if (typeof value !== 'number' || !(value >= 0 && value <= MAX_TIME_US)) return EINVAL;
        this.userTimeoutUs = value;
        break;
      case 'keepAliveProbes':
        if (typeof value !== 'number' || !(value >= 1 && value <= 127)) return EINVAL;
        this.keepAliveProbes = value | 0;
        break;
      case 'sendBufferBytes':
      case 'receiveBufferBytes':
        if (typeof value !== 'number' || !(value >= MIN_BUFFER_BYTES && value <= MAX_BUFFER_BYTES)) {
          return EINVAL;
        }
        this[name] = value | 0;
        break;
      default:
        return EINVAL;
    }
    if (c !== undefined) {
      this.applyTo(c);
      const alive = c.state >= ESTABLISHED && c.state !== TIME_WAIT;
      if (alive && name.startsWith('keepAlive') && c.orphan === 0) {
        if (c.keepAlive !== 0) armKeepAlive(layer, c);
        else layer.timers.cancel(c.lifeTimer);
      }
    }
    return 0;
  }
}

function milliseconds(us: number): number {
  return Math.min(Math.ceil(us / 1000), 0x7fff_ffff) | 0;
}
