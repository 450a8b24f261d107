// Framing by hand, the limit for whoever copies: a header of lengths, then every byte copied once to where it is sent from.

import { type Gatherable, heapRegion, type ScatterGatherArray } from '@demikernel/memory';
import type { Blobs } from '../blobs.ts';
import type { Codec, ObjectReply, ObjectRequest } from '../messages.ts';
import { commonPool, Filler, OnePiece } from '../payloads.ts';
import { MAX_BLOBS } from '../protocol.ts';

/*
 * Little-endian:
 *
 *   0 u32 id   4 u8 operation or status   5 u8 1 for a reply that is a list   6 u16 keys   8 u16 values   10 u16 zero
 *   12 u32 length of each key, then of each value; then their bytes, in that order
 */
const HEADER_BYTES = 12;
/** In the second word. */
const LIST = 0x100;

/** A message that is written into the slices it is sent in. */
class RawMessage implements Gatherable {
  private readonly head = heapRegion(HEADER_BYTES + 8 * MAX_BLOBS);
  private readonly filler = new Filler();
  private headBytes = 0;
  private keys: Blobs | undefined = undefined;
  private values: Blobs | undefined = undefined;

  of(id: number, code: number, isList: boolean, keys: Blobs | undefined, values: Blobs): this {
    const { view } = this.head;
    const keyCount = keys === undefined ? 0 : keys.count;
    view.setInt32(0, id, true);
    view.setInt32(4, code | (isList ? LIST : 0) | (keyCount << 16), true);
    view.setInt32(8, values.count, true);
    let at = HEADER_BYTES;
    for (let i = 0; i < keyCount; i++, at += 4) view.setInt32(at, keys!.lengths[i]!, true);
    for (let i = 0; i < values.count; i++, at += 4) view.setInt32(at, values.lengths[i]!, true);
    this.headBytes = at;
    this.keys = keys;
    this.values = values;
    return this;
  }

  copiedBytes(): number {
    const keyBytes = this.keys === undefined ? 0 : this.keys.totalBytes;
    return this.headBytes + keyBytes + this.values!.totalBytes;
  }

  write(into: ScatterGatherArray): void {
    this.filler.over(into);
    this.filler.copy(this.head, 0, this.headBytes);
    if (this.keys !== undefined) this.copy(this.keys);
    this.copy(this.values!);
    this.filler.over(undefined);
  }

  private copy(blobs: Blobs): void {
    for (let piece = 0; piece < blobs.pieceCount; piece++) {
      this.filler.copy(blobs.region, blobs.offsets[piece]!, blobs.pieceLengths[piece]!);
    }
  }

  gather(): void {}
}

export class RawCodec implements Codec {
  readonly name = 'raw';
  private readonly message = new RawMessage();
  private readonly onePiece = new OnePiece();
  private id = 0;
  private code = 0;
  private isList = false;

  encodeRequest(request: ObjectRequest): Gatherable {
    return this.message.of(request.id, request.operation, false, request.keys, request.values);
  }

  encodeReply(reply: ObjectReply): Gatherable {
    return this.message.of(reply.id, reply.status, reply.isList, undefined, reply.values);
  }

  decodeRequest(frame: ScatterGatherArray, into: ObjectRequest): boolean {
    if (!this.decode(frame, into.keys, into.values) || this.isList) return false;
    into.id = this.id;
    into.operation = this.code;
    return true;
  }

  decodeReply(frame: ScatterGatherArray, into: ObjectReply): boolean {
    if (!this.decode(frame, undefined, into.values)) return false;
    into.id = this.id;
    into.status = this.code;
    into.isList = this.isList;
    return true;
  }

  private decode(frame: ScatterGatherArray, keys: Blobs | undefined, values: Blobs): boolean {
    const { onePiece } = this;
    const pieces = isReadInPieces(frame);
    if (pieces) onePiece.takeFirst(frame);
    else if (!onePiece.take(frame)) return false;
    const { offset, region } = onePiece;
    const lengthBytes = frame.lengthBytes;
    if (onePiece.lengthBytes < HEADER_BYTES) return false;
    const { view } = region;
    const word = view.getInt32(offset + 4, true);
    const keyCount = word >>> 16;
    const valueWord = view.getInt32(offset + 8, true);
    const valueCount = valueWord & 0xffff;
    this.id = view.getInt32(offset, true);
    this.code = word & 0xff;
    this.isList = (word & LIST) !== 0;
    const start = HEADER_BYTES + 4 * (keyCount + valueCount);
    if (this.id < 0 || (word & 0xfe00) !== 0 || valueWord >>> 16 !== 0 || start > onePiece.lengthBytes)
      return false;
    if (keys === undefined && keyCount !== 0) return false;
    keys?.reset(region);
    values.reset(region);
    let lengthAt = offset + HEADER_BYTES;
    let at = start;
    for (let i = 0; i < keyCount + valueCount; i++, lengthAt += 4) {
      const length = view.getInt32(lengthAt, true);
      if (length < 0 || length > lengthBytes - at) return false;
      const blobs = i < keyCount ? keys! : values;
      if (!(pieces ? blobs.addRange(frame, at, length) : blobs.add(offset + at, length))) return false;
      at += length;
    }
    return at === lengthBytes;
  }

  release(): void {}
}

/** Whether the header of a message in several slices is whole in the first: then values need no copy to be read. */
function isReadInPieces(frame: ScatterGatherArray): boolean {
  if (frame.count < 2 || commonPool(frame) === undefined) return false;
  const first = frame.segments[0]!;
  if (first.length < HEADER_BYTES) return false;
  const { view } = first.pool.region;
  const blobs = view.getUint16(first.offset + 6, true) + view.getUint16(first.offset + 8, true);
  return first.length >= HEADER_BYTES + 4 * blobs;
}
