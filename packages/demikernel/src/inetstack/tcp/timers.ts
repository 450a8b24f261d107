// What happens when a connection's timer fires: retransmission, probes, keepalive, end of life.

import { ETIMEDOUT } from '../../runtime/errno.ts';
import {
  type TcpConnection,
  TIMER_OFF,
  TIMER_PERSIST,
  TIMER_RETRANSMIT,
  TIMER_RTO,
  TIMER_TIME_WAIT,
} from './connection.ts';
import {
  count,
  KEEPALIVE_PROBE,
  ORPHAN_ABORTED,
  RETRANSMIT_TIMEOUT,
  TIMED_OUT,
  WINDOW_PROBE,
} from './counters.ts';
import { abort, destroy } from './lifecycle.ts';
import { backedOffRto } from './rtt.ts';
import { setRetransmitTimer } from './send.ts';
import { CLOSED, ESTABLISHED, SYN_RECEIVED } from './states.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { hasUnsent, markReady } from './transmit.ts';

/** Back-off beyond which the time-out has long reached its maximum. */
const MAX_BACKOFF = 30;

export function connectionTimer(layer: TcpLayer, c: TcpConnection, kind: number): void {
  if (c.state === CLOSED) return;
  if (kind === TIMER_RETRANSMIT) retransmitTimer(layer, c);
  else lifeTimer(layer, c);
}

function retransmitTimer(layer: TcpLayer, c: TcpConnection): void {
  if (c.timerMode === TIMER_OFF) return;
  // The deadline may have moved on since the timer was armed.
  const left = (c.timerDeadline - layer.clock.micros32) | 0;
  if (left > 0) {
    c.timerAt = c.timerDeadline;
    layer.timers.arm(c.retransmitTimer, left);
    return;
  }
  const mode = c.timerMode;
  c.timerMode = TIMER_OFF;
  if (mode === TIMER_TIME_WAIT) destroy(layer, c, 0);
  else if (mode === TIMER_PERSIST) persistTimeout(layer, c);
  else retransmitTimeout(layer, c);
}

/** RFC 6298 (5.4) to (5.7), RFC 5681 section 3.1, and giving up (RFC 9293 section 3.8.3). */
function retransmitTimeout(layer: TcpLayer, c: TcpConnection): void {
  const { configuration } = layer;
  if (c.sndUna === c.sndMax) return;
  const handshake = c.state <= SYN_RECEIVED;
  const limit = handshake ? configuration.maximumSynRetransmits : configuration.maximumRetransmits;
  const stuckMs = (layer.nowMs - c.progressMs) | 0;
  if (c.retransmitCount >= limit || (c.userTimeoutMs > 0 && stuckMs >= c.userTimeoutMs)) {
    giveUp(layer, c);
    return;
  }
  count(layer.counters, RETRANSMIT_TIMEOUT);
  if (handshake) c.sndNxt = c.iss;
  else backOffWindow(layer, c);
  c.retransmitCount = (c.retransmitCount + 1) | 0;
  if (c.backoff < MAX_BACKOFF) c.backoff = (c.backoff + 1) | 0;
  c.rttTiming = 0;
  let delay = backedOffRto(c, configuration);
  if (c.userTimeoutMs > 0) {
    // In time for the user's limit, whatever the back-off.
    const leftMs = c.userTimeoutMs - stuckMs;
    if (leftMs < delay / 1000) delay = Math.max(1, leftMs) * 1000;
  }
  setRetransmitTimer(layer, c, TIMER_RTO, delay);
  markReady(layer, c);
}

/** Go back N: the window falls to one segment and transmission resumes at the oldest byte. */
function backOffWindow(layer: TcpLayer, c: TcpConnection): void {
  if (c.retransmitCount === 0) {
    c.undoCwnd = c.inRecovery !== 0 ? c.ssthresh : c.cwnd;
    c.undoSsthresh = c.ssthresh;
    c.undoTs = (layer.nowMs + c.tsOffset) | 0;
    layer.congestion.lost(c, (c.sndMax - c.sndUna) | 0);
  }
  layer.congestion.timedOut(c);
  c.inRecovery = 0;
  c.dupAcks = 0;
  c.retransmitHead = 0;
  c.recover = c.sndMax;
  c.sndNxt = c.sndUna;
  c.sendQueue.rewind();
}

/** The window is shut, or too small to be worth a segment (RFC 9293 section 3.8.6.1, RFC 1122 4.2.3.4). */
function persistTimeout(layer: TcpLayer, c: TcpConnection): void {
  const { configuration } = layer;
  if (!hasUnsent(c)) return;
  const silentMs = (layer.nowMs - c.lastReceiveMs) | 0;
  if (
    c.probeCount > configuration.maximumRetransmits ||
    (c.userTimeoutMs > 0 && c.probeCount > 0 && silentMs >= c.userTimeoutMs)
  ) {
    giveUp(layer, c);
    return;
  }
  if (c.sndWnd > 0) c.forceSend = 1;
  else {
    count(layer.counters, WINDOW_PROBE);
    c.probeNow = 1;
    c.probeCount = (c.probeCount + 1) | 0;
    if (c.backoff < MAX_BACKOFF) c.backoff = (c.backoff + 1) | 0;
    setRetransmitTimer(layer, c, TIMER_PERSIST, backedOffRto(c, configuration));
  }
  markReady(layer, c);
}

/**
 * Nobody answers for the next hop. That ends an attempt to connect; later it is a passing fault, and what waits tries
 * again with back-off.
 */
export function routeLost(layer: TcpLayer, c: TcpConnection, errno: number): void {
  const { configuration } = layer;
  if (c.state === CLOSED) return;
  c.softError = errno;
  c.retransmitCount = (c.retransmitCount + 1) | 0;
  if (c.state <= SYN_RECEIVED || c.retransmitCount > configuration.maximumRetransmits) {
    destroy(layer, c, errno);
    return;
  }
  // What has been sent before has its time-out running; what never was has not.
  if (c.timerMode !== TIMER_OFF || !hasUnsent(c)) return;
  if (c.backoff < MAX_BACKOFF) c.backoff = (c.backoff + 1) | 0;
  setRetransmitTimer(layer, c, TIMER_PERSIST, backedOffRto(c, configuration));
}

function giveUp(layer: TcpLayer, c: TcpConnection): void {
  count(layer.counters, TIMED_OUT);
  const errno = c.softError !== 0 ? c.softError : ETIMEDOUT;
  if (c.state >= ESTABLISHED) abort(layer, c, errno);
  else destroy(layer, c, errno);
}

/** The end of an orphan's time, or a turn of keepalive (RFC 9293 section 3.8.4). */
function lifeTimer(layer: TcpLayer, c: TcpConnection): void {
  if (c.orphan !== 0) {
    count(layer.counters, ORPHAN_ABORTED);
    abort(layer, c, ETIMEDOUT);
    return;
  }
  if (c.keepAlive === 0 || c.state < ESTABLISHED) return;
  const idleMs = (layer.nowMs - c.lastReceiveMs) | 0;
  // While data is under way, its own time-out watches over the peer.
  if (idleMs < c.keepIdleMs || c.sndUna !== c.sndMax) {
    c.keepProbesSent = 0;
    layer.timers.arm(c.lifeTimer, Math.max(1, c.keepIdleMs - idleMs) * 1000);
    return;
  }
  if (c.keepProbesSent >= c.keepProbes) {
    count(layer.counters, TIMED_OUT);
    abort(layer, c, ETIMEDOUT);
    return;
  }
  count(layer.counters, KEEPALIVE_PROBE);
  c.keepProbesSent = (c.keepProbesSent + 1) | 0;
  c.probeNow = 1;
  markReady(layer, c);
  layer.timers.arm(c.lifeTimer, c.keepIntervalMs * 1000);
}

/** Starts keepalive from the last sign of life. */
export function armKeepAlive(layer: TcpLayer, c: TcpConnection): void {
  c.keepProbesSent = 0;
  const idleMs = (layer.nowMs - c.lastReceiveMs) | 0;
  layer.timers.arm(c.lifeTimer, Math.max(1, c.keepIdleMs - idleMs) * 1000);
}
