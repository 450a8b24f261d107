// Segments leave here: headers, options, window and checksum are written, the frame goes to the device.
// Which segment, and when, is transmit.ts.

import { foldChecksum, foldSum, pseudoHeaderSum, sumBytes, swapSum } from '../checksum.ts';
import { LINK_HEADERS_BYTES } from '../ipv4/output.ts';
import type { Route } from '../ipv4/route.ts';
import type { TcpConnection } from './connection.ts';
import { count, NO_SLOT, SENT } from './counters.ts';
import { synOptionBytes, writeSynOptions } from './options.ts';
import {
  ACK,
  IPPROTO_TCP,
  type Segment,
  SYN,
  TCP_CHECKSUM_OFFSET,
  TCP_HEADER_BYTES,
  TIMESTAMP_BYTES,
  TIMESTAMP_WORD,
} from './segment.ts';
import type { TcpLayer } from './tcp-layer.ts';

/** Where the payload of a segment comes from. */
export const PAYLOAD_NONE = 0;
/** The transmission position of the send queue, which moves forward. */
export const PAYLOAD_NEXT = 1;
/** The oldest bytes of the send queue. */
export const PAYLOAD_HEAD = 2;

/**
 * Sends one segment of an established connection.
 *
 * @returns false when no slot was free; nothing has changed then
 */
export function emitSegment(
  layer: TcpLayer,
  c: TcpConnection,
  seq: number,
  flags: number,
  payload: number,
  length: number,
): boolean {
  const plainBytes = c.tsEnabled !== 0 ? TCP_HEADER_BYTES + TIMESTAMP_BYTES : TCP_HEADER_BYTES;
  // Only bare acknowledgements tell of holes, so that the size of full segments stays what it is.
  const sackBytes =
    length === 0 && c.reassembly !== undefined && c.sackEnabled !== 0 ? layer.sackBlocks.collect(c) : 0;
  const headerBytes = plainBytes + sackBytes;
  const start =
    payload === PAYLOAD_NONE
      ? layer.builder.bare(LINK_HEADERS_BYTES + headerBytes)
      : openWithPayload(layer, c, seq, headerBytes, payload, length);
  if (start < 0) {
    count(layer.counters, NO_SLOT);
    return false;
  }
  if (payload === PAYLOAD_NEXT) c.sendQueue.skip(length);
  const view = layer.view;
  const at = start + LINK_HEADERS_BYTES;
  const window = advertiseWindow(layer, c);
  const ack = c.rcvNxt;
  const word = (headerBytes << 26) | (flags << 16) | window;
  view.setInt32(at, c.ports);
  view.setInt32(at + 4, seq);
  view.setInt32(at + 8, ack);
  view.setInt32(at + 12, word);
  view.setInt32(at + 16, 0);
  // The words are at hand: summing them here is cheaper than reading them back.
  let sum =
    c.pseudoSum +
    headerBytes +
    length +
    (c.ports >>> 16) +
    (c.ports & 0xffff) +
    (seq >>> 16) +
    (seq & 0xffff) +
    (ack >>> 16) +
    (ack & 0xffff) +
    (word >>> 16) +
    window;
  if (c.tsEnabled !== 0) {
    const tsVal = (layer.nowMs + c.tsOffset) | 0;
    const tsEcr = c.tsRecent;
    view.setInt32(at + 20, TIMESTAMP_WORD);
    view.setInt32(at + 24, tsVal);
    view.setInt32(at + 28, tsEcr);
    sum +=
      (TIMESTAMP_WORD >>> 16) +
      (TIMESTAMP_WORD & 0xffff) +
      (tsVal >>> 16) +
      (tsVal & 0xffff) +
      (tsEcr >>> 16) +
      (tsEcr & 0xffff);
  }
  if (sackBytes > 0) sum += layer.sackBlocks.write(view, at + plainBytes);
  finish(layer, c.route, start, headerBytes, length, sum, c.pseudoSum + headerBytes + length);
  c.ackNow = 0;
  c.ackDelayed = 0;
  c.unackedBytes = 0;
  c.unackedSegments = 0;
  c.lastAckSent = ack;
  return true;
}

/** Builds a frame around bytes of the send queue; where its headers go, or -1. */
function openWithPayload(
  layer: TcpLayer,
  c: TcpConnection,
  seq: number,
  headerBytes: number,
  payload: number,
  length: number,
): number {
  const builder = layer.builder;
  builder.open(LINK_HEADERS_BYTES + headerBytes, length, seq === c.sndMax);
  if (payload === PAYLOAD_NEXT) c.sendQueue.addNext(builder, length);
  else if (payload === PAYLOAD_HEAD) c.sendQueue.addHead(builder, length);
  return builder.close();
}

/** The window field of the next segment; moves the advertised edge (RFC 9293 section 3.8.6.2.2). */
function advertiseWindow(layer: TcpLayer, c: TcpConnection): number {
  // Nothing that comes would be kept. What was offered is taken back for this moment only: `rcvAdv` stays.
  if (layer.pool.freeSlots < layer.floorSlots) return 0;
  const gain = windowGain(layer, c);
  const half = c.receiveBufferBytes >> 1;
  let window = (c.rcvAdv - c.rcvNxt) | 0;
  if (gain >= Math.min(c.mss, half)) window = (window + gain) | 0;
  if (window < 0) window = 0;
  // Rounded up, so that the right edge never moves back.
  const scale = c.rcvScale;
  let field = (window + (1 << scale) - 1) >> scale;
  if (field > 0xffff) field = 0xffff;
  const edge = (c.rcvNxt + (field << scale)) | 0;
  if (((edge - c.rcvAdv) | 0) > 0) c.rcvAdv = edge;
  return field;
}

/** Bytes by which the window could be opened beyond what was advertised. */
export function windowGain(layer: TcpLayer, c: TcpConnection): number {
  const unread = c.mayHaveUnread === 0 ? 0 : c.receiveQueue.bytes;
  // A pool that runs dry closes windows; what is advertised already stays valid.
  if (unread > 0 && layer.pool.freeSlots < layer.lowSlots) return 0;
  const space = (c.receiveBufferBytes - unread) | 0;
  return (c.rcvNxt + space - c.rcvAdv) | 0;
}

/** Sends a SYN or a SYN-ACK with its options (RFC 9293 3.7.1, RFC 7323 2 and 3.2). */
export function emitSyn(layer: TcpLayer, c: TcpConnection, flags: number): boolean {
  const optionBytes = synOptionBytes(
    c.wsEnabled !== 0 ? c.rcvScale : -1,
    c.sackEnabled !== 0,
    c.tsEnabled !== 0,
  );
  const headerBytes = TCP_HEADER_BYTES + optionBytes;
  const start = layer.builder.bare(LINK_HEADERS_BYTES + headerBytes);
  if (start < 0) {
    count(layer.counters, NO_SLOT);
    return false;
  }
  const view = layer.view;
  const at = start + LINK_HEADERS_BYTES;
  // The window of a SYN is never scaled (RFC 7323 section 2.2).
  const window = Math.min(c.receiveBufferBytes, 0xffff);
  const ack = (flags & ACK) !== 0 ? c.rcvNxt : 0;
  view.setInt32(at, c.ports);
  view.setInt32(at + 4, c.iss);
  view.setInt32(at + 8, ack);
  view.setInt32(at + 12, (headerBytes << 26) | (flags << 16) | window);
  view.setInt32(at + 16, 0);
  writeSynOptions(
    view,
    at + TCP_HEADER_BYTES,
    layer.advertisedMss(c.route),
    c.wsEnabled !== 0 ? c.rcvScale : -1,
    c.sackEnabled !== 0,
    c.tsEnabled !== 0,
    (layer.nowMs + c.tsOffset) | 0,
    (flags & ACK) !== 0 ? c.tsRecent : 0,
  );
  const pseudo = c.pseudoSum + headerBytes;
  finish(layer, c.route, start, headerBytes, 0, sumBytes(view, at, headerBytes, pseudo), pseudo);
  if ((flags & ACK) !== 0) {
    c.rcvAdv = (c.rcvNxt + window) | 0;
    c.lastAckSent = ack;
    c.ackNow = 0;
  }
  return true;
}

/** Sends a segment that no connection stands behind: RST, or the last acknowledgement of a TIME-WAIT. */
export function emitBare(
  layer: TcpLayer,
  route: Route,
  ports: number,
  seq: number,
  ack: number,
  flags: number,
): boolean {
  const start = layer.builder.bare(LINK_HEADERS_BYTES + TCP_HEADER_BYTES);
  if (start < 0) {
    count(layer.counters, NO_SLOT);
    return false;
  }
  const view = layer.view;
  const at = start + LINK_HEADERS_BYTES;
  view.setInt32(at, ports);
  view.setInt32(at + 4, seq);
  view.setInt32(at + 8, ack);
  view.setInt32(at + 12, (TCP_HEADER_BYTES << 26) | (flags << 16));
  view.setInt32(at + 16, 0);
  const { source, destination } = route;
  const pseudo =
    (source >>> 16) +
    (source & 0xffff) +
    (destination >>> 16) +
    (destination & 0xffff) +
    IPPROTO_TCP +
    TCP_HEADER_BYTES;
  finish(layer, route, start, TCP_HEADER_BYTES, 0, sumBytes(view, at, TCP_HEADER_BYTES, pseudo), pseudo);
  return true;
}

/**
 * Sends the SYN-ACK of a connection that does not exist yet: everything there is to know about it is in the segment that it
 * answers, and in `iss` and `tsVal`.
 *
 * @param windowScale our scale; -1 for none
 */
export function emitCookie(
  layer: TcpLayer,
  route: Route,
  s: Segment,
  iss: number,
  window: number,
  windowScale: number,
  sack: boolean,
  tsVal: number,
): boolean {
  const timestamps = tsVal !== 0;
  const headerBytes = TCP_HEADER_BYTES + synOptionBytes(windowScale, sack, timestamps);
  const start = layer.builder.bare(LINK_HEADERS_BYTES + headerBytes);
  if (start < 0) {
    count(layer.counters, NO_SLOT);
    return false;
  }
  const view = layer.view;
  const at = start + LINK_HEADERS_BYTES;
  view.setInt32(at, (s.destinationPort << 16) | s.sourcePort);
  view.setInt32(at + 4, iss);
  view.setInt32(at + 8, (s.seq + 1) | 0);
  view.setInt32(at + 12, (headerBytes << 26) | ((SYN | ACK) << 16) | window);
  view.setInt32(at + 16, 0);
  const mss = layer.advertisedMss(route);
  writeSynOptions(view, at + TCP_HEADER_BYTES, mss, windowScale, sack, timestamps, tsVal, s.tsVal);
  const pseudo = pseudoHeaderSum(route.source, route.destination, IPPROTO_TCP, headerBytes);
  finish(layer, route, start, headerBytes, 0, sumBytes(view, at, headerBytes, pseudo), pseudo);
  return true;
}

/** Checksum, lower headers, device. `sum` covers pseudo header and header; `pseudo` only the first. */
function finish(
  layer: TcpLayer,
  route: Route,
  start: number,
  headerBytes: number,
  length: number,
  sum: number,
  pseudo: number,
): void {
  const view = layer.view;
  const frame = layer.builder.frame;
  const at = start + LINK_HEADERS_BYTES;
  if (layer.transmitChecksum) {
    frame.checksumStart = LINK_HEADERS_BYTES;
    frame.checksumOffset = TCP_CHECKSUM_OFFSET;
    view.setUint16(at + TCP_CHECKSUM_OFFSET, foldSum(pseudo));
  } else {
    if (length > 0)
      sum = frame.count === 1 ? sumBytes(view, at + headerBytes, length, sum) : sumPieces(layer, sum);
    view.setUint16(at + TCP_CHECKSUM_OFFSET, foldChecksum(sum));
  }
  layer.output.writeHeaders(start, route, IPPROTO_TCP, headerBytes + length);
  layer.device.transmit(frame);
  count(layer.counters, SENT);
}

/** Adds the payload of a gathered frame, whose pieces may begin at odd places of the segment. */
function sumPieces(layer: TcpLayer, sum: number): number {
  const frame = layer.builder.frame;
  let odd = 0;
  for (let i = 1; i < frame.count; i++) {
    const length = frame.length[i]!;
    const piece = foldSum(sumBytes(layer.view, frame.offset[i]!, length, 0));
    sum += odd === 0 ? piece : swapSum(piece);
    odd ^= length & 1;
  }
  return sum;
}
