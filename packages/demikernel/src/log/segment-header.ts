// What a segment says of itself, twice, in front of its records.

import type { StoreBuffer } from '../runtime/segment-store.ts';
import { crc32c } from './crc32c.ts';
import { RECORD_HEADER_BYTES } from './record.ts';

/*
 *   0  checksum            CRC-32C of bytes 4 … 63
 *   4  "demikernel log 1"
 *  20  log                 random, the same in every segment and record of a log
 *  24  epoch               in which the segment joined the log
 *  28  block bytes         what groups are aligned to
 *  32  segment bytes
 *  36  largest payload
 *  40  number              64 bits: its place in the log
 *  48  first sequence      64 bits: of its first record
 *  56  start               64 bits: where the log began when the segment joined it
 */
const HEADER_BYTES = 64;
const MAGIC = new TextEncoder().encode('demikernel log 1');
/** The second copy: on another page, for whoever loses pages. */
const COPY_OFFSET = 4096;
/** Records begin here, whatever the block size. */
export const SEGMENT_HEADER_BYTES = 8192;

/** Blocks at a segment's end that only marks may use, so that a log on a full device can still be truncated. */
export const MARK_BLOCKS = 16;

/** The largest payload for which an empty segment has room. */
export function largestFitting(segmentBytes: number, blockBytes: number): number {
  return segmentBytes - SEGMENT_HEADER_BYTES - MARK_BLOCKS * blockBytes - 2 * RECORD_HEADER_BYTES;
}

export interface SegmentHeader {
  log: number;
  epoch: number;
  blockBytes: number;
  segmentBytes: number;
  largestPayloadBytes: number;
  number: number;
  firstSequence: number;
  startPosition: number;
}

/** Fills the first `SEGMENT_HEADER_BYTES` of a buffer. */
export function writeSegmentHeader(buffer: StoreBuffer, header: SegmentHeader): void {
  const { bytes, view, words } = buffer;
  bytes.fill(0, 0, SEGMENT_HEADER_BYTES);
  bytes.set(MAGIC, 4);
  view.setInt32(20, header.log, true);
  view.setInt32(24, header.epoch, true);
  view.setInt32(28, header.blockBytes, true);
  view.setInt32(32, header.segmentBytes, true);
  view.setInt32(36, header.largestPayloadBytes, true);
  view.setBigUint64(40, BigInt(header.number), true);
  view.setBigUint64(48, BigInt(header.firstSequence), true);
  view.setBigUint64(56, BigInt(header.startPosition), true);
  view.setInt32(0, crc32c(bytes, words, 4, HEADER_BYTES), true);
  bytes.copyWithin(COPY_OFFSET, 0, HEADER_BYTES);
}

/** The header in the first `SEGMENT_HEADER_BYTES` of a buffer; `undefined` when neither copy is whole. */
export function readSegmentHeader(buffer: StoreBuffer): SegmentHeader | undefined {
  return readCopy(buffer, 0) ?? readCopy(buffer, COPY_OFFSET);
}

function readCopy({ bytes, view, words }: StoreBuffer, at: number): SegmentHeader | undefined {
  if (crc32c(bytes, words, at + 4, at + HEADER_BYTES) !== view.getInt32(at, true)) return undefined;
  for (let i = 0; i < MAGIC.length; i++) if (bytes[at + 4 + i] !== MAGIC[i]) return undefined;
  return {
    log: view.getInt32(at + 20, true),
    epoch: view.getInt32(at + 24, true),
    blockBytes: view.getInt32(at + 28, true),
    segmentBytes: view.getInt32(at + 32, true),
    largestPayloadBytes: view.getInt32(at + 36, true),
    number: Number(view.getBigUint64(at + 40, true)),
    firstSequence: Number(view.getBigUint64(at + 48, true)),
    startPosition: Number(view.getBigUint64(at + 56, true)),
  };
}
