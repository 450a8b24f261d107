// Endings: close, shutdown, abort, TIME-WAIT, and giving back everything a connection held.

import { ECANCELED, ECONNRESET } from '../../runtime/errno.ts';
import { type TcpConnection, TIMER_OFF, TIMER_TIME_WAIT } from './connection.ts';
import { count, ORPHAN_ABORTED, TIME_WAIT_EVICTED } from './counters.ts';
import { failOperations, failPush, movePush, queueFin, servePops } from './operations.ts';
import { resetPeer } from './reset.ts';
import { setRetransmitTimer } from './send.ts';
import { CLOSED, ESTABLISHED, SYN_RECEIVED, SYN_SENT, TIME_WAIT } from './states.ts';
import type { TcpLayer } from './tcp-layer.ts';

/**
 * Ends a connection: operations complete with `errno` (0: pops see the end of the stream), and its table entry, timers
 * and memory go back. Bytes that were received in order stay for the application when the stream ended well.
 */
export function destroy(layer: TcpLayer, c: TcpConnection, errno: number): void {
  if (c.state === CLOSED && c.inTable === 0) return;
  const wasOrphan = c.orphan !== 0;
  const inTimeWait = c.state === TIME_WAIT;
  c.state = CLOSED;
  c.error = errno;
  c.sndShut = 1;
  c.timerMode = TIMER_OFF;
  if (errno === 0) c.rcvEnded = 1;
  if (wasOrphan && !inTimeWait) layer.orphanCount--;
  unlink(layer, c);
  c.sendQueue.clear();
  if (c.reassembly !== undefined) {
    c.reassembly.clear();
    c.reassembly = undefined;
  }
  if (errno !== 0 || wasOrphan) c.receiveQueue.clear();
  if (errno === 0) servePops(layer, c);
  failOperations(layer, c, errno === 0 ? ECONNRESET : errno);
}

/** Takes a connection off every table, list and timer. */
function unlink(layer: TcpLayer, c: TcpConnection): void {
  layer.timers.cancel(c.retransmitTimer);
  layer.timers.cancel(c.lifeTimer);
  if (c.resolving !== 0) {
    c.resolving = 0;
    layer.output.cancelResolve(c.route, c);
  }
  if (c.list !== undefined) c.list.remove(c);
  c.listener = undefined;
  if (c.inTable !== 0) {
    c.inTable = 0;
    layer.demultiplexer.remove(c);
    layer.ports.release(c.localPort);
    layer.table.free(c);
  }
}

/** Ends a connection at once and tells the peer (RFC 9293 section 3.10.5). */
export function abort(layer: TcpLayer, c: TcpConnection, errno: number): void {
  if (c.state >= SYN_RECEIVED && c.state !== TIME_WAIT) resetPeer(layer, c);
  destroy(layer, c, errno);
}

/** The application sends no more: FIN behind everything pushed (RFC 9293 section 3.10.4). */
export function shutdownSend(layer: TcpLayer, c: TcpConnection): void {
  if (c.sndShut !== 0) return;
  c.sndShut = 1;
  queueFin(layer, c);
}

/** The application reads no more: waiting pops see the end, what arrives is acknowledged and forgotten. */
export function shutdownReceive(layer: TcpLayer, c: TcpConnection): void {
  if (c.rcvShut !== 0) return;
  c.rcvShut = 1;
  c.receiveQueue.clear();
  if (c.reassembly !== undefined) {
    c.rcvFin = 0; // it may lie behind bytes that are forgotten now; the peer repeats both
    c.reassembly.clear();
    c.reassembly = undefined;
  }
  servePops(layer, c);
}

/** The queue was closed: nobody is there any more, but what was pushed still goes out, with a FIN behind it. */
export function orphan(layer: TcpLayer, c: TcpConnection): void {
  if (c.state === CLOSED) {
    c.receiveQueue.clear();
    return;
  }
  const unread = c.receiveQueue.bytes > 0;
  // A push that is half in the send queue goes out whole; later ones are cancelled and never begun.
  const half = c.pushes.head;
  if (half !== undefined && half.doneBytes > 0) {
    c.pushes.remove(half);
    movePush(layer, c, half, true);
    failPush(layer, half, ECANCELED);
  }
  failOperations(layer, c, ECANCELED);
  c.receiveQueue.clear();
  if (c.state === TIME_WAIT) {
    c.orphan = 1;
    return;
  }
  if (c.state === SYN_SENT) {
    destroy(layer, c, ECANCELED);
    return;
  }
  // Unread bytes mean that the peer's work was in vain, and it must know (RFC 2525 section 2.17); linger 0 asks for it.
  if (c.lingerUs === 0 || unread || c.state < ESTABLISHED) {
    abort(layer, c, ECANCELED);
    return;
  }
  if (layer.orphanCount >= layer.configuration.maximumOrphans) {
    count(layer.counters, ORPHAN_ABORTED);
    abort(layer, c, ECANCELED);
    return;
  }
  c.orphan = 1;
  layer.orphanCount++;
  layer.timers.arm(c.lifeTimer, c.lingerUs > 0 ? c.lingerUs : layer.configuration.orphanUs);
  shutdownSend(layer, c);
}

/** Both streams have ended and our acknowledgement may get lost (RFC 9293 section 3.6). */
export function enterTimeWait(layer: TcpLayer, c: TcpConnection): void {
  const { configuration, timeWait } = layer;
  if (c.orphan !== 0) layer.orphanCount--;
  c.state = TIME_WAIT;
  c.backoff = 0;
  layer.timers.cancel(c.lifeTimer);
  timeWait.push(c);
  restartTimeWait(layer, c);
  if (timeWait.count > configuration.maximumTimeWait && timeWait.head !== undefined) {
    count(layer.counters, TIME_WAIT_EVICTED);
    destroy(layer, timeWait.head, 0);
  }
}

export function restartTimeWait(layer: TcpLayer, c: TcpConnection): void {
  const { timeWaitUs, timeWaitWithoutTimestampsUs } = layer.configuration;
  setRetransmitTimer(layer, c, TIMER_TIME_WAIT, c.tsEnabled !== 0 ? timeWaitUs : timeWaitWithoutTimestampsUs);
}
