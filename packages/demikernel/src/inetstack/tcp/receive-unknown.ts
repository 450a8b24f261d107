// Segments that belong to no connection: a SYN for a listener, a cookie that comes back, or something to reset (RFC 9293
// sections 3.10.7.1, .2). How cookies are answered and opened is cookie-handshake.ts.

import { TcpConnection } from './connection.ts';
import { answerWithCookie, connectionOfCookie, openCookie } from './cookie-handshake.ts';
import {
  count,
  DROP_ACCEPT_QUEUE_FULL,
  DROP_NO_CONNECTION,
  DROP_NO_ROUTE,
  DROP_TABLE_FULL,
  HALF_OPEN_EVICTED,
  PASSIVE_OPEN,
} from './counters.ts';
import { negotiate, prepareOffer } from './handshake.ts';
import { destroy } from './lifecycle.ts';
import type { TcpListener } from './listener.ts';
import { meetStranger } from './migration/stranger.ts';
import { sendReset } from './reset.ts';
import { ACK, RST, type Segment, SYN } from './segment.ts';
import { seqGt } from './sequence.ts';
import { SYN_RECEIVED } from './states.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { markReady } from './transmit.ts';

/** How far a new connection begins behind the old one's last byte when its four-tuple is used again. */
const REUSE_DISTANCE = 65_537;

/**
 * @param ipOffset where the packet's IPv4 header begins; -1 when it is not known any more
 * @param above where the last connection of this four-tuple ended: the new one begins behind it (RFC 9293 3.6.1)
 * @returns a connection that a cookie has opened: the segment is the first of it
 */
export function receiveUnknown(
  layer: TcpLayer,
  s: Segment,
  source: number,
  destination: number,
  ipOffset: number,
  above?: number,
): TcpConnection | undefined {
  const { counters } = layer;
  if ((s.flags & RST) !== 0) {
    count(counters, DROP_NO_CONNECTION);
    return undefined;
  }
  const listener = layer.findListener(destination, s.destinationPort);
  if (listener !== undefined && s.sourcePort !== 0) {
    const opening = s.flags & (SYN | ACK);
    if (opening === SYN) {
      receiveSyn(layer, listener, s, source, destination, ipOffset, above);
      return undefined;
    }
    if (opening === ACK && listener.cookies !== 0) {
      const mss = openCookie(layer, listener, s, source, destination);
      if (mss !== 0) return connectionOfCookie(layer, listener, s, source, destination, mss);
    }
  }
  count(counters, DROP_NO_CONNECTION);
  if (layer.output.isVirtual(destination)) {
    meetStranger(layer, s, source, destination);
    return undefined;
  }
  // On a shared address the port may be the kernel's, whose answer this is to give.
  if (layer.sharedAddress && !layer.ports.inUse(s.destinationPort)) return undefined;
  const route = layer.output.back(source, destination, ipOffset);
  if (route === undefined) count(counters, DROP_NO_ROUTE);
  else sendReset(layer, route, (s.destinationPort << 16) | s.sourcePort, s);
  return undefined;
}

function receiveSyn(
  layer: TcpLayer,
  listener: TcpListener,
  s: Segment,
  source: number,
  destination: number,
  ipOffset: number,
  above: number | undefined,
): void {
  const { configuration, counters, output } = layer;
  if (!listener.hasRoom()) {
    count(counters, DROP_ACCEPT_QUEUE_FULL);
    return;
  }
  const full = listener.halfOpen.count >= configuration.synBacklog;
  // A cookie could not begin behind the last connection; but that peer has shown already that it is who it says.
  if (configuration.synCookies && above === undefined) {
    if (full || (output.crowded && !output.reaches(source))) {
      answerWithCookie(layer, listener, s, source, destination, ipOffset);
      return;
    }
  }
  const route = output.route(source, destination);
  if (route === undefined || route.broadcast) {
    count(counters, DROP_NO_ROUTE);
    return;
  }
  if (full) {
    count(counters, HALF_OPEN_EVICTED);
    destroy(layer, listener.halfOpen.head!, 0);
  }
  if (layer.demultiplexer.count >= configuration.maximumConnections) {
    count(counters, DROP_TABLE_FULL);
    return;
  }
  const c = new TcpConnection(layer, route, destination, s.destinationPort, source, s.sourcePort);
  listener.settings.applyTo(c);
  prepareOffer(layer, c);
  if (above !== undefined && !seqGt(c.iss, above)) {
    c.iss = (above + REUSE_DISTANCE) | 0;
    c.sndUna = c.iss;
    c.sndNxt = c.iss;
    c.sndMax = c.iss;
    c.recover = c.iss;
  }
  negotiate(layer, c, s);
  c.state = SYN_RECEIVED;
  c.listener = listener;
  listener.halfOpen.push(c);
  layer.enter(c);
  count(counters, PASSIVE_OPEN);
  markReady(layer, c);
}
