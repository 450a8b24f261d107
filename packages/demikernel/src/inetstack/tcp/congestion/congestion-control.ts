// The seam for congestion control: how fast the window grows and how far it falls. How losses are found is recovery.ts.

import type { TcpConnection } from '../connection.ts';
import { FIXED_WINDOW } from './fixed-window.ts';
import { NEW_RENO } from './new-reno.ts';

/**
 * One algorithm, without state of its own: what belongs to a connection is in its `cwnd`, `ssthresh`, `cwndCredit` and,
 * for algorithms that need more, `congestionWords`, so that it moves with the connection.
 */
export interface CongestionControl {
  readonly name: string;
  /** Words of `congestionWords` wanted. */
  readonly words: number;
  /** The connection is established, or begins anew on another path. */
  begin(c: TcpConnection): void;
  /** `ackedBytes` new bytes were acknowledged outside of loss recovery. */
  acknowledged(c: TcpConnection, ackedBytes: number): void;
  /** A segment was lost, with `flightBytes` under way: sets `ssthresh`. */
  lost(c: TcpConnection, flightBytes: number): void;
  /** The retransmission timer expired; `ssthresh` has been set by `lost` for the first time-out in a row. */
  timedOut(c: TcpConnection): void;
  /** Nothing was sent for a whole time-out (RFC 5681 section 4.1). */
  idle(c: TcpConnection): void;
}

export function congestionControl(name: 'newreno' | 'none'): CongestionControl {
  return name === 'none' ? FIXED_WINDOW : NEW_RENO;
}
