// Segments arrive here: validation, demultiplexing, header prediction. What prediction does not cover is receive-slow.ts.

import { RX_CHECKSUM_VALID } from '../../runtime/packet-device.ts';
import { foldChecksum, foldSum, pseudoHeaderSum, sumBytes } from '../checksum.ts';
import { acknowledge } from './acknowledge.ts';
import type { TcpConnection } from './connection.ts';
import {
  COALESCED,
  count,
  DROP_CHECKSUM,
  DROP_HEADER,
  DROP_RECEIVE_MEMORY,
  FAST_PATH,
  RECEIVED,
} from './counters.ts';
import { servePops, takePop } from './operations.ts';
import { receiveSlow } from './receive-slow.ts';
import { receiveUnknown } from './receive-unknown.ts';
import { ACK, IPPROTO_TCP, PSH, parseSegment, type Segment, TCP_CHECKSUM_OFFSET } from './segment.ts';
import { CLOSE_WAIT, ESTABLISHED, FIN_WAIT_2 } from './states.ts';
import type { TcpLayer } from './tcp-layer.ts';
import { acknowledgeLater, acknowledgeNow, markReady } from './transmit.ts';

/** Takes one segment and the one reference to its slot. Any bytes are welcome: what is wrong is dropped and counted. */
export function receiveSegment(
  layer: TcpLayer,
  offset: number,
  lengthBytes: number,
  source: number,
  destination: number,
  flags: number,
): void {
  const { counters, pool, segment } = layer;
  count(counters, RECEIVED);
  const slot = offset >> pool.slotShift;
  if (!parseSegment(segment, layer.view, offset, lengthBytes)) {
    count(counters, DROP_HEADER);
    pool.release(slot);
    return;
  }
  // The connection first, although the checksum decides whether it is used: it comes from memory while the sum is made.
  const ports = (segment.destinationPort << 16) | segment.sourcePort;
  const c = layer.demultiplexer.find(source, destination, ports);
  if ((flags & RX_CHECKSUM_VALID) === 0 && !checksumValid(layer, offset, lengthBytes, source, destination)) {
    count(counters, DROP_CHECKSUM);
    pool.release(slot);
    return;
  }
  if (c === undefined) {
    receiveUnknown(layer, segment, source, destination);
    pool.release(slot);
    return;
  }
  c.lastReceiveMs = layer.nowMs;
  if (isOpen(c.state) && predicted(c, segment)) {
    count(counters, FAST_PATH);
    receivePredicted(layer, c, segment, slot);
    return;
  }
  receiveSlow(layer, c, segment, slot);
}

function checksumValid(
  layer: TcpLayer,
  offset: number,
  lengthBytes: number,
  source: number,
  destination: number,
): boolean {
  const pseudo = pseudoHeaderSum(source, destination, IPPROTO_TCP, lengthBytes);
  if (foldChecksum(sumBytes(layer.view, offset, lengthBytes, pseudo)) === 0) return true;
  // A sender on this machine may have left the rest to a device that was never there.
  return (
    layer.device.partialChecksums && layer.view.getUint16(offset + TCP_CHECKSUM_OFFSET) === foldSum(pseudo)
  );
}

/** States in which segments may flow at least one way, and none can acknowledge a FIN. */
function isOpen(state: number): boolean {
  return state === ESTABLISHED || state === CLOSE_WAIT || state === FIN_WAIT_2;
}

/** Van Jacobson's header prediction: the next segment in order on a connection where nothing else is going on. */
function predicted(c: TcpConnection, s: Segment): boolean {
  if ((s.flags & ~PSH) !== ACK || s.seq !== c.rcvNxt || s.hasTimestamps !== c.tsEnabled) return false;
  if (c.tsEnabled !== 0 && ((s.tsVal - c.tsRecent) | 0) < 0) return false;
  const acked = (s.ack - c.sndUna) | 0;
  if (acked < 0 || ((s.ack - c.sndMax) | 0) > 0) return false;
  if (c.dupAcks !== 0 || c.inRecovery !== 0 || c.sndWnd === 0) return false;
  if (s.payloadBytes === 0) return acked > 0;
  return (
    s.payloadBytes <= ((c.rcvAdv - c.rcvNxt) | 0) &&
    c.reassembly === undefined &&
    c.rcvFin === 0 &&
    c.rcvShut === 0 &&
    c.orphan === 0
  );
}

function receivePredicted(layer: TcpLayer, c: TcpConnection, s: Segment, slot: number): void {
  // RFC 7323 section 4.3: the timestamp to echo is that of the segment that holds Last.ACK.sent.
  if (c.tsEnabled !== 0 && c.lastAckSent === s.seq) {
    c.tsRecent = s.tsVal;
    c.tsRecentSeconds = layer.nowSeconds;
  }
  const window = s.window << c.sndScale;
  const grown = window > c.sndWnd;
  c.sndWnd = window;
  c.sndWl1 = s.seq;
  c.sndWl2 = s.ack;
  if (window > c.maxSndWnd) c.maxSndWnd = window;
  if (s.ack !== c.sndUna) acknowledge(layer, c, s.ack, s.tsEcr);
  else if (grown && c.sendQueue.bytes > 0) markReady(layer, c);
  if (s.payloadBytes > 0) deliver(layer, c, slot, s.payloadOffset, s.payloadBytes);
  else layer.pool.release(slot);
}

/**
 * Takes `length` bytes that begin at RCV.NXT, and the reference to their slot. They go straight to a waiting pop, or
 * into the receive queue, whose charge is counted in slots: over its share, bytes are copied together.
 */
export function deliver(
  layer: TcpLayer,
  c: TcpConnection,
  slot: number,
  offset: number,
  length: number,
): void {
  const pool = layer.pool;
  // While a pop waits the queue is empty.
  const waiting = c.waitingPop;
  if (pool.freeSlots < layer.floorSlots) {
    // The reserve is the stack's own. The peer hears of a shut window and sends the bytes again.
    count(layer.counters, DROP_RECEIVE_MEMORY);
    pool.release(slot);
    acknowledgeNow(layer, c);
    return;
  }
  if (waiting !== undefined && (waiting.sizeBytes === 0 || waiting.sizeBytes >= length)) {
    takePop(c);
    const array = pool.array();
    array.append(pool.slice(slot, offset, length));
    waiting.array = array;
    c.rcvNxt = (c.rcvNxt + length) | 0;
    layer.runtime.operations.complete(waiting, 0);
  } else {
    if (!store(layer, c, slot, offset, length)) return;
    c.rcvNxt = (c.rcvNxt + length) | 0;
    if (waiting !== undefined) servePops(layer, c);
  }
  oweAcknowledgement(layer, c, length);
}

/** Puts bytes into the receive queue; false when they were dropped for want of memory. */
function store(layer: TcpLayer, c: TcpConnection, slot: number, offset: number, length: number): boolean {
  const pool = layer.pool;
  const queue = c.receiveQueue;
  const share = c.receiveBufferBytes >> pool.slotShift;
  if (queue.count >= share) {
    if (queue.coalesce(pool, offset, length)) {
      count(layer.counters, COALESCED);
      pool.release(slot);
      return true;
    }
    // Full segments of any size fill at least half of a slot: more slots than this are somebody's trick.
    if (queue.count >= 2 * share + 16) {
      count(layer.counters, DROP_RECEIVE_MEMORY);
      pool.release(slot);
      return false;
    }
  }
  queue.append(pool.slice(slot, offset, length));
  return true;
}

/** RFC 5681 section 4.2: at least every second full segment; the others within the delay. */
function oweAcknowledgement(layer: TcpLayer, c: TcpConnection, length: number): void {
  if (length > c.rcvMss) c.rcvMss = length;
  c.unackedBytes = (c.unackedBytes + length) | 0;
  c.unackedSegments = (c.unackedSegments + 1) | 0;
  if (c.unackedBytes >= 2 * c.rcvMss || c.unackedSegments >= layer.configuration.ackEverySegments) {
    c.ackNow = 1;
    markReady(layer, c);
  } else if (c.ackDelayed === 0) {
    acknowledgeLater(layer, c);
  }
}
