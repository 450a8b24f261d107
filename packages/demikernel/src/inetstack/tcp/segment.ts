// TCP segments on the wire (RFC 9293 section 3.1): where the fields lie, and the parser. It knows no connection.

import { parseOptions } from './options.ts';

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;
/** All of these; the rest of the octet is ECN's (RFC 3168). */
export const FLAGS = 0x3f;

/** Bytes of a header without options. */
export const TCP_HEADER_BYTES = 20;
/** Offset of the checksum field in the header. */
export const TCP_CHECKSUM_OFFSET = 16;
export const IPPROTO_TCP = 6;

/** NOP NOP timestamps(10): the layout every stack sends (RFC 7323 appendix A), recognised as one word. */
export const TIMESTAMP_WORD = 0x0101080a;
/** Bytes that the timestamps option takes, padding included. */
export const TIMESTAMP_BYTES = 12;

/** `Segment.windowScale` when the option is absent. */
export const NO_WINDOW_SCALE = -1;

/** A parsed segment. One per layer, reused: every field is an int32. */
export class Segment {
  sourcePort: number;
  destinationPort: number;
  seq: number;
  ack: number;
  flags: number;
  /** The window field as sent, unscaled. */
  window: number;
  /** Offset of the payload in the region. */
  payloadOffset: number;
  payloadBytes: number;
  /** 1 when the timestamps option is there. */
  hasTimestamps: number;
  tsVal: number;
  tsEcr: number;
  /** Value of the MSS option; 0 when absent. */
  mss: number;
  /** Value of the window scale option, cut to 14; {@link NO_WINDOW_SCALE} when absent. */
  windowScale: number;
  /** 1 when the SACK-permitted option is there. */
  sackPermitted: number;

  constructor() {
    this.sourcePort = 0;
    this.destinationPort = 0;
    this.seq = 0;
    this.ack = 0;
    this.flags = 0;
    this.window = 0;
    this.payloadOffset = 0;
    this.payloadBytes = 0;
    this.hasTimestamps = 0;
    this.tsVal = 0;
    this.tsEcr = 0;
    this.mss = 0;
    this.windowScale = NO_WINDOW_SCALE;
    this.sackPermitted = 0;
  }
}

/**
 * Reads the header at `offset` of `view` into `segment`.
 *
 * @param lengthBytes header and payload together
 * @returns false when the header does not fit in it
 */
export function parseSegment(segment: Segment, view: DataView, offset: number, lengthBytes: number): boolean {
  if (lengthBytes < TCP_HEADER_BYTES) return false;
  const word = view.getUint16(offset + 12);
  const headerBytes = (word >>> 12) << 2;
  if (headerBytes < TCP_HEADER_BYTES || headerBytes > lengthBytes) return false;
  segment.sourcePort = view.getUint16(offset);
  segment.destinationPort = view.getUint16(offset + 2);
  segment.seq = view.getInt32(offset + 4);
  segment.ack = view.getInt32(offset + 8);
  segment.flags = word & FLAGS;
  segment.window = view.getUint16(offset + 14);
  segment.payloadOffset = offset + headerBytes;
  segment.payloadBytes = lengthBytes - headerBytes;
  segment.mss = 0;
  segment.windowScale = NO_WINDOW_SCALE;
  segment.sackPermitted = 0;
  if (
    headerBytes === TCP_HEADER_BYTES + TIMESTAMP_BYTES &&
    view.getInt32(offset + TCP_HEADER_BYTES) === TIMESTAMP_WORD
  ) {
    segment.hasTimestamps = 1;
    segment.tsVal = view.getInt32(offset + TCP_HEADER_BYTES + 4);
    segment.tsEcr = view.getInt32(offset + TCP_HEADER_BYTES + 8);
    return true;
  }
  segment.hasTimestamps = 0;
  segment.tsVal = 0;
  segment.tsEcr = 0;
  if (headerBytes > TCP_HEADER_BYTES) {
    parseOptions(segment, view, offset + TCP_HEADER_BYTES, headerBytes - TCP_HEADER_BYTES);
  }
  return true;
}

/** Sequence space a segment takes: its payload, and one each for SYN and FIN. */
export function segmentLength(segment: Segment): number {
  return segment.payloadBytes + ((segment.flags >> 1) & 1) + (segment.flags & 1);
}
