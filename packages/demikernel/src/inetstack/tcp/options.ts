// TCP options on the wire (RFC 9293 section 3.2, RFC 7323): read from hostile bytes, and written for our SYN segments.

import type { Segment } from './segment.ts';

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_WINDOW_SCALE = 3;
const OPTION_SACK_PERMITTED = 4;
const OPTION_TIMESTAMPS = 8;

/** Largest shift (RFC 7323 section 2.3). */
export const MAX_WINDOW_SCALE = 14;

/**
 * Reads the options we know into `segment`; the rest is skipped by its length. A length that leaves the header ends the
 * list: what was read before it counts (RFC 9293 3.1 wants no more of a receiver than to survive).
 */
export function parseOptions(segment: Segment, view: DataView, offset: number, lengthBytes: number): void {
  const end = offset + lengthBytes;
  let at = offset;
  while (at < end) {
    const kind = view.getUint8(at);
    if (kind === OPTION_END) return;
    if (kind === OPTION_NOP) {
      at++;
      continue;
    }
    if (at + 2 > end) return;
    const size = view.getUint8(at + 1);
    if (size < 2 || at + size > end) return;
    if (kind === OPTION_MSS && size === 4) segment.mss = view.getUint16(at + 2);
    else if (kind === OPTION_WINDOW_SCALE && size === 3) {
      const shift = view.getUint8(at + 2);
      segment.windowScale = Math.min(shift, MAX_WINDOW_SCALE);
    } else if (kind === OPTION_SACK_PERMITTED && size === 2) {
      segment.sackPermitted = 1;
    } else if (kind === OPTION_TIMESTAMPS && size === 10) {
      segment.hasTimestamps = 1;
      segment.tsVal = view.getInt32(at + 2);
      segment.tsEcr = view.getInt32(at + 6);
    }
    at += size;
  }
}

/** Bytes of options of a SYN with the given ones; a multiple of 4. */
export function synOptionBytes(windowScale: number, sack: boolean, timestamps: boolean): number {
  return 4 + (windowScale >= 0 ? 4 : 0) + (timestamps ? 12 : sack ? 4 : 0);
}

/** Writes the options of a SYN: MSS, window scale (-1 for none), SACK permitted (RFC 2018 section 2), timestamps. */
export function writeSynOptions(
  view: DataView,
  offset: number,
  mss: number,
  windowScale: number,
  sack: boolean,
  timestamps: boolean,
  tsVal: number,
  tsEcr: number,
): void {
  let at = offset;
  view.setInt32(at, (OPTION_MSS << 24) | (4 << 16) | mss);
  at += 4;
  if (windowScale >= 0) {
    view.setInt32(at, (OPTION_NOP << 24) | (OPTION_WINDOW_SCALE << 16) | (3 << 8) | windowScale);
    at += 4;
  }
  const permitted = sack
    ? (OPTION_SACK_PERMITTED << 24) | (2 << 16)
    : (OPTION_NOP << 24) | (OPTION_NOP << 16);
  if (sack && !timestamps) view.setInt32(at, permitted | (OPTION_NOP << 8) | OPTION_NOP);
  if (timestamps) {
    view.setInt32(at, permitted | (OPTION_TIMESTAMPS << 8) | 10);
    view.setInt32(at + 4, tsVal);
    view.setInt32(at + 8, tsEcr);
  }
}
