// Opening without state (RFC 4987 section 3.6): SYNs that find no room are answered with a cookie, and whoever brings it back
// gets a connection. What a cookie is made of is syn-cookies.ts.

import { TcpConnection } from './connection.ts';
import {
  COOKIE_BAD,
  COOKIE_SENT,
  COOKIE_TAKEN,
  count,
  DROP_ACCEPT_QUEUE_FULL,
  DROP_NO_ROUTE,
  DROP_SYN_QUEUE_FULL,
  DROP_TABLE_FULL,
  PASSIVE_OPEN,
} from './counters.ts';
import { emitCookie } from './emit.ts';
import { negotiate, prepareOffer, windowScaleOf } from './handshake.ts';
import type { TcpListener } from './listener.ts';
import { NO_WINDOW_SCALE, type Segment } from './segment.ts';
import { SYN_RECEIVED } from './states.ts';
import {
  COOKIE_LIFE_SECONDS,
  COOKIE_NO_SCALE,
  sackOfTime,
  scaleOfTime,
  TIME_STEP_MS,
  timeWithOptions,
} from './syn-cookies.ts';
import { DEFAULT_PEER_MSS } from './tcp-configuration.ts';
import type { TcpLayer } from './tcp-layer.ts';

/**
 * Answers a SYN and forgets it. A flood costs a frame each and no memory, and nobody's neighbour is asked for: the answer goes
 * to the station that the SYN came from, if there is no better way.
 */
export function answerWithCookie(
  layer: TcpLayer,
  listener: TcpListener,
  s: Segment,
  source: number,
  destination: number,
  ipOffset: number,
): void {
  const { configuration, counters, sequences } = layer;
  // What connections have to send comes before answers to strangers.
  if (layer.device.transmitRoom() <= configuration.transmitBurst) {
    count(counters, DROP_SYN_QUEUE_FULL);
    return;
  }
  const route = layer.output.back(source, destination, ipOffset);
  if (route === undefined) {
    count(counters, DROP_NO_ROUTE);
    return;
  }
  const { sourcePort, destinationPort } = s;
  const ports = (destinationPort << 16) | sourcePort;
  const mss = s.mss === 0 ? DEFAULT_PEER_MSS : s.mss;
  const iss = layer.cookies.make(destination, source, ports, s.seq, mss);
  // Without timestamps there is no place for the peer's options: a plain connection is better than none.
  let scale = NO_WINDOW_SCALE;
  let sack = false;
  let tsVal = 0;
  const { receiveBufferBytes } = listener.settings;
  if (s.hasTimestamps !== 0 && configuration.timestamps) {
    sack = s.sackPermitted !== 0 && configuration.selectiveAcks;
    let peerScale = COOKIE_NO_SCALE;
    if (s.windowScale !== NO_WINDOW_SCALE && configuration.windowScaling) {
      peerScale = s.windowScale;
      scale = windowScaleOf(receiveBufferBytes);
    }
    const offset = sequences.timestampOffset(destination, destinationPort, source, sourcePort);
    tsVal = (timeWithOptions(layer.nowMs, peerScale, sack) + offset) | 0;
    // 0 is how no timestamp is told; an earlier time has the same low bits.
    if (tsVal === 0) tsVal = -TIME_STEP_MS;
  }
  if (!emitCookie(layer, route, s, iss, Math.min(receiveBufferBytes, 0xffff), scale, sack, tsVal)) return;
  listener.cookies = 1;
  listener.cookiesUntilSeconds = (layer.nowSeconds + COOKIE_LIFE_SECONDS) | 0;
  count(counters, COOKIE_SENT);
}

/** The MSS of the cookie that an acknowledgement brings back; 0 when it brings none of ours. */
export function openCookie(
  layer: TcpLayer,
  listener: TcpListener,
  s: Segment,
  source: number,
  destination: number,
): number {
  if (((listener.cookiesUntilSeconds - layer.nowSeconds) | 0) < 0) {
    listener.cookies = 0;
    return 0;
  }
  const ports = (s.destinationPort << 16) | s.sourcePort;
  const mss = layer.cookies.open(destination, source, ports, (s.seq - 1) | 0, (s.ack - 1) | 0);
  if (mss === 0) count(layer.counters, COOKIE_BAD);
  return mss;
}

/**
 * Makes the connection whose SYN-ACK the segment acknowledges, as it would be had we kept it. What the segment does to it is
 * the caller's to find out.
 *
 * @param mss the peer's, from the cookie
 */
export function connectionOfCookie(
  layer: TcpLayer,
  listener: TcpListener,
  s: Segment,
  source: number,
  destination: number,
  mss: number,
): TcpConnection | undefined {
  const { counters } = layer;
  // The peer believes it is connected: what it sends brings the cookie once more.
  if (!listener.hasRoom()) {
    count(counters, DROP_ACCEPT_QUEUE_FULL);
    return undefined;
  }
  if (layer.demultiplexer.count >= layer.configuration.maximumConnections) {
    count(counters, DROP_TABLE_FULL);
    return undefined;
  }
  const route = layer.output.route(source, destination);
  if (route === undefined || route.broadcast) {
    count(counters, DROP_NO_ROUTE);
    return undefined;
  }
  const c = new TcpConnection(layer, route, destination, s.destinationPort, source, s.sourcePort);
  listener.settings.applyTo(c);
  prepareOffer(layer, c);
  c.iss = (s.ack - 1) | 0;
  c.sndUna = c.iss;
  c.sndNxt = s.ack;
  c.sndMax = s.ack;
  c.recover = c.iss;
  // The SYN again, as far as it matters.
  const time = (s.tsEcr - c.tsOffset) | 0;
  const scale = s.hasTimestamps !== 0 ? scaleOfTime(time) : COOKIE_NO_SCALE;
  s.windowScale = scale === COOKIE_NO_SCALE ? NO_WINDOW_SCALE : scale;
  s.sackPermitted = s.hasTimestamps !== 0 && sackOfTime(time) ? 1 : 0;
  s.mss = mss;
  s.seq = (s.seq - 1) | 0;
  negotiate(layer, c, s);
  s.seq = (s.seq + 1) | 0;
  c.state = SYN_RECEIVED;
  c.listener = listener;
  listener.halfOpen.push(c);
  layer.enter(c);
  count(counters, PASSIVE_OPEN);
  count(counters, COOKIE_TAKEN);
  return c;
}
