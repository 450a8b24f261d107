// No congestion control: the peer's window alone limits. For links that are ours alone, and for measurements.

import type { TcpConnection } from '../connection.ts';
import type { CongestionControl } from './congestion-control.ts';
import { MAX_WINDOW_BYTES } from './new-reno.ts';

export const FIXED_WINDOW: CongestionControl = {
  name: 'none',
  words: 0,

  begin(c: TcpConnection): void {
    c.cwnd = MAX_WINDOW_BYTES;
    c.ssthresh = MAX_WINDOW_BYTES;
  },

  acknowledged(): void {},

  lost(c: TcpConnection): void {
    c.ssthresh = MAX_WINDOW_BYTES;
  },

  timedOut(): void {},

  idle(): void {},
};
