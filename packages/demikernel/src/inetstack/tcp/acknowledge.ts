// What an acknowledgement does: bytes leave the send queue, the round trip is measured, losses are found (RFC 6582) and
// operations complete. Whether the acknowledgement is acceptable has been decided in receive.ts.

import { MAX_WINDOW_BYTES } from './congestion/new-reno.ts';
import { type TcpConnection, TIMER_OFF, TIMER_PERSIST } from './connection.ts';
import { count, FAST_RETRANSMIT, SPURIOUS_TIMEOUT } from './counters.ts';
import { acceptPushes } from './operations.ts';
import { sampleRtt } from './rtt.ts';
import type { Segment } from './segment.ts';
import { seqGe, seqGt, seqLe, seqLt } from './sequence.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { hasUnsent, markReady, restartRto } from './transmit.ts';

/** Duplicate acknowledgements that make a loss (RFC 5681 section 3.2). */
const DUPLICATE_THRESHOLD = 3;
/** Round trip taken for a timestamp difference of 0: half of its grain. */
const TIMESTAMP_GRAIN_US = 500;
/** The longest delay of acknowledgements that a time-out is made to respect (Linux: TCP_DELACK_MAX, 200 ms). */
const MAX_FLOOR_MS = 250;

/**
 * Takes SEG.ACK, which is in (SND.UNA, SND.MAX].
 *
 * @returns true when it acknowledges our FIN
 */
export function acknowledge(layer: TcpLayer, c: TcpConnection, ack: number, tsEcr: number): boolean {
  const acked = (ack - c.sndUna) | 0;
  const flight = (c.sndMax - c.sndUna) | 0;
  const data = Math.min(acked, c.sendQueue.bytes);
  measure(layer, c, ack, tsEcr);
  c.sendQueue.acknowledge(data);
  c.sndUna = ack;
  if (seqLt(c.sndNxt, ack)) c.sndNxt = ack;
  c.progressMs = layer.nowMs;
  c.retransmitCount = 0;
  if (c.undoCwnd !== 0) undoSpuriousTimeout(layer, c, tsEcr);
  if (c.inRecovery !== 0) recoverFurther(layer, c, acked);
  else {
    c.dupAcks = 0;
    // A window that was not filled says nothing about the path (RFC 7661).
    if (flight >= c.cwnd >> 1) layer.congestion.acknowledged(c, data);
  }
  restartRto(layer, c);
  if (c.ackedPushes.head !== undefined) completeAcked(layer, c);
  if (c.pushes.head !== undefined) acceptPushes(layer, c);
  if (hasUnsent(c)) markReady(layer, c);
  return acked > data;
}

function measure(layer: TcpLayer, c: TcpConnection, ack: number, tsEcr: number): void {
  if (c.rttTiming !== 0) {
    if (seqLt(ack, c.rttSeq)) return;
    c.rttTiming = 0;
    c.backoff = 0;
    sampleRtt(c, layer.configuration, (layer.clock.micros32 - c.rttStart) | 0);
    return;
  }
  // A retransmission spoiled the measurement; the echoed timestamp still tells which transmission was answered (RFC 7323 4).
  if (c.tsEnabled === 0 || tsEcr === 0) return;
  const elapsedMs = (layer.nowMs + c.tsOffset - tsEcr) | 0;
  if (elapsedMs < 0 || elapsedMs > 60_000) return;
  c.backoff = 0;
  sampleRtt(c, layer.configuration, elapsedMs === 0 ? TIMESTAMP_GRAIN_US : elapsedMs * 1000);
}

/** The Eifel test (RFC 3522): an echo of a time before the retransmission means that the original had arrived. */
function undoSpuriousTimeout(layer: TcpLayer, c: TcpConnection, tsEcr: number): void {
  if (c.tsEnabled !== 0 && tsEcr !== 0 && ((tsEcr - c.undoTs) | 0) < 0) {
    count(layer.counters, SPURIOUS_TIMEOUT);
    // Most likely the peer delayed its acknowledgement: Linux does for 40 ms, eight times our least time-out.
    const elapsedMs = (layer.nowMs + c.tsOffset - tsEcr) | 0;
    const floorUs = elapsedMs < MAX_FLOOR_MS ? (elapsedMs * 1250) | 0 : MAX_FLOOR_MS * 1000;
    if (floorUs > c.rtoFloorUs) c.rtoFloorUs = floorUs;
    if (c.rtoUs < c.rtoFloorUs) c.rtoUs = c.rtoFloorUs;
    c.cwnd = c.undoCwnd;
    c.ssthresh = c.undoSsthresh;
    c.sndNxt = c.sndMax;
    const distance = (c.sndMax - c.sndUna) | 0;
    c.sendQueue.seek(Math.min(distance, c.sendQueue.bytes));
  }
  c.undoCwnd = 0;
}

/** New data acknowledged during fast recovery: all of it, or a hole further on (RFC 6582 section 3.2, step 3). */
function recoverFurther(layer: TcpLayer, c: TcpConnection, acked: number): void {
  if (seqGe(c.sndUna, c.recover)) {
    const flight = (c.sndMax - c.sndUna) | 0;
    const window = (Math.max(flight, c.mss) + c.mss) | 0;
    c.cwnd = Math.min(window, c.ssthresh);
    c.inRecovery = 0;
    c.dupAcks = 0;
    return;
  }
  c.retransmitHead = 1;
  c.cwnd = (c.cwnd - acked) | 0;
  if (c.cwnd < c.mss) c.cwnd = c.mss;
  if (acked >= c.mss) c.cwnd = (c.cwnd + c.mss) | 0;
  markReady(layer, c);
}

/** A duplicate acknowledgement (RFC 5681 section 2) arrived. */
export function duplicateAck(layer: TcpLayer, c: TcpConnection): void {
  if (c.inRecovery !== 0) {
    // Another segment has left the network; a peer that counts more than we sent must not overflow the window.
    if (c.cwnd < MAX_WINDOW_BYTES) c.cwnd = (c.cwnd + c.mss) | 0;
    markReady(layer, c);
    return;
  }
  c.dupAcks = (c.dupAcks + 1) | 0;
  if (c.dupAcks < DUPLICATE_THRESHOLD) {
    markReady(layer, c); // limited transmit (RFC 3042)
    return;
  }
  // Not again for losses of a window that has been recovered or timed out already (RFC 6582 step 1).
  if (c.dupAcks > DUPLICATE_THRESHOLD || seqLe(c.sndUna, c.recover)) return;
  count(layer.counters, FAST_RETRANSMIT);
  c.recover = c.sndMax;
  c.inRecovery = 1;
  layer.congestion.lost(c, (c.sndMax - c.sndUna) | 0);
  c.cwnd = (c.ssthresh + DUPLICATE_THRESHOLD * c.mss) | 0;
  c.retransmitHead = 1;
  markReady(layer, c);
}

/**
 * Takes the window of an acceptable segment, when it is newer than the last (RFC 9293 section 3.10.7.4). One that acknowledges new
 * bytes is newer, also when its own bytes are sent again and lie before others that have come: its window counts from its
 * acknowledgement, and the old one would end behind what the peer has offered.
 */
export function updateWindow(
  layer: TcpLayer,
  c: TcpConnection,
  segment: Segment,
  acknowledgesNew: boolean,
): void {
  if (
    !acknowledgesNew &&
    !seqLt(c.sndWl1, segment.seq) &&
    !(c.sndWl1 === segment.seq && seqLe(c.sndWl2, segment.ack))
  ) {
    return;
  }
  const window = segment.window << c.sndScale;
  const grown = window > c.sndWnd;
  c.sndWnd = window;
  c.sndWl1 = segment.seq;
  c.sndWl2 = segment.ack;
  if (window > c.maxSndWnd) c.maxSndWnd = window;
  c.probeCount = 0;
  if (grown && hasUnsent(c)) {
    if (c.timerMode === TIMER_PERSIST) c.timerMode = TIMER_OFF;
    markReady(layer, c);
  }
}

function completeAcked(layer: TcpLayer, c: TcpConnection): void {
  for (let push = c.ackedPushes.head; push !== undefined; push = c.ackedPushes.head) {
    if (seqGt(push.mark, c.sndUna)) return;
    c.ackedPushes.remove(push);
    layer.runtime.operations.complete(push, 0);
  }
}
