// A group: records that leave in one durable write.
//
//   segment   … | group, durable | group being written | group being filled →
//               ^ block           ^ block               ^ block
//
// A group begins on a block boundary and is padded with zeros up to the next one: no write ever touches a block that holds
// a record somebody has been told is durable. However a write is torn, down to the byte and whatever the device leaves in
// the blocks it was at, it can harm only records of its own group, which nobody counts on yet. The price is, on average,
// half a block per group.

import type { ScatterGatherArray } from '@demikernel/memory';
import { OperationList } from '../runtime/operation.ts';
import type { StoreBuffer } from '../runtime/segment-store.ts';
import { RECORD_HEADER_BYTES, recordBytes, sealRecord } from './record.ts';

/** Payloads up to this length are copied by a loop: `set` with a `subarray` costs more. */
const LOOP_COPY_BYTES = 48;

export class Group {
  readonly buffer: StoreBuffer;
  /** Operations that end when the group is durable. */
  readonly operations: OperationList;
  /** Where the group begins in its segment. */
  startOffset: number;
  /** Bytes filled. */
  filledBytes: number;
  records: number;

  constructor(buffer: StoreBuffer) {
    this.buffer = buffer;
    this.operations = new OperationList();
    this.startOffset = 0;
    this.filledBytes = 0;
    this.records = 0;
  }

  begin(startOffset: number): void {
    this.startOffset = startOffset;
    this.filledBytes = 0;
    this.records = 0;
  }

  hasRoom(payloadBytes: number): boolean {
    return this.filledBytes + recordBytes(payloadBytes) <= this.buffer.lengthBytes;
  }

  /** Where the next record's payload goes in the buffer. */
  get payloadOffset(): number {
    return this.filledBytes + RECORD_HEADER_BYTES;
  }

  /** Copies an array's bytes to where the next payload goes: the one copy on the way to the device. */
  copyPayload(array: ScatterGatherArray): void {
    const { bytes } = this.buffer;
    let at = this.payloadOffset;
    for (let i = 0; i < array.count; i++) {
      const slice = array.segments[i]!;
      const { length, offset } = slice;
      const source = slice.pool.region.bytes;
      if (length <= LOOP_COPY_BYTES) for (let k = 0; k < length; k++) bytes[at + k] = source[offset + k]!;
      else bytes.set(source.subarray(offset, offset + length), at);
      at += length;
    }
  }

  /** Makes a record of the payload in place. */
  seal(payloadBytes: number, log: number, epoch: number, sequence: number, kind: number): void {
    sealRecord(this.buffer, this.filledBytes, payloadBytes, log, epoch, sequence, kind, this.records);
    this.filledBytes += recordBytes(payloadBytes);
    this.records++;
  }

  /** Fills up to whole blocks with zeros; returns the length in bytes. */
  pad(blockBytes: number): number {
    const lengthBytes = Math.ceil(this.filledBytes / blockBytes) * blockBytes;
    this.buffer.bytes.fill(0, this.filledBytes, lengthBytes);
    return lengthBytes;
  }
}
