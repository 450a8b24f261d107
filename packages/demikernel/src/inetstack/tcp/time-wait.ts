// Segments for a connection in TIME-WAIT: a FIN again, a new SYN (RFC 6191), and what is ignored (RFC 1337).

import type { TcpConnection } from './connection.ts';
import { count, DROP_BAD_RESET, DROP_DUPLICATE, TIME_WAIT_REUSED } from './counters.ts';
import { destroy, restartTimeWait } from './lifecycle.ts';
import { challenge } from './receive-slow.ts';
import { receiveUnknown } from './receive-unknown.ts';
import { ACK, FIN, RST, type Segment, SYN, segmentLength } from './segment.ts';
import { seqGt } from './sequence.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { acknowledgeNow } from './transmit.ts';

export function receiveTimeWait(layer: TcpLayer, c: TcpConnection, s: Segment): void {
  if ((s.flags & RST) !== 0) {
    // A stray RST must not end the protection early (RFC 1337).
    count(layer.counters, DROP_BAD_RESET);
    return;
  }
  if ((s.flags & (SYN | ACK)) === SYN && mayReuse(c, s)) {
    count(layer.counters, TIME_WAIT_REUSED);
    const { remoteAddress, localAddress, sndMax } = c;
    destroy(layer, c, 0);
    receiveUnknown(layer, s, remoteAddress, localAddress, -1, sndMax);
    return;
  }
  count(layer.counters, DROP_DUPLICATE);
  if (segmentLength(s) === 0) {
    if (s.seq !== c.rcvNxt) challenge(layer, c);
    return;
  }
  acknowledgeNow(layer, c);
  if ((s.flags & FIN) !== 0) restartTimeWait(layer, c);
}

/** RFC 6191 section 2: the SYN is newer than everything of the old connection. */
function mayReuse(c: TcpConnection, s: Segment): boolean {
  if (c.tsEnabled !== 0 && s.hasTimestamps !== 0) {
    const newer = (s.tsVal - c.tsRecent) | 0;
    return newer > 0 || (newer === 0 && seqGt(s.seq, c.rcvNxt));
  }
  return seqGt(s.seq, c.rcvNxt);
}
