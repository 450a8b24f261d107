// The object protocol in FlatBuffers, over a builder, a reader and table objects that stay. The library verifies nothing, so every
// view it gives is held against the bounds of its message.

import type { Gatherable, ScatterGatherArray } from '@demikernel/memory';
import { Builder, ByteBuffer } from 'flatbuffers';
import type { Blobs } from '../blobs.ts';
import { Blob, Reply, Request } from '../generated/flatbuffers.ts';
import type { Codec, ObjectReply, ObjectRequest } from '../messages.ts';
import { BytesPayload, OnePiece } from '../payloads.ts';
import { GET_M, MAX_BLOBS, MAX_MESSAGE_BYTES } from '../protocol.ts';

export class FlatbuffersCodec implements Codec {
  readonly name = 'flatbuffers';
  private readonly builder: Builder;
  private readonly request: Request;
  private readonly reply: Reply;
  private readonly blob: Blob;
  private readonly places: Int32Array;
  private readonly payload: BytesPayload;
  private readonly onePiece: OnePiece;

  constructor() {
    this.builder = new Builder(MAX_MESSAGE_BYTES);
    this.request = new Request();
    this.reply = new Reply();
    this.blob = new Blob();
    this.places = new Int32Array(MAX_BLOBS);
    this.payload = new BytesPayload();
    this.onePiece = new OnePiece();
  }

  encodeRequest(source: ObjectRequest): Gatherable {
    const { builder } = this;
    const { keys, operation, values } = source;
    const isGetM = operation === GET_M;
    builder.clear();
    const list = values.count > 1 ? this.addList(values) : 0;
    const value = values.count === 1 ? builder.createByteVector(values.view(0)) : 0;
    const several = isGetM ? this.addList(keys) : 0;
    const key = isGetM || keys.count === 0 ? 0 : builder.createByteVector(keys.view(0));
    Request.startRequest(builder);
    Request.addId(builder, source.id);
    Request.addKey(builder, key);
    Request.addKeys(builder, several);
    Request.addValue(builder, value);
    Request.addValues(builder, list);
    Request.addOperation(builder, operation);
    builder.finish(Request.endRequest(builder));
    return this.payload.of(builder.asUint8Array());
  }

  encodeReply(source: ObjectReply): Gatherable {
    const { builder } = this;
    const { isList, status, values } = source;
    builder.clear();
    const list = isList ? this.addList(values) : 0;
    const value = isList || values.count === 0 ? 0 : builder.createByteVector(values.view(0));
    Reply.startReply(builder);
    Reply.addId(builder, source.id);
    Reply.addValue(builder, value);
    Reply.addValues(builder, list);
    Reply.addStatus(builder, status);
    builder.finish(Reply.endReply(builder));
    return this.payload.of(builder.asUint8Array());
  }

  private addList(blobs: Blobs): number {
    const { builder, places } = this;
    const { count } = blobs;
    for (let i = 0; i < count; i++) {
      const bytes = builder.createByteVector(blobs.view(i));
      Blob.startBlob(builder);
      Blob.addBytes(builder, bytes);
      places[i] = Blob.endBlob(builder);
    }
    // What the generated createKeysVector and createValuesVector do, from places that stay.
    builder.startVector(4, count, 4);
    for (let i = count - 1; i >= 0; i--) builder.addOffset(places[i]!);
    return builder.endVector();
  }

  decodeRequest(frame: ScatterGatherArray, into: ObjectRequest): boolean {
    const { onePiece, request } = this;
    const { keys, values } = into;
    if (!onePiece.take(frame) || !hasRoot(onePiece)) return false;
    keys.reset(onePiece.region);
    values.reset(onePiece.region);
    try {
      Request.getRootAsRequest(new ByteBuffer(onePiece.view()), request);
      into.id = request.id();
      into.operation = request.operation();
      if (!this.place(request.keyArray(), keys) || !this.place(request.valueArray(), values)) return false;
      const keyCount = request.keysLength();
      const valueCount = request.valuesLength();
      if (!this.isPossible(keyCount) || !this.isPossible(valueCount)) return false;
      for (let i = 0; i < keyCount; i++) {
        if (!this.placeElement(request.keys(i, this.blob), keys)) return false;
      }
      for (let i = 0; i < valueCount; i++) {
        if (!this.placeElement(request.values(i, this.blob), values)) return false;
      }
      return true;
    } catch {
      return false;
    } finally {
      request.bb = null;
      this.blob.bb = null;
    }
  }

  decodeReply(frame: ScatterGatherArray, into: ObjectReply): boolean {
    const { onePiece, reply } = this;
    const { values } = into;
    if (!onePiece.take(frame) || !hasRoot(onePiece)) return false;
    values.reset(onePiece.region);
    try {
      Reply.getRootAsReply(new ByteBuffer(onePiece.view()), reply);
      into.id = reply.id();
      into.status = reply.status();
      const count = reply.valuesLength();
      into.isList = count !== 0;
      if (!this.isPossible(count) || !this.place(reply.valueArray(), values)) return false;
      for (let i = 0; i < count; i++) {
        if (!this.placeElement(reply.values(i, this.blob), values)) return false;
      }
      return true;
    } catch {
      return false;
    } finally {
      reply.bb = null;
      this.blob.bb = null;
    }
  }

  /** Whether a message of this length has room for so many tables. */
  private isPossible(count: number): boolean {
    return count <= MAX_BLOBS && count <= this.onePiece.lengthBytes >> 2;
  }

  private place(view: Uint8Array | null, blobs: Blobs): boolean {
    return view === null || (this.onePiece.holds(view) && blobs.addView(view));
  }

  private placeElement(element: Blob | null, blobs: Blobs): boolean {
    const view = element === null ? null : element.bytesArray();
    return view === null ? blobs.begin() : this.onePiece.holds(view) && blobs.addView(view);
  }

  release(): void {}
}

/** Whether the root table and its list of fields lie within the message: fields themselves read as zero where they do not. */
function hasRoot(piece: OnePiece): boolean {
  const { lengthBytes, offset } = piece;
  const { view } = piece.region;
  if (lengthBytes < 8) return false;
  const root = view.getInt32(offset, true);
  if (root < 4 || root > lengthBytes - 4) return false;
  const fields = root - view.getInt32(offset + root, true);
  if (!(fields >= 0 && fields <= lengthBytes - 4)) return false;
  const fieldBytes = view.getUint16(offset + fields, true);
  const tableBytes = view.getUint16(offset + fields + 2, true);
  return fieldBytes >= 4 && fields + fieldBytes <= lengthBytes && root + tableBytes <= lengthBytes;
}
