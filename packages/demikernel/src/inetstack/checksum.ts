// The Internet checksum (RFC 1071) over bytes of a region. Where the field lies in a header is the headers' business.

import type { Frame } from '../runtime/packet-device.ts';

/**
 * Adds `length` bytes at `offset` to a partial sum, as big-endian 16-bit words.
 *
 * Pieces chain: pass the result of one as `sum` of the next. Every piece but the last must have an even length; an odd
 * last byte counts as the high half of a word (RFC 1071 section 4.1). For an odd piece in the middle, swap the bytes of
 * the partial sum of what follows it: see {@link swapSum}.
 *
 * @param length at most 65535
 * @param sum result of an earlier call, or 0
 * @returns a partial sum of at most 18 bits
 */
export function sumBytes(view: DataView, offset: number, length: number, sum: number): number {
  // `high` adds the upper halves of 32-bit words, `whole` the words modulo 2^32; what is left of `whole` without `high` are
  // the lower halves. Neither half leaves 2^30 for 64 KiB, so that int32 arithmetic is exact.
  let high = 0;
  let whole = 0;
  let at = offset;
  const unrolledEnd = offset + (length & ~31);
  while (at < unrolledEnd) {
    const a = view.getInt32(at);
    const b = view.getInt32(at + 4);
    const c = view.getInt32(at + 8);
    const d = view.getInt32(at + 12);
    const e = view.getInt32(at + 16);
    const f = view.getInt32(at + 20);
    const g = view.getInt32(at + 24);
    const h = view.getInt32(at + 28);
    high = (high + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16)) | 0;
    high = (high + (e >>> 16) + (f >>> 16) + (g >>> 16) + (h >>> 16)) | 0;
    whole = (whole + ((a + b) | 0) + ((c + d) | 0)) | 0;
    whole = (whole + ((e + f) | 0) + ((g + h) | 0)) | 0;
    at += 32;
  }
  // No loop over the rest: a header has no more than this, and the branches are the same every time.
  let left = length & 31;
  if (left >= 16) {
    const a = view.getInt32(at);
    const b = view.getInt32(at + 4);
    const c = view.getInt32(at + 8);
    const d = view.getInt32(at + 12);
    high = (high + (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16)) | 0;
    whole = (whole + ((a + b) | 0) + ((c + d) | 0)) | 0;
    at += 16;
    left -= 16;
  }
  if (left >= 8) {
    const a = view.getInt32(at);
    const b = view.getInt32(at + 4);
    high = (high + (a >>> 16) + (b >>> 16)) | 0;
    whole = (whole + ((a + b) | 0)) | 0;
    at += 8;
    left -= 8;
  }
  if (left >= 4) {
    const word = view.getInt32(at);
    high = (high + (word >>> 16)) | 0;
    whole = (whole + word) | 0;
    at += 4;
    left -= 4;
  }
  let low = (whole - (high << 16) + sum) | 0;
  if (left >= 2) {
    low = (low + view.getUint16(at)) | 0;
    at += 2;
    left -= 2;
  }
  if (left > 0) low = (low + (view.getUint8(at) << 8)) | 0;
  return (high & 0xffff) + (high >>> 16) + (low & 0xffff) + (low >>> 16);
}

/** The value of a checksum field: the partial sum folded to 16 bits and complemented. */
export function foldChecksum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return ~(once + (once >>> 16)) & 0xffff;
}

/** A partial sum folded to 16 bits, not complemented: what a device that finishes checksums wants in the field. */
export function foldSum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once + (once >>> 16)) & 0xffff;
}

/** The partial sum of the same bytes moved by one: byte swap commutes with the sum (RFC 1071 section 2B). */
export function swapSum(sum: number): number {
  const folded = foldSum(sum);
  return ((folded & 0xff) << 8) | (folded >>> 8);
}

/** Partial sum of the pseudo header of UDP and TCP over IPv4 (RFC 768, RFC 9293 section 3.1). */
export function pseudoHeaderSum(
  source: number,
  destination: number,
  protocol: number,
  lengthBytes: number,
): number {
  const sum =
    (source >>> 16) +
    (source & 0xffff) +
    (destination >>> 16) +
    (destination & 0xffff) +
    protocol +
    (lengthBytes & 0xffff);
  return (sum & 0xffff) + (sum >>> 16);
}

/**
 * Partial sum of a frame's bytes from `start` on, over all its segments.
 *
 * @param start offset from the frame's first byte, within its first segment
 */
export function sumFrame(view: DataView, frame: Frame, start: number, sum: number): number {
  const first = frame.length[0]! - start;
  let total = sumBytes(view, frame.offset[0]! + start, first, sum);
  let odd = first & 1;
  for (let i = 1; i < frame.count; i++) {
    const length = frame.length[i]!;
    if (odd === 0) total = sumBytes(view, frame.offset[i]!, length, total);
    else total += swapSum(sumBytes(view, frame.offset[i]!, length, 0));
    odd ^= length & 1;
  }
  return foldSum(total);
}
