// Records as they lie in a log: a header of 32 bytes, the payload, zeros up to eight bytes. Which record may follow which
// is decided here, too; where records lie in segments and groups is not: scan.ts, group.ts.

import type { StoreBuffer } from '../runtime/segment-store.ts';
import { crc32c } from './crc32c.ts';

/*
 *   0  checksum   CRC-32C of everything from byte 4 to the payload's end
 *   4  length     of the payload
 *   8  log        which log: a random number from its first segment header
 *  12  epoch      how often the log had been opened
 *  16  sequence   64 bits, one more for every record, marks included
 *  24  kind       DATA, or one of the log's own marks
 *  28  in group   how many records of its group stand before it
 *
 * Stale bytes, of a recycled segment's earlier life or of a write that a crash cut short, carry a sequence number that has
 * been, or an epoch that is over, so that they are never taken for what should follow.
 */
export const RECORD_HEADER_BYTES = 32;
const CHECKSUM = 0;
const LENGTH = 4;
const LOG = 8;
const EPOCH = 12;
const SEQUENCE = 16;
const KIND = 24;
const IN_GROUP = 28;

/** A record of the application's. */
export const DATA = 1;
/** The log was opened: begins an epoch. */
export const OPENED = 2;
/** Everything before a position, the payload, is dropped. */
export const TRUNCATED = 3;
/** The log goes on in the next segment. */
export const ROLLED = 4;
/** The log was closed in good order: nothing behind is missing. */
export const CLOSED = 5;

const TWO_32 = 0x1_0000_0000;

/** Bytes a record takes in the log. */
export function recordBytes(payloadBytes: number): number {
  return (RECORD_HEADER_BYTES + payloadBytes + 7) & ~7;
}

/** Where a record lies, and what its header says. One object, filled again and again. */
export class RecordView {
  offset: number;
  lengthBytes: number;
  epoch: number;
  sequence: number;
  kind: number;
  inGroup: number;

  constructor() {
    this.offset = 0;
    this.lengthBytes = 0;
    this.epoch = 0;
    this.sequence = 0;
    this.kind = 0;
    this.inGroup = 0;
  }

  /** Offset of the payload. */
  get payload(): number {
    return this.offset + RECORD_HEADER_BYTES;
  }

  /** Offset behind the record. */
  get end(): number {
    return this.offset + recordBytes(this.lengthBytes);
  }
}

/** Writes the header of a record, without its checksum, and the zeros behind it; returns the checksum of what is written. */
export function writeRecordHeader(
  buffer: StoreBuffer,
  offset: number,
  lengthBytes: number,
  log: number,
  epoch: number,
  sequence: number,
  kind: number,
  inGroup: number,
): number {
  const { bytes, view } = buffer;
  const end = offset + RECORD_HEADER_BYTES + lengthBytes;
  for (let at = end; (at & 7) !== 0; at++) bytes[at] = 0;
  view.setInt32(offset + LENGTH, lengthBytes, true);
  view.setInt32(offset + LOG, log, true);
  view.setInt32(offset + EPOCH, epoch, true);
  const high = Math.floor(sequence / TWO_32);
  view.setUint32(offset + SEQUENCE, sequence - high * TWO_32, true);
  view.setUint32(offset + SEQUENCE + 4, high, true);
  view.setInt32(offset + KIND, kind, true);
  view.setInt32(offset + IN_GROUP, inGroup, true);
  return crc32c(bytes, buffer.words, offset + LENGTH, offset + RECORD_HEADER_BYTES);
}

/** @param checksum the header's, gone on with over the payload */
export function sealRecord(buffer: StoreBuffer, offset: number, checksum: number): void {
  buffer.view.setInt32(offset + CHECKSUM, checksum, true);
}

/** The record at `offset` is whole. */
export const WHOLE = 0;
/** There is none, or its bytes are not what was written. */
export const NO_RECORD = 1;
/** The buffer ends before the record does; `into.lengthBytes` says how long it would be. */
export const NEEDS_MORE = 2;

/**
 * Reads the record at `offset` (a multiple of eight) of `buffer`, of which `limit` bytes are filled, into `into`.
 *
 * `most` is the largest payload there can be: nothing longer is believed, or waited for.
 */
export function readRecord(
  into: RecordView,
  buffer: StoreBuffer,
  offset: number,
  limit: number,
  log: number,
  most: number,
): number {
  if (offset + RECORD_HEADER_BYTES > limit) return NEEDS_MORE;
  const { view } = buffer;
  const lengthBytes = view.getInt32(offset + LENGTH, true);
  if (view.getInt32(offset + LOG, true) !== log || lengthBytes < 0 || lengthBytes > most) return NO_RECORD;
  into.offset = offset;
  into.lengthBytes = lengthBytes;
  const end = offset + RECORD_HEADER_BYTES + lengthBytes;
  if (end > limit) return NEEDS_MORE;
  if (crc32c(buffer.bytes, buffer.words, offset + LENGTH, end) !== view.getInt32(offset + CHECKSUM, true))
    return NO_RECORD;
  into.epoch = view.getInt32(offset + EPOCH, true);
  into.sequence =
    view.getUint32(offset + SEQUENCE + 4, true) * TWO_32 + view.getUint32(offset + SEQUENCE, true);
  into.kind = view.getInt32(offset + KIND, true);
  into.inGroup = view.getInt32(offset + IN_GROUP, true);
  return WHOLE;
}
