// Reno's window: slow start, congestion avoidance, halving (RFC 5681), begun with ten segments (RFC 6928).

import type { TcpConnection } from '../connection.ts';
import type { CongestionControl } from './congestion-control.ts';

/** Upper bound of windows: keeps sums of them in an int32. */
export const MAX_WINDOW_BYTES = 0x3fff_ffff;

/** RFC 6928 section 2. */
function initialWindow(mss: number): number {
  const floor = Math.max(2 * mss, 14_600);
  return Math.min(10 * mss, floor);
}

export const NEW_RENO: CongestionControl = {
  name: 'newreno',
  words: 0,

  begin(c: TcpConnection): void {
    c.cwnd = initialWindow(c.mss);
    c.ssthresh = MAX_WINDOW_BYTES;
    c.cwndCredit = 0;
  },

  acknowledged(c: TcpConnection, ackedBytes: number): void {
    // A window that the application or the peer does not fill says nothing about the path (RFC 7661).
    if (c.cwnd < c.ssthresh) {
      // Slow start with appropriate byte counting, L = 2 (RFC 3465 section 2.2).
      const limit = 2 * c.mss;
      c.cwnd = (c.cwnd + Math.min(ackedBytes, limit)) | 0;
    } else {
      c.cwndCredit = (c.cwndCredit + ackedBytes) | 0;
      if (c.cwndCredit >= c.cwnd) {
        c.cwndCredit = (c.cwndCredit - c.cwnd) | 0;
        c.cwnd = (c.cwnd + c.mss) | 0;
      }
    }
    if (c.cwnd > MAX_WINDOW_BYTES) c.cwnd = MAX_WINDOW_BYTES;
  },

  lost(c: TcpConnection, flightBytes: number): void {
    const half = flightBytes >> 1;
    c.ssthresh = Math.max(half, 2 * c.mss);
    c.cwndCredit = 0;
  },

  timedOut(c: TcpConnection): void {
    c.cwnd = c.mss;
    c.cwndCredit = 0;
  },

  idle(c: TcpConnection): void {
    const restart = initialWindow(c.mss);
    if (c.cwnd > restart) c.cwnd = restart;
  },
};
