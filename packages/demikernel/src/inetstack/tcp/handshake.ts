// Opening: what both sides agree on with SYN segments (RFC 9293 sections 3.5 and 3.10.7.3), active, passive and at once.

import { ECONNREFUSED } from '../../runtime/errno.ts';
import { type TcpConnection, TIMER_OFF, TIMER_RTO } from './connection.ts';
import {
  count,
  DROP_ACCEPT_QUEUE_FULL,
  DROP_BAD_ACK,
  DROP_BAD_RESET,
  DROP_NO_ACK,
  ESTABLISHED_COUNT,
  RESET_RECEIVED,
} from './counters.ts';
import { destroy } from './lifecycle.ts';
import { MAX_WINDOW_SCALE } from './options.ts';
import { sendReset } from './reset.ts';
import { sampleRtt } from './rtt.ts';
import { ACK, NO_WINDOW_SCALE, RST, type Segment, SYN } from './segment.ts';
import { seqGt, seqLe } from './sequence.ts';
import { ESTABLISHED, SYN_RECEIVED } from './states.ts';
import { DEFAULT_PEER_MSS, MINIMUM_MSS } from './tcp-configuration.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { armKeepAlive } from './timers.ts';
import { acknowledgeNow, markReady } from './transmit.ts';

/** Sets what a new connection offers; the peer's SYN may take some of it back ({@link negotiate}). */
export function prepareOffer(layer: TcpLayer, c: TcpConnection): void {
  const { configuration } = layer;
  c.wsEnabled = configuration.windowScaling ? 1 : 0;
  c.tsEnabled = configuration.timestamps ? 1 : 0;
  c.sackEnabled = configuration.selectiveAcks ? 1 : 0;
  c.rcvScale = c.wsEnabled !== 0 ? windowScaleOf(c.receiveBufferBytes) : 0;
  c.tsOffset = layer.sequences.timestampOffset(c.localAddress, c.localPort, c.remoteAddress, c.remotePort);
  c.iss = layer.sequences.sequence(c.localAddress, c.localPort, c.remoteAddress, c.remotePort);
  c.sndUna = c.iss;
  c.sndNxt = c.iss;
  c.sndMax = c.iss;
  c.recover = c.iss;
  c.rtoUs = configuration.initialRtoUs;
  c.lastReceiveMs = layer.nowMs;
  c.lastSendMs = layer.nowMs;
}

/** The shift that lets a window of so many bytes be told (RFC 7323 section 2.3). */
export function windowScaleOf(bytes: number): number {
  let scale = 0;
  while (scale < MAX_WINDOW_SCALE && bytes >> scale > 0xffff) scale++;
  return scale;
}

/** Takes the peer's SYN: its sequence number and options. */
export function negotiate(layer: TcpLayer, c: TcpConnection, s: Segment): void {
  c.irs = s.seq;
  c.rcvNxt = (s.seq + 1) | 0;
  c.lastAckSent = c.rcvNxt;
  c.rcvAdv = (c.rcvNxt + Math.min(c.receiveBufferBytes, 0xffff)) | 0;
  if (s.windowScale === NO_WINDOW_SCALE || c.wsEnabled === 0) {
    c.wsEnabled = 0;
    c.sndScale = 0;
    c.rcvScale = 0;
  } else c.sndScale = s.windowScale;
  if (s.hasTimestamps === 0) c.tsEnabled = 0;
  if (s.sackPermitted === 0) c.sackEnabled = 0;
  c.tsRecent = s.tsVal;
  c.tsRecentSeconds = layer.nowSeconds;
  const offered = s.mss === 0 ? DEFAULT_PEER_MSS : s.mss;
  c.peerMss = Math.max(offered, MINIMUM_MSS);
  setMss(c);
  // The window of a SYN is never scaled (RFC 7323 section 2.2).
  c.sndWnd = s.window;
  c.maxSndWnd = s.window;
  c.sndWl1 = s.seq;
  c.sndWl2 = c.sndUna;
}

/** Eff.snd.MSS (RFC 9293 section 3.7.1): the peer's limit or the path's, less the options of every segment. */
export function setMss(c: TcpConnection): void {
  const path = c.route.mtuBytes - 40;
  const limit = Math.min(c.peerMss, path);
  c.mss = (limit - (c.tsEnabled !== 0 ? 12 : 0)) | 0;
}

/** SEGMENT ARRIVES in SYN-SENT (RFC 9293 section 3.10.7.3). */
export function receiveSynSent(layer: TcpLayer, c: TcpConnection, s: Segment): void {
  const { counters } = layer;
  const acks = (s.flags & ACK) !== 0;
  if (acks && (seqLe(s.ack, c.iss) || seqGt(s.ack, c.sndMax))) {
    count(counters, DROP_BAD_ACK);
    if ((s.flags & RST) === 0) sendReset(layer, c.route, c.ports, s);
    return;
  }
  if ((s.flags & RST) !== 0) {
    if (!acks) {
      count(counters, DROP_BAD_RESET);
      return;
    }
    count(counters, RESET_RECEIVED);
    destroy(layer, c, ECONNREFUSED);
    return;
  }
  if ((s.flags & SYN) === 0) {
    count(counters, DROP_NO_ACK);
    return;
  }
  negotiate(layer, c, s);
  if (acks) {
    takeSynAck(layer, c, s.ack);
    establish(layer, c);
    acknowledgeNow(layer, c);
    return;
  }
  // Simultaneous open: both SYNs crossed. Ours goes out again, as a SYN-ACK.
  c.state = SYN_RECEIVED;
  c.sndNxt = c.iss;
  markReady(layer, c);
}

/** Step five in SYN-RECEIVED; false when the segment ends here. */
export function receiveSynReceived(layer: TcpLayer, c: TcpConnection, s: Segment): boolean {
  if (seqLe(s.ack, c.sndUna) || seqGt(s.ack, c.sndMax)) {
    count(layer.counters, DROP_BAD_ACK);
    sendReset(layer, c.route, c.ports, s);
    return false;
  }
  if (c.listener !== undefined && !c.listener.hasRoom()) {
    // The peer believes it is connected; the next copy of our SYN-ACK makes it say so again.
    count(layer.counters, DROP_ACCEPT_QUEUE_FULL);
    return false;
  }
  takeSynAck(layer, c, s.ack);
  c.sndWnd = s.window << c.sndScale;
  c.maxSndWnd = c.sndWnd;
  c.sndWl1 = s.seq;
  c.sndWl2 = s.ack;
  establish(layer, c);
  return true;
}

/** Our SYN is acknowledged. */
function takeSynAck(layer: TcpLayer, c: TcpConnection, ack: number): void {
  c.sndUna = ack;
  c.sndNxt = ack;
  if (c.rttTiming !== 0) {
    c.rttTiming = 0;
    sampleRtt(c, layer.configuration, (layer.clock.micros32 - c.rttStart) | 0);
  } else {
    // RFC 6298 (5.7): a SYN that had to be repeated leaves a careful first time-out.
    c.rtoUs = Math.max(c.rtoUs, layer.configuration.minimumRtoUs);
  }
  c.backoff = 0;
  c.retransmitCount = 0;
  if (c.timerMode === TIMER_RTO) c.timerMode = TIMER_OFF;
}

function establish(layer: TcpLayer, c: TcpConnection): void {
  c.state = ESTABLISHED;
  c.softError = 0;
  c.progressMs = layer.nowMs;
  const { words } = layer.congestion;
  if (words > 0) c.congestionWords = new Int32Array(words);
  layer.congestion.begin(c);
  count(layer.counters, ESTABLISHED_COUNT);
  if (c.keepAlive !== 0) armKeepAlive(layer, c);
  else layer.timers.cancel(c.lifeTimer);
  if (c.listener !== undefined) c.listener.established(c);
  const connecting = c.connecting;
  if (connecting === undefined) return;
  c.connecting = undefined;
  connecting.address.setIpv4(c.remoteAddress, c.remotePort);
  layer.runtime.operations.complete(connecting, 0);
}
