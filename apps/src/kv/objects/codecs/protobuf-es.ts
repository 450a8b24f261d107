// The object protocol with protobuf-es, over message objects that stay. Its writer cannot be kept.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Gatherable, ScatterGatherArray } from '@demikernel/memory';
import { type Reply, ReplySchema, type Request, RequestSchema } from '../generated/protobuf-es.ts';
import type { Codec, ObjectReply, ObjectRequest } from '../messages.ts';
import { BytesPayload, OnePiece } from '../payloads.ts';
import { fillReply, fillRequest, placeReply, placeRequest } from './fields.ts';

export class ProtobufEsCodec implements Codec {
  readonly name = 'protobuf-es';
  private readonly request: Request;
  private readonly reply: Reply;
  private readonly payload: BytesPayload;
  private readonly onePiece: OnePiece;

  constructor() {
    this.request = create(RequestSchema);
    this.reply = create(ReplySchema);
    this.payload = new BytesPayload();
    this.onePiece = new OnePiece();
  }

  encodeRequest(request: ObjectRequest): Gatherable {
    fillRequest(this.request, request);
    return this.payload.of(toBinary(RequestSchema, this.request));
  }

  encodeReply(reply: ObjectReply): Gatherable {
    fillReply(this.reply, reply);
    return this.payload.of(toBinary(ReplySchema, this.reply));
  }

  decodeRequest(frame: ScatterGatherArray, into: ObjectRequest): boolean {
    if (!this.onePiece.take(frame)) return false;
    let fields: Request;
    try {
      fields = fromBinary(RequestSchema, this.onePiece.view());
    } catch {
      return false;
    }
    return placeRequest(fields, this.onePiece, into);
  }

  decodeReply(frame: ScatterGatherArray, into: ObjectReply): boolean {
    if (!this.onePiece.take(frame)) return false;
    let fields: Reply;
    try {
      fields = fromBinary(ReplySchema, this.onePiece.view());
    } catch {
      return false;
    }
    return placeReply(fields, this.onePiece, into);
  }

  release(): void {}
}
