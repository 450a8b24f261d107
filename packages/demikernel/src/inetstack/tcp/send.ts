// Sends one segment of a kind and keeps the books: SND.NXT, the round-trip measurement, the retransmission timer.
// How a segment is written is emit.ts, whether it may go is transmit.ts.

import { type TcpConnection, TIMER_RTO } from './connection.ts';
import { count, RETRANSMITTED } from './counters.ts';
import { emitSegment, emitSyn, PAYLOAD_HEAD, PAYLOAD_NEXT, PAYLOAD_NONE } from './emit.ts';
import { backedOffRto, retransmissionTimeout } from './rtt.ts';
import { ACK, FIN, PSH, SYN } from './segment.ts';
import type { TcpLayer } from './tcp-layer.ts';

/** Sends `length` bytes at SND.NXT and moves it; starts the retransmission timer and the round-trip measurement. */
export function sendNext(layer: TcpLayer, c: TcpConnection, length: number, fin: boolean): boolean {
  const seq = c.sndNxt;
  let flags = ACK;
  if (fin) flags |= FIN;
  if (length > 0 && ((c.sndUna + c.sendQueue.bytes - seq) | 0) === length) flags |= PSH;
  if (!emitSegment(layer, c, seq, flags, length > 0 ? PAYLOAD_NEXT : PAYLOAD_NONE, length)) return false;
  const end = (seq + length + (fin ? 1 : 0)) | 0;
  c.sndNxt = end;
  c.lastSendMs = layer.nowMs;
  if (((end - c.sndMax) | 0) > 0) {
    if (c.sndUna === c.sndMax) c.progressMs = layer.nowMs;
    c.sndMax = end;
    if (c.rttTiming === 0) {
      c.rttTiming = 1;
      c.rttSeq = end;
      c.rttStart = layer.clock.micros32;
    }
  } else {
    noteRetransmission(layer, c);
  }
  const two = 2 * c.mss;
  // With two segments under way the peer owes an acknowledgement at once: the time-out is shorter from here on.
  const owed = ((seq - c.sndUna) | 0) < two && ((end - c.sndUna) | 0) >= two;
  if (c.timerMode !== TIMER_RTO || owed)
    setRetransmitTimer(layer, c, TIMER_RTO, retransmissionTimeout(c, layer.configuration));
  return true;
}

/** Sends the oldest segment again (RFC 5681 section 3.2). */
export function resendHead(layer: TcpLayer, c: TcpConnection): boolean {
  let length = (c.sndMax - c.sndUna) | 0;
  if (length > c.sendQueue.bytes) length = c.sendQueue.bytes;
  if (length > c.mss) length = c.mss;
  const fin = c.finQueued !== 0 && length === c.sendQueue.bytes && ((c.sndMax - c.sndUna) | 0) > length;
  const flags = (fin ? ACK | FIN : ACK) | (length === c.sendQueue.bytes && length > 0 ? PSH : 0);
  if (!emitSegment(layer, c, c.sndUna, flags, length > 0 ? PAYLOAD_HEAD : PAYLOAD_NONE, length)) return false;
  noteRetransmission(layer, c);
  c.lastSendMs = layer.nowMs;
  setRetransmitTimer(layer, c, TIMER_RTO, backedOffRto(c, layer.configuration));
  return true;
}

function noteRetransmission(layer: TcpLayer, c: TcpConnection): void {
  c.rttTiming = 0; // Karn's rule: this round trip means nothing now
  c.retransmitTotal = (c.retransmitTotal + 1) | 0;
  count(layer.counters, RETRANSMITTED);
}

/** Sends SYN or SYN-ACK and starts its timer. */
export function sendSyn(layer: TcpLayer, c: TcpConnection, flags: number): boolean {
  if (!emitSyn(layer, c, flags | SYN)) return false;
  const first = c.sndMax === c.iss;
  c.sndNxt = (c.iss + 1) | 0;
  c.sndMax = c.sndNxt;
  c.lastSendMs = layer.nowMs;
  if (first) {
    c.rttTiming = 1;
    c.rttSeq = c.sndNxt;
    c.rttStart = layer.clock.micros32;
    c.progressMs = layer.nowMs;
  } else {
    noteRetransmission(layer, c);
  }
  setRetransmitTimer(layer, c, TIMER_RTO, backedOffRto(c, layer.configuration));
  return true;
}

/**
 * Sets the one timer that retransmits, probes or ends TIME-WAIT.
 *
 * An armed timer that fires early enough stays where it is: it looks at the deadline and arms itself again. So the usual
 * case, a deadline that moves on with every acknowledgement, costs a store.
 */
export function setRetransmitTimer(layer: TcpLayer, c: TcpConnection, mode: number, delayUs: number): void {
  const deadline = (layer.clock.micros32 + delayUs) | 0;
  c.timerMode = mode;
  c.timerDeadline = deadline;
  if (!c.retransmitTimer.armed || ((c.timerAt - deadline) | 0) > 0) {
    c.timerAt = deadline;
    layer.timers.arm(c.retransmitTimer, delayUs);
  }
}
