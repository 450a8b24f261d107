// Resets we send (RFC 9293 section 3.5.2), within a rate: for segments that nothing stands behind, and for aborts.

import type { Route } from '../ipv4/route.ts';
import type { TcpConnection } from './connection.ts';
import { count, RESET_LIMITED, RESET_SENT } from './counters.ts';
import { emitBare } from './emit.ts';
import { ACK, RST, type Segment, segmentLength } from './segment.ts';
import { seqGt } from './sequence.ts';
import type { TcpLayer } from './tcp-layer.ts';

/** Answers `s`, which is no RST itself, with a reset that its sender will believe. */
export function sendReset(layer: TcpLayer, route: Route, ports: number, s: Segment): void {
  if (!route.ready || route.broadcast) return;
  if (layer.device.transmitRoom() <= 0 || !layer.resetLimit.take()) {
    count(layer.counters, RESET_LIMITED);
    return;
  }
  const sent =
    (s.flags & ACK) !== 0
      ? emitBare(layer, route, ports, s.ack, 0, RST)
      : emitBare(layer, route, ports, 0, (s.seq + segmentLength(s)) | 0, RST | ACK);
  if (sent) count(layer.counters, RESET_SENT);
}

/** Tells the peer of a connection that it is gone. Lost when the device has no room: its next segment draws another. */
export function resetPeer(layer: TcpLayer, c: TcpConnection): void {
  if (!c.route.ready || layer.device.transmitRoom() <= 0) return;
  // The peer believes a RST only at its RCV.NXT; what we sent last is the best guess within its window.
  const edge = (c.sndUna + c.sndWnd) | 0;
  const seq = seqGt(c.sndMax, edge) ? c.sndNxt : c.sndMax;
  if (emitBare(layer, c.route, c.ports, seq, c.rcvNxt, RST | ACK)) count(layer.counters, RESET_SENT);
}
