// SEGMENT ARRIVES of RFC 9293 section 3.10.7.4, for connections in a synchronized state and SYN-RECEIVED, step by step.
// SYN-SENT and TIME-WAIT are in handshake.ts and time-wait.ts; the usual case never comes here: receive.ts.

import { ECONNREFUSED, ECONNRESET } from '../../runtime/errno.ts';
import { acknowledge, duplicateAck, updateWindow } from './acknowledge.ts';
import type { TcpConnection } from './connection.ts';
import {
  CHALLENGE_ACK,
  CHALLENGE_LIMITED,
  count,
  DROP_AFTER_CLOSE,
  DROP_BAD_ACK,
  DROP_BAD_RESET,
  DROP_BAD_SYN,
  DROP_DUPLICATE,
  DROP_NO_ACK,
  DROP_NO_TIMESTAMP,
  DROP_OUT_OF_WINDOW,
  DROP_PAWS,
  DROP_REASSEMBLY_FULL,
  OUT_OF_ORDER,
  RESET_RECEIVED,
} from './counters.ts';
import { receiveSynReceived, receiveSynSent } from './handshake.ts';
import { abort, destroy, enterTimeWait } from './lifecycle.ts';
import { servePops } from './operations.ts';
import { Reassembly } from './reassembly.ts';
import { deliver } from './receive.ts';
import { ACK, FIN, RST, type Segment, SYN, segmentLength } from './segment.ts';
import { seqGt, seqLe, seqLt } from './sequence.ts';
import {
  CLOSE_WAIT,
  CLOSED,
  CLOSING,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  SYN_RECEIVED,
  SYN_SENT,
  TIME_WAIT,
} from './states.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { receiveTimeWait } from './time-wait.ts';
import { acknowledgeNow, markReady } from './transmit.ts';

/** TS.Recent is not believed after this long without news (RFC 7323 section 5.5). */
const TS_RECENT_SECONDS = 24 * 86_400;

/** Takes a segment of a known connection, and the reference to its slot. */
export function receiveSlow(layer: TcpLayer, c: TcpConnection, s: Segment, slot: number): void {
  if (c.state === SYN_SENT) receiveSynSent(layer, c, s);
  else if (c.state === TIME_WAIT) receiveTimeWait(layer, c, s);
  else if (accept(layer, c, s) && takePayload(layer, c, s, slot)) return;
  layer.pool.release(slot);
}

/** Everything up to the payload; false when the segment ends here. */
function accept(layer: TcpLayer, c: TcpConnection, s: Segment): boolean {
  const { counters } = layer;
  if (c.state === SYN_RECEIVED && (s.flags & SYN) !== 0 && s.seq === c.irs && (s.flags & RST) === 0) {
    if (!repeatedSyn(layer, c, s)) return false;
  }
  if (!timestampsPass(layer, c, s)) return false;
  if (!inWindow(c, s)) {
    count(counters, DROP_OUT_OF_WINDOW);
    if ((s.flags & RST) === 0) answerUnacceptable(layer, c, s);
    return false;
  }
  if ((s.flags & RST) !== 0) {
    receiveReset(layer, c, s);
    return false;
  }
  if ((s.flags & SYN) !== 0) {
    // RFC 5961 section 4.2: no state in which a SYN is believed.
    count(counters, DROP_BAD_SYN);
    challenge(layer, c);
    return false;
  }
  if ((s.flags & ACK) === 0) {
    count(counters, DROP_NO_ACK);
    return false;
  }
  if (c.tsEnabled !== 0 && s.hasTimestamps !== 0 && seqLe(s.seq, c.lastAckSent)) {
    if (((s.tsVal - c.tsRecent) | 0) >= 0) {
      c.tsRecent = s.tsVal;
      c.tsRecentSeconds = layer.nowSeconds;
    }
  }
  if (c.state === SYN_RECEIVED && !receiveSynReceived(layer, c, s)) return false;
  return receiveAck(layer, c, s);
}

/**
 * A SYN again in SYN-RECEIVED. Alone it asks for our SYN-ACK once more; with an acknowledgement it is the other half of
 * a simultaneous open, and what remains of it is the acknowledgement.
 */
function repeatedSyn(layer: TcpLayer, c: TcpConnection, s: Segment): boolean {
  if ((s.flags & ACK) === 0) {
    count(layer.counters, DROP_DUPLICATE);
    if (mayChallenge(layer, c)) {
      c.sndNxt = c.iss;
      markReady(layer, c);
    }
    return false;
  }
  s.flags &= ~SYN;
  s.seq = (s.seq + 1) | 0;
  acknowledgeNow(layer, c);
  return true;
}

/** RFC 7323 sections 3.2 and 5.3. */
function timestampsPass(layer: TcpLayer, c: TcpConnection, s: Segment): boolean {
  if (c.tsEnabled === 0 || (s.flags & RST) !== 0) return true;
  if (s.hasTimestamps === 0) {
    count(layer.counters, DROP_NO_TIMESTAMP);
    return false;
  }
  if (((s.tsVal - c.tsRecent) | 0) >= 0) return true;
  if (((layer.nowSeconds - c.tsRecentSeconds) | 0) > TS_RECENT_SECONDS) return true;
  count(layer.counters, DROP_PAWS);
  answerUnacceptable(layer, c, s);
  return false;
}

/** The four cases of RFC 9293 table 6; a segment is trimmed to the window, except that a FIN alone needs no window. */
function inWindow(c: TcpConnection, s: Segment): boolean {
  const length = segmentLength(s);
  const window = (c.rcvAdv - c.rcvNxt) | 0;
  // The right edge itself is welcome: a peer that has filled the window acknowledges from there.
  if (length === 0) return s.seq === c.rcvNxt || (seqGt(s.seq, c.rcvNxt) && seqLe(s.seq, c.rcvAdv));
  const end = (s.seq + length) | 0;
  if (window === 0) {
    if (s.seq !== c.rcvNxt) return false;
    // The acknowledgement of a segment that does not fit still counts.
    if (s.payloadBytes > 0) {
      s.payloadBytes = 0;
      s.flags &= ~FIN;
      c.ackNow = 1;
      markReady(c.layer, c);
    }
    return true;
  }
  return seqGt(end, c.rcvNxt) && (seqLt(s.seq, c.rcvAdv) || s.seq === c.rcvNxt);
}

/** An unacceptable segment draws an acknowledgement; without payload not too often, or two confused ends never stop. */
function answerUnacceptable(layer: TcpLayer, c: TcpConnection, s: Segment): void {
  if (s.payloadBytes > 0 || (s.flags & FIN) !== 0) acknowledgeNow(layer, c);
  else challenge(layer, c);
}

/** A challenge acknowledgement (RFC 5961), rate-limited per connection so that no other connection can watch it. */
export function challenge(layer: TcpLayer, c: TcpConnection): void {
  if (!mayChallenge(layer, c)) return;
  count(layer.counters, CHALLENGE_ACK);
  acknowledgeNow(layer, c);
}

function mayChallenge(layer: TcpLayer, c: TcpConnection): boolean {
  const now = layer.clock.micros32;
  const since = (now - c.lastChallengeUs) | 0;
  if (c.lastChallengeUs !== 0 && since >= 0 && since < layer.configuration.challengeAckIntervalUs) {
    count(layer.counters, CHALLENGE_LIMITED);
    return false;
  }
  c.lastChallengeUs = now === 0 ? 1 : now;
  return true;
}

/** RFC 5961 section 3.2: only a RST exactly at RCV.NXT is believed. */
function receiveReset(layer: TcpLayer, c: TcpConnection, s: Segment): void {
  if (s.seq !== c.rcvNxt) {
    count(layer.counters, DROP_BAD_RESET);
    challenge(layer, c);
    return;
  }
  count(layer.counters, RESET_RECEIVED);
  if (c.state === SYN_RECEIVED) destroy(layer, c, ECONNREFUSED);
  else if (c.state === CLOSING || c.state === LAST_ACK) destroy(layer, c, 0);
  else destroy(layer, c, ECONNRESET);
}

/** Step five: the acknowledgement field. False when the segment ends here. */
function receiveAck(layer: TcpLayer, c: TcpConnection, s: Segment): boolean {
  // RFC 5961 section 5.2: what is older than the largest window, or not sent yet, is answered and dropped.
  if (seqGt(s.ack, c.sndMax) || seqLt(s.ack, (c.sndUna - c.maxSndWnd) | 0)) {
    count(layer.counters, DROP_BAD_ACK);
    challenge(layer, c);
    return false;
  }
  c.probeCount = 0;
  // A peer that answers, and only has no room, is alive for as long as it likes (RFC 9293 section 3.8.6.1).
  if (c.sndWnd === 0) c.retransmitCount = 0;
  if (seqGt(s.ack, c.sndUna)) {
    const finAcked = acknowledge(layer, c, s.ack, s.tsEcr);
    updateWindow(layer, c, s, true);
    if (finAcked) receiveFinAck(layer, c);
    return c.state !== CLOSED;
  }
  if (
    s.ack === c.sndUna &&
    s.payloadBytes === 0 &&
    (s.flags & FIN) === 0 &&
    seqGt(c.sndMax, c.sndUna) &&
    s.window << c.sndScale === c.sndWnd
  ) {
    duplicateAck(layer, c);
  }
  updateWindow(layer, c, s, false);
  return true;
}

/** Our FIN has arrived at the peer. */
function receiveFinAck(layer: TcpLayer, c: TcpConnection): void {
  if (c.state === FIN_WAIT_1) c.state = FIN_WAIT_2;
  else if (c.state === CLOSING) enterTimeWait(layer, c);
  else if (c.state === LAST_ACK) destroy(layer, c, 0);
}

/** Steps seven and eight: text and FIN. True when the slot's reference has been taken. */
function takePayload(layer: TcpLayer, c: TcpConnection, s: Segment, slot: number): boolean {
  const fin = (s.flags & FIN) !== 0;
  if (s.payloadBytes === 0 && !fin) return false;
  if (c.rcvEnded !== 0) {
    count(layer.counters, DROP_DUPLICATE);
    return false;
  }
  let seq = s.seq;
  let offset = s.payloadOffset;
  let length = s.payloadBytes;
  let finHere = fin;
  const old = (c.rcvNxt - seq) | 0;
  if (old > 0) {
    const cut = Math.min(old, length);
    seq = (seq + cut) | 0;
    offset += cut;
    length -= cut;
    acknowledgeNow(layer, c);
  }
  const beyond = (seq + length - c.rcvAdv) | 0;
  if (beyond > 0) {
    length -= Math.min(beyond, length);
    finHere = false;
  }
  if (c.rcvFin !== 0) {
    // Nothing comes after the end that the peer has announced.
    const over = (seq + length - c.rcvFinSeq) | 0;
    if (over > 0) length -= Math.min(over, length);
  } else if (finHere) {
    c.rcvFin = 1;
    c.rcvFinSeq = (seq + length) | 0;
  }
  const taken = length > 0 && takeText(layer, c, seq, slot, offset, length);
  if (c.state === CLOSED) return taken;
  if (c.rcvFin !== 0 && c.rcvNxt === c.rcvFinSeq) receiveFin(layer, c);
  return taken;
}

/** Puts new bytes in order or aside. True when the slot's reference has been taken. */
function takeText(
  layer: TcpLayer,
  c: TcpConnection,
  seq: number,
  slot: number,
  offset: number,
  length: number,
): boolean {
  if (c.orphan !== 0) {
    // Nobody will ever read this: the peer must know (RFC 1122 section 4.2.2.13).
    count(layer.counters, DROP_AFTER_CLOSE);
    abort(layer, c, ECONNRESET);
    return false;
  }
  if (c.rcvShut !== 0) {
    if (seq === c.rcvNxt) c.rcvNxt = (c.rcvNxt + length) | 0;
    acknowledgeNow(layer, c);
    return false;
  }
  if (seq === c.rcvNxt) {
    deliver(layer, c, slot, offset, length);
    if (c.reassembly !== undefined) drain(layer, c, c.reassembly);
    return true;
  }
  count(layer.counters, OUT_OF_ORDER);
  acknowledgeNow(layer, c); // a duplicate acknowledgement tells the sender of the hole (RFC 5681 section 4.2)
  if (c.reassembly === undefined) c.reassembly = new Reassembly();
  const limit = (c.receiveBufferBytes >> 10) + 4;
  const slice = layer.pool.slice(slot, offset, length);
  const low = layer.pool.freeSlots < layer.lowSlots;
  if (!c.reassembly.insert(seq, slice, low ? 0 : limit)) count(layer.counters, DROP_REASSEMBLY_FULL);
  if (c.reassembly.count === 0) c.reassembly = undefined;
  return true;
}

/** Moves what has become contiguous from the reassembly to the receive queue; a filled hole is acknowledged at once. */
function drain(layer: TcpLayer, c: TcpConnection, reassembly: Reassembly): void {
  for (let slice = reassembly.take(c.rcvNxt); slice !== undefined; slice = reassembly.take(c.rcvNxt)) {
    const { slot, offset, length } = slice;
    layer.pool.retain(slot);
    slice.release();
    const before = c.rcvNxt;
    deliver(layer, c, slot, offset, length);
    if (c.rcvNxt === before) break;
  }
  acknowledgeNow(layer, c);
  if (reassembly.count === 0) c.reassembly = undefined;
}

/** Step eight: every byte up to the FIN has arrived. */
function receiveFin(layer: TcpLayer, c: TcpConnection): void {
  if (c.rcvEnded !== 0) return;
  c.rcvEnded = 1;
  c.rcvNxt = (c.rcvNxt + 1) | 0;
  if (c.reassembly !== undefined) {
    c.reassembly.clear();
    c.reassembly = undefined;
  }
  acknowledgeNow(layer, c);
  if (c.state === ESTABLISHED) c.state = CLOSE_WAIT;
  else if (c.state === FIN_WAIT_1) c.state = CLOSING;
  else if (c.state === FIN_WAIT_2) enterTimeWait(layer, c);
  servePops(layer, c);
}
