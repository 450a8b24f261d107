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
import {
  ACK,
  FLAGS,
  IPPROTO_TCP,
  PSH,
  parseSegment,
  TCP_CHECKSUM_OFFSET,
  TCP_HEADER_BYTES,
  TIMESTAMP_BYTES,
  TIMESTAMP_WORD,
} from './segment.ts';
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
  ipOffset: number,
): void {
  const { counters, pool, segment, view } = layer;
  count(counters, RECEIVED);
  const slot = offset >> pool.slotShift;
  if (lengthBytes < TCP_HEADER_BYTES) {
    count(counters, DROP_HEADER);
    pool.release(slot);
    return;
  }
  // The connection first, although the checksum decides whether it is used: it comes from memory while the sum is made.
  const ports = view.getInt32(offset);
  const c = layer.demultiplexer.find(source, destination, (ports << 16) | (ports >>> 16));
  if ((flags & RX_CHECKSUM_VALID) === 0 && !checksumValid(layer, offset, lengthBytes, source, destination)) {
    count(counters, DROP_CHECKSUM);
    pool.release(slot);
    return;
  }
  if (c !== undefined && isOpen(c.state) && receivePredicted(layer, c, offset, lengthBytes, slot)) {
    count(counters, FAST_PATH);
    return;
  }
  if (!parseSegment(segment, view, offset, lengthBytes)) {
    count(counters, DROP_HEADER);
    pool.release(slot);
  } else if (c === undefined) {
    if (layer.holdings.count > 0) {
      const holding = layer.holdings.find(source, destination, (ports << 16) | (ports >>> 16));
      if (holding?.take(ipOffset, offset, lengthBytes, segment.flags) === true) return;
    }
    const opened = receiveUnknown(layer, segment, source, destination, ipOffset);
    if (opened !== undefined) receiveSlow(layer, opened, segment, slot);
    else pool.release(slot);
  } else {
    c.lastReceiveMs = layer.nowMs;
    receiveSlow(layer, c, segment, slot);
  }
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

/**
 * Van Jacobson's header prediction: takes the next segment in order of a connection where nothing else is going on, straight
 * from the header. Returns false, and has done nothing, for every other segment.
 */
function receivePredicted(
  layer: TcpLayer,
  c: TcpConnection,
  offset: number,
  lengthBytes: number,
  slot: number,
): boolean {
  const view = layer.view;
  const word = view.getInt32(offset + 12);
  const headerBytes = c.tsEnabled !== 0 ? TCP_HEADER_BYTES + TIMESTAMP_BYTES : TCP_HEADER_BYTES;
  if ((word >>> 28) << 2 !== headerBytes || lengthBytes < headerBytes) return false;
  const seq = view.getInt32(offset + 4);
  if (((word >>> 16) & FLAGS & ~PSH) !== ACK || seq !== c.rcvNxt) return false;
  const ack = view.getInt32(offset + 8);
  const acked = (ack - c.sndUna) | 0;
  if (acked < 0 || ((ack - c.sndMax) | 0) > 0) return false;
  if (c.dupAcks !== 0 || c.inRecovery !== 0 || c.sndWnd === 0) return false;
  const payloadBytes = lengthBytes - headerBytes;
  if (payloadBytes === 0 ? acked === 0 : !mayDeliver(c, payloadBytes)) return false;
  let tsEcr = 0;
  if (c.tsEnabled !== 0) {
    if (view.getInt32(offset + TCP_HEADER_BYTES) !== TIMESTAMP_WORD) return false;
    const tsVal = view.getInt32(offset + TCP_HEADER_BYTES + 4);
    if (((tsVal - c.tsRecent) | 0) < 0) return false;
    tsEcr = view.getInt32(offset + TCP_HEADER_BYTES + 8);
    // RFC 7323 section 4.3: the timestamp to echo is that of the segment that holds Last.ACK.sent.
    if (c.lastAckSent === seq) {
      c.tsRecent = tsVal;
      c.tsRecentSeconds = layer.nowSeconds;
    }
  }
  c.lastReceiveMs = layer.nowMs;
  const window = (word & 0xffff) << c.sndScale;
  const grown = window > c.sndWnd;
  c.sndWnd = window;
  c.sndWl1 = seq;
  c.sndWl2 = ack;
  if (window > c.maxSndWnd) c.maxSndWnd = window;
  if (acked !== 0) acknowledge(layer, c, ack, tsEcr);
  else if (grown && c.sendQueue.bytes > 0) markReady(layer, c);
  if (payloadBytes > 0) deliver(layer, c, slot, offset + headerBytes, payloadBytes);
  else layer.pool.release(slot);
  return true;
}

/** Whether a payload at RCV.NXT can be handed on at once. */
function mayDeliver(c: TcpConnection, payloadBytes: number): boolean {
  return (
    payloadBytes <= ((c.rcvAdv - c.rcvNxt) | 0) &&
    c.reassembly === undefined &&
    c.rcvFin === 0 &&
    c.rcvShut === 0 &&
    c.orphan === 0
  );
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
  c.mayHaveUnread = 1;
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
