// Segments that belong to no connection: a SYN for a listener, or something to reset (RFC 9293 sections 3.10.7.1, .2).

import { TcpConnection } from './connection.ts';
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
import { sendReset } from './reset.ts';
import { ACK, RST, type Segment, SYN } from './segment.ts';
import { seqGt } from './sequence.ts';
import { SYN_RECEIVED } from './states.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { markReady } from './transmit.ts';

/** How far a new connection begins behind the old one's last byte when its four-tuple is used again. */
const REUSE_DISTANCE = 65_537;

/** @param above where the last connection of this four-tuple ended: the new one begins behind it (RFC 9293 3.6.1) */
export function receiveUnknown(
  layer: TcpLayer,
  s: Segment,
  source: number,
  destination: number,
  above?: number,
): void {
  const { counters } = layer;
  if ((s.flags & RST) !== 0) {
    count(counters, DROP_NO_CONNECTION);
    return;
  }
  const listener = layer.findListener(destination, s.destinationPort);
  if (listener !== undefined && (s.flags & (SYN | ACK)) === SYN && s.sourcePort !== 0) {
    receiveSyn(layer, listener, s, source, destination, above);
    return;
  }
  count(counters, DROP_NO_CONNECTION);
  // On a shared address the port may be the kernel's, whose answer this is to give.
  if (layer.sharedAddress && !layer.ports.inUse(s.destinationPort)) return;
  const route = layer.output.route(source, destination);
  if (route === undefined) {
    count(counters, DROP_NO_ROUTE);
    return;
  }
  sendReset(layer, route, (s.destinationPort << 16) | s.sourcePort, s);
}

function receiveSyn(
  layer: TcpLayer,
  listener: TcpListener,
  s: Segment,
  source: number,
  destination: number,
  above: number | undefined,
): void {
  const { counters } = layer;
  const route = layer.output.route(source, destination);
  if (route === undefined || route.broadcast) {
    count(counters, DROP_NO_ROUTE);
    return;
  }
  if (!listener.hasRoom()) {
    count(counters, DROP_ACCEPT_QUEUE_FULL);
    return;
  }
  // Under a flood the oldest half-open connection gives way: an honest peer answers before that many others have come.
  if (listener.halfOpen.count >= layer.configuration.synBacklog) {
    count(counters, HALF_OPEN_EVICTED);
    destroy(layer, listener.halfOpen.head!, 0);
  }
  if (layer.demultiplexer.count >= layer.configuration.maximumConnections) {
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
