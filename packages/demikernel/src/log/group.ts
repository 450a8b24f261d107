// A group: records that leave in one durable write.
//
//   segment   … | group, durable | group being written | group being filled →
//               ^ block           ^ block               ^ block
//
// A group begins on a block boundary and is padded with zeros up to the next one: no write ever touches a block that holds
// a record somebody has been told is durable. However a write is torn, down to the byte and whatever the device leaves in
// the blocks it was at, it can harm only records of its own group, which nobody counts on yet. The price is, on average,
// half a block per group.
//
// The buffer is laid out as the segment is. Payloads that the store takes from where they lie leave holes in it, and the
// write is a list of pieces:
//
//   buffer    header | hole      | header, copied payload | hole      | padding
//   pieces    buffer , slice     , buffer                 , slice     , buffer

import type { ScatterGatherArray, Slice } from '@demikernel/memory';
import { GatherList } from '../runtime/gather-list.ts';
import { OperationList } from '../runtime/operation.ts';
import type { SegmentStore, StoreBuffer } from '../runtime/segment-store.ts';
import { crc32c } from './crc32c.ts';
import { RECORD_HEADER_BYTES, recordBytes, sealRecord, writeRecordHeader } from './record.ts';

/** Up to this length a loop is cheaper than the view that `set` wants, or not much dearer, and allocates nothing. */
const LOOP_COPY_BYTES = 1024;
/** Pieces of one write at most: what one page of a device's descriptors holds; beyond, payloads are copied. */
const MAX_PIECES = 256;

export class Group {
  readonly buffer: StoreBuffer;
  /** Empty when all lies in the buffer. */
  readonly pieces: GatherList;
  /** Operations that end when the group is durable. */
  readonly operations: OperationList;
  /** Where the group begins in its segment. */
  startOffset: number;
  /** Bytes filled. */
  filledBytes: number;
  records: number;
  private readonly store: SegmentStore;
  /** How far the pieces go. */
  private piecesEnd: number;
  /** The first piece of the record that is being placed. */
  private firstPiece: number;

  constructor(store: SegmentStore, lengthBytes: number) {
    this.buffer = store.makeBuffer(lengthBytes);
    this.pieces = new GatherList(MAX_PIECES);
    this.operations = new OperationList();
    this.startOffset = 0;
    this.filledBytes = 0;
    this.records = 0;
    this.store = store;
    this.piecesEnd = 0;
    this.firstPiece = 0;
  }

  begin(startOffset: number): void {
    this.startOffset = startOffset;
    this.filledBytes = 0;
    this.records = 0;
    this.piecesEnd = 0;
    this.firstPiece = 0;
  }

  hasRoom(payloadBytes: number): boolean {
    return this.filledBytes + recordBytes(payloadBytes) <= this.buffer.lengthBytes;
  }

  /** Where the next record's payload goes in the buffer. */
  get payloadOffset(): number {
    return this.filledBytes + RECORD_HEADER_BYTES;
  }

  /** Puts an array's bytes where the next payload goes, copied or by reference. Returns how many were copied. */
  placePayload(array: ScatterGatherArray): number {
    const { store } = this;
    let at = this.payloadOffset;
    let copied = 0;
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!;
      const { length } = slice;
      if (store.takes?.(slice, at) === true && this.pieces.count + 3 <= MAX_PIECES) this.refer(slice, at);
      else {
        this.copy(slice, at);
        copied += length;
      }
      at += length;
    }
    return copied;
  }

  private refer(slice: Slice, at: number): void {
    const { pieces, piecesEnd } = this;
    pieces.addBuffer(piecesEnd, at - piecesEnd);
    pieces.addSlice(slice.share());
    this.piecesEnd = at + slice.length;
  }

  /** The one copy on the way to the device. */
  private copy({ length, offset, pool }: Slice, at: number): void {
    const { region } = pool;
    if (length > LOOP_COPY_BYTES) {
      this.buffer.bytes.set(region.bytes.subarray(offset, offset + length), at);
      return;
    }
    const target = this.buffer.view;
    const source = region.view;
    let k = 0;
    for (; k + 4 <= length; k += 4) target.setInt32(at + k, source.getInt32(offset + k, true), true);
    for (; k < length; k++) target.setUint8(at + k, source.getUint8(offset + k));
  }

  /** Makes a record of the payload in place. */
  seal(payloadBytes: number, log: number, epoch: number, sequence: number, kind: number): void {
    const { buffer, filledBytes, records } = this;
    const header = writeRecordHeader(buffer, filledBytes, payloadBytes, log, epoch, sequence, kind, records);
    const payload = this.payloadOffset;
    sealRecord(buffer, filledBytes, this.checksum(payload, payload + payloadBytes, header));
    this.filledBytes += recordBytes(payloadBytes);
    this.records++;
  }

  /** Goes on with a checksum over a record's payload, wherever it lies. */
  private checksum(start: number, end: number, before: number): number {
    const { pieces } = this;
    const { bytes, words } = this.buffer;
    let at = start;
    let checksum = before;
    for (let i = this.firstPiece; i < pieces.count; i++) {
      const slice = pieces.slices[i];
      if (slice === undefined) {
        // Begins before the payload, with the header and what was copied before that.
        const pieceEnd = pieces.offsets[i]! + pieces.lengths[i]!;
        if (pieceEnd > at) checksum = crc32c(bytes, words, at, pieceEnd, checksum);
        if (pieceEnd > at) at = pieceEnd;
      } else {
        const { region } = slice.pool;
        const { length, offset } = slice;
        checksum = crc32c(region.bytes, region.words, offset, offset + length, checksum);
        at += length;
      }
    }
    this.firstPiece = pieces.count;
    return at < end ? crc32c(bytes, words, at, end, checksum) : checksum;
  }

  /** Fills up to whole blocks with zeros; returns the length in bytes. */
  pad(blockBytes: number): number {
    const { filledBytes, pieces, piecesEnd } = this;
    const lengthBytes = Math.ceil(filledBytes / blockBytes) * blockBytes;
    this.buffer.bytes.fill(0, filledBytes, lengthBytes);
    if (pieces.count > 0) pieces.addBuffer(piecesEnd, lengthBytes - piecesEnd);
    return lengthBytes;
  }

  /** The write is over, or will not be: memory that was referred to may go. */
  letGo(): void {
    this.records = 0;
    this.pieces.clear();
  }
}
