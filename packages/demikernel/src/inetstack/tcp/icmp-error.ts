// ICMP errors about our segments: which are believed, and what they do (RFC 1122 4.2.3.9, RFC 1191, RFC 5927).

import { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH } from '../../runtime/errno.ts';
import {
  ICMP_UNREACHABLE,
  UNREACHABLE_FRAGMENTATION_NEEDED,
  UNREACHABLE_NET,
  UNREACHABLE_PORT,
  UNREACHABLE_PROTOCOL,
} from '../protocol.ts';
import type { TcpConnection } from './connection.ts';
import { count, ICMP_IGNORED, PATH_MTU_LOWERED } from './counters.ts';
import { setMss } from './handshake.ts';
import { destroy } from './lifecycle.ts';
import { seqGe, seqLt } from './sequence.ts';
import { ESTABLISHED, SYN_SENT, TIME_WAIT } from './states.ts';
import { MINIMUM_MSS } from './tcp-configuration.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { markReady } from './transmit.ts';

export function receiveIcmpError(
  layer: TcpLayer,
  c: TcpConnection | undefined,
  kind: number,
  code: number,
  sequence: number,
  mtu: number,
): void {
  // Only what quotes a segment that is under way can be about us (RFC 5927 section 4.1).
  if (c === undefined || c.state === TIME_WAIT || !underWay(c, sequence)) {
    count(layer.counters, ICMP_IGNORED);
    return;
  }
  if (kind === ICMP_UNREACHABLE && code === UNREACHABLE_FRAGMENTATION_NEEDED) {
    lowerPathMtu(layer, c, mtu);
    return;
  }
  if (kind !== ICMP_UNREACHABLE) {
    count(layer.counters, ICMP_IGNORED);
    return;
  }
  const refused = code === UNREACHABLE_PORT || code === UNREACHABLE_PROTOCOL;
  if (c.state === SYN_SENT && refused) {
    destroy(layer, c, ECONNREFUSED);
    return;
  }
  // Established connections outlive every ICMP error (RFC 5927 section 5.2): it only explains a later time-out.
  c.softError = refused ? ECONNREFUSED : code === UNREACHABLE_NET ? ENETUNREACH : EHOSTUNREACH;
}

function underWay(c: TcpConnection, sequence: number): boolean {
  return seqGe(sequence, c.sndUna) && seqLt(sequence, c.sndMax);
}

/** RFC 1191 section 6.4: smaller segments from now on, and the lost one again. */
function lowerPathMtu(layer: TcpLayer, c: TcpConnection, mtu: number): void {
  const before = c.mss;
  const path = mtu > 0 && mtu < c.route.mtuBytes ? mtu : c.route.mtuBytes;
  if (path - 40 - 12 < MINIMUM_MSS) {
    count(layer.counters, ICMP_IGNORED);
    return;
  }
  setMss(c);
  const limit = (path - 40 - (c.tsEnabled !== 0 ? 12 : 0)) | 0;
  if (limit < c.mss) c.mss = limit;
  if (c.mss >= before) {
    count(layer.counters, ICMP_IGNORED);
    return;
  }
  count(layer.counters, PATH_MTU_LOWERED);
  if (c.state < ESTABLISHED) return;
  // No loss by congestion: the window stays, transmission resumes at the oldest byte.
  c.sndNxt = c.sndUna;
  c.sendQueue.rewind();
  c.retransmitHead = 0;
  c.inRecovery = 0;
  c.dupAcks = 0;
  c.recover = c.sndMax;
  markReady(layer, c);
}
