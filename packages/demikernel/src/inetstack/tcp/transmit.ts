// What may be sent now, and the list of connections that have something to send. How a segment is written is emit.ts.

import { type TcpConnection, TIMER_OFF, TIMER_PERSIST, TIMER_RTO } from './connection.ts';
import { emitSegment, PAYLOAD_NONE, windowGain } from './emit.ts';
import { backedOffRto, retransmissionTimeout } from './rtt.ts';
import { ACK } from './segment.ts';
import { resendHead, sendNext, sendSyn, setRetransmitTimer } from './send.ts';
import { seqGt } from './sequence.ts';
import { CLOSED, FIN_WAIT_2, SYN_RECEIVED, SYN_SENT, TIME_WAIT } from './states.ts';
import type { TcpLayer } from './tcp-layer.ts';

/** Nothing may be sent. */
const NOTHING = -1;
/** Added to the length when the FIN goes along. */
const WITH_FIN = 0x4000_0000;

/** Puts a connection on the ready list: `flush` gives it a turn. */
export function markReady(layer: TcpLayer, c: TcpConnection): void {
  if (c.inReady !== 0) return;
  c.inReady = 1;
  c.readyNext = undefined;
  if (layer.readyTail === undefined) layer.readyHead = c;
  else layer.readyTail.readyNext = c;
  layer.readyTail = c;
  layer.readyCount++;
}

/** Serves the ready list, one burst per connection in turn, while the device has room. Returns the frames sent. */
export function flushReady(layer: TcpLayer): number {
  if (layer.readyHead === undefined) return 0;
  const device = layer.device;
  const burst = layer.configuration.transmitBurst;
  let room = device.transmitRoom();
  let total = 0;
  // A connection that could not send goes to the end; when all have had a turn for nothing, it is enough.
  let idleTurns = 0;
  while (room > 0 && layer.readyHead !== undefined && idleTurns < layer.readyCount + 1) {
    const c: TcpConnection = layer.readyHead;
    layer.readyHead = c.readyNext;
    // The next one's route and neighbour come from memory while this one's segments are written.
    if (c.readyNext !== undefined) layer.nextRouteReady = c.readyNext.route.ready;
    if (c.readyNext === undefined) layer.readyTail = undefined;
    layer.readyCount--;
    c.readyNext = undefined;
    c.inReady = 0;
    c.moreToSend = 0;
    const sent = transmit(layer, c, Math.min(room, burst));
    room -= sent;
    total += sent;
    idleTurns = sent > 0 ? 0 : idleTurns + 1;
    if (c.moreToSend !== 0) markReady(layer, c);
  }
  return total;
}

/** Sends up to `budget` segments of one connection; sets `moreToSend` when it wants another turn. */
function transmit(layer: TcpLayer, c: TcpConnection, budget: number): number {
  if (c.state === CLOSED) return 0;
  if (!c.route.ready) {
    waitForRoute(layer, c);
    return 0;
  }
  if (c.state <= SYN_RECEIVED) return transmitHandshake(layer, c);
  let sent = 0;
  if (c.probeNow !== 0) {
    if (!emitSegment(layer, c, (c.sndUna - 1) | 0, ACK, PAYLOAD_NONE, 0)) {
      c.moreToSend = 1;
      return 0;
    }
    c.probeNow = 0;
    sent = 1;
  }
  if (c.retransmitHead !== 0) {
    c.retransmitHead = 0;
    if (seqGt(c.sndMax, c.sndUna)) {
      if (!resendHead(layer, c)) {
        c.retransmitHead = 1;
        c.moreToSend = 1;
        return sent;
      }
      sent++;
    }
  }
  while (sent < budget) {
    const decision = sendable(layer, c);
    if (decision === NOTHING) break;
    const length = decision & ~WITH_FIN;
    if (!sendNext(layer, c, length, decision !== length)) {
      c.moreToSend = 1;
      return sent;
    }
    c.forceSend = 0;
    sent++;
  }
  if (sent === budget) {
    c.moreToSend = 1;
  } else if (c.ackNow !== 0) {
    // Not at SND.NXT, which a time-out has moved back behind what the peer may have: there the peer would not look at the
    // acknowledgement, and two ends that have both timed out would wait for each other for ever.
    if (emitSegment(layer, c, c.sndMax, ACK, PAYLOAD_NONE, 0)) sent++;
    else c.moreToSend = 1;
  }
  return sent;
}

function transmitHandshake(layer: TcpLayer, c: TcpConnection): number {
  if (c.sndNxt === c.iss) {
    if (sendSyn(layer, c, c.state === SYN_SENT ? 0 : ACK)) return 1;
  } else {
    if (c.ackNow === 0) return 0;
    if (emitSegment(layer, c, c.sndNxt, ACK, PAYLOAD_NONE, 0)) return 1;
  }
  c.moreToSend = 1;
  return 0;
}

/**
 * How many bytes the next segment may carry, plus {@link WITH_FIN}; or {@link NOTHING}.
 *
 * The rules: windows (RFC 9293 3.8.6), Nagle and the sender's SWS avoidance (RFC 1122 4.2.3.4), limited transmit
 * (RFC 3042).
 */
function sendable(layer: TcpLayer, c: TcpConnection): number {
  if (c.state === FIN_WAIT_2 || c.state === TIME_WAIT) return NOTHING;
  if (c.mayHaveUnsent === 0 && c.finQueued === 0) return NOTHING;
  const flight = (c.sndNxt - c.sndUna) | 0;
  const unsent = (c.sendQueue.bytes - flight) | 0;
  if (unsent < 0 || (unsent === 0 && c.finQueued === 0)) {
    if (c.sendQueue.bytes === 0) c.mayHaveUnsent = 0;
    return NOTHING;
  }
  if (flight === 0 && c.sndMax === c.sndUna) restartAfterIdle(layer, c);
  let congestion = c.cwnd;
  if (c.inRecovery === 0 && c.dupAcks > 0 && c.dupAcks < 3) congestion = (congestion + c.dupAcks * c.mss) | 0;
  const window = Math.min(c.sndWnd, congestion);
  const usable = (window - flight) | 0;
  let length = Math.min(unsent, usable);
  if (length > c.mss) length = c.mss;
  if (length < 0) length = 0;
  // A peer that took its window back still needs what it has not got: the oldest segment goes whatever the window
  // (RFC 9293 section 3.8.6).
  if (length === 0 && flight === 0 && seqGt(c.sndMax, c.sndUna)) {
    // But nothing new: acknowledgements at SND.MAX must stay within what the peer has offered once, or it drops them.
    length = Math.min(unsent, c.mss, (c.sndMax - c.sndUna) | 0);
  }
  if (length === c.mss && length < unsent) return length;
  if (length === unsent) {
    // A FIN goes whatever the window: no receiver may wait for room for it.
    if (c.finQueued !== 0) return length + WITH_FIN;
    if (length === c.mss || c.noDelay !== 0 || flight === 0) return length;
  }
  if (length > 0) {
    if (seqGt(c.sndMax, c.sndNxt) || c.forceSend !== 0 || length >= c.maxSndWnd >> 1) return length;
  }
  // With nothing under way no acknowledgement will come: the persist timer takes over.
  if (c.sndMax === c.sndUna && c.timerMode === TIMER_OFF) {
    c.probeCount = 0;
    setRetransmitTimer(layer, c, TIMER_PERSIST, backedOffRto(c, layer.configuration));
  }
  return NOTHING;
}

/** RFC 5681 section 4.1: a window that was not used for a time-out says nothing any more. */
function restartAfterIdle(layer: TcpLayer, c: TcpConnection): void {
  const idleMs = (layer.nowMs - c.lastSendMs) | 0;
  if (idleMs > 0 && idleMs > c.rtoUs / 1000) layer.congestion.idle(c);
}

/** Asks for the neighbour's address; the connection is marked ready again when it is known. */
function waitForRoute(layer: TcpLayer, c: TcpConnection): void {
  if (c.resolving !== 0) return;
  c.resolving = 1;
  layer.output.resolve(c.route, c);
}

/** Has a window update sent when the application has made enough room (RFC 9293 section 3.8.6.2.2). */
export function offerWindow(layer: TcpLayer, c: TcpConnection): void {
  const gain = windowGain(layer, c);
  const left = (c.rcvAdv - c.rcvNxt) | 0;
  const half = c.receiveBufferBytes >> 1;
  // While the peer has half a buffer of room left, acknowledgements carry the news in time.
  let threshold = left < half ? 2 * c.mss : c.receiveBufferBytes >> 2;
  if (threshold > half) threshold = half;
  if (gain < threshold || gain <= 0) return;
  c.ackNow = 1;
  markReady(layer, c);
}

/** Owes the peer an acknowledgement within the delay (RFC 5681 section 4.2). */
export function acknowledgeLater(layer: TcpLayer, c: TcpConnection): void {
  c.ackDelayed = 1;
  c.ackDeadline = (layer.clock.micros32 + layer.configuration.delayedAckUs) | 0;
  if (c.ackListed === 0) layer.delayedAcks.add(c);
}

export function acknowledgeNow(layer: TcpLayer, c: TcpConnection): void {
  c.ackNow = 1;
  markReady(layer, c);
}

/** Whether data or a FIN waits to be sent for the first time. */
export function hasUnsent(c: TcpConnection): boolean {
  return ((c.sndNxt - c.sndUna) | 0) < c.sendQueue.bytes + c.finQueued;
}

/** Restarts the time-out after an acknowledgement, or stops it when nothing is under way (RFC 6298 (5.2), (5.3)). */
export function restartRto(layer: TcpLayer, c: TcpConnection): void {
  if (c.sndUna === c.sndMax) {
    if (c.timerMode === TIMER_RTO) c.timerMode = TIMER_OFF;
  } else {
    setRetransmitTimer(layer, c, TIMER_RTO, retransmissionTimeout(c, layer.configuration));
  }
}
