// Finding the last whole record of a segment, and telling a torn end from damage in the middle. Pure: bytes in, verdict out.

import type { StoreBuffer } from '../runtime/segment-store.ts';
import { NO_RECORD, RecordView, ROLLED, readRecord, TRUNCATED, WHOLE } from './record.ts';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from './segment-header.ts';

/**
 * What a segment holds.
 *
 * Groups begin on a block boundary, and one is written only when the one before is durable. So what is missing at the end
 * is at most one group, which nobody has been told about; and when a whole group *begins* behind a hole, the hole is
 * damage: that group would not have been written before what is missing was durable.
 */
export interface SegmentScan {
  /** Sequence number that the next record must have. */
  nextSequence: number;
  /** Epoch of the last record. */
  epoch: number;
  /** Offset of the first block behind the last whole record. */
  end: number;
  /** Records found. */
  records: number;
  /** The log goes on in the next segment. */
  rolled: boolean;
  /** Groups begin behind a hole. */
  damaged: boolean;
  /** Where the last truncation mark says that the log begins; -1 when there is none. */
  startPosition: number;
}

/** Goes through the records of a whole segment in `buffer`. */
export function scanSegment(buffer: StoreBuffer, header: SegmentHeader): SegmentScan {
  const { log, segmentBytes, largestPayloadBytes, blockBytes } = header;
  const limit = Math.min(segmentBytes, buffer.lengthBytes);
  const record = new RecordView();
  const scan: SegmentScan = {
    nextSequence: header.firstSequence,
    epoch: header.epoch,
    end: SEGMENT_HEADER_BYTES,
    records: 0,
    rolled: false,
    damaged: false,
    startPosition: -1,
  };
  let at = SEGMENT_HEADER_BYTES;
  while (at < limit && !scan.rolled) {
    const verdict = readRecord(record, buffer, at, limit, log, largestPayloadBytes);
    if (verdict === WHOLE && record.sequence === scan.nextSequence && record.epoch >= scan.epoch) {
      scan.nextSequence++;
      scan.epoch = record.epoch;
      scan.records++;
      scan.rolled = record.kind === ROLLED;
      if (record.kind === TRUNCATED) {
        scan.startPosition = Math.max(scan.startPosition, buffer.view.getFloat64(record.payload, true));
      }
      at = record.end;
      scan.end = nextBlock(at, blockBytes);
    } else if (at % blockBytes !== 0) {
      at = nextBlock(at, blockBytes); // behind a group lies padding, whatever its bytes
    } else break;
  }
  scan.damaged = !scan.rolled && groupBeginsIn(buffer, header, scan, nextBlock(at, blockBytes));
  return scan;
}

/** Whether a group later than the scan's last record begins on a block boundary from `from` on. */
export function groupBeginsIn(
  buffer: StoreBuffer,
  header: SegmentHeader,
  scan: SegmentScan,
  from: number = SEGMENT_HEADER_BYTES,
): boolean {
  const { blockBytes, largestPayloadBytes, log } = header;
  const limit = Math.min(header.segmentBytes, buffer.lengthBytes);
  const record = new RecordView();
  for (let at = from; at < limit; at += blockBytes) {
    const verdict = readRecord(record, buffer, at, limit, log, largestPayloadBytes);
    if (verdict === NO_RECORD || verdict !== WHOLE) continue;
    if (record.inGroup === 0 && record.sequence > scan.nextSequence && record.epoch >= scan.epoch)
      return true;
  }
  return false;
}

/** The first block boundary at or behind an offset. */
export function nextBlock(offset: number, blockBytes: number): number {
  return Math.ceil(offset / blockBytes) * blockBytes;
}
