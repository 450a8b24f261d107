// The object protocol with protobufjs: code that it generates at run time, its fast path, and one writer whose buffer stays.

import { readFileSync } from 'node:fs';
import type { Gatherable, ScatterGatherArray } from '@demikernel/memory';
import protobuf from 'protobufjs';
import type { Codec, ObjectReply, ObjectRequest } from '../messages.ts';
import { BytesPayload, OnePiece } from '../payloads.ts';
import {
  fillReply,
  fillRequest,
  placeReply,
  placeRequest,
  type ReplyFields,
  type RequestFields,
} from './fields.ts';

export class ProtobufjsCodec implements Codec {
  readonly name = 'protobufjs';
  private readonly requestType: protobuf.Type;
  private readonly replyType: protobuf.Type;
  private readonly request: RequestFields;
  private readonly reply: ReplyFields;
  private readonly writer: protobuf.Writer;
  private readonly payload: BytesPayload;
  private readonly onePiece: OnePiece;

  constructor() {
    // Seen from dist/src/kv/objects/codecs.
    const schema = readFileSync(new URL('../../../../../schemas/kv.proto', import.meta.url), 'utf8');
    const { root } = protobuf.parse(schema);
    this.requestType = root.lookupType('kv.Request').setup();
    this.replyType = root.lookupType('kv.Reply').setup();
    const none = new Uint8Array(0);
    this.request = { id: 0, operation: 0, key: none, keys: [], value: none, values: [] };
    this.reply = { id: 0, status: 0, value: none, values: [] };
    this.writer = protobuf.Writer.create();
    this.payload = new BytesPayload();
    this.onePiece = new OnePiece();
  }

  encodeRequest(request: ObjectRequest): Gatherable {
    fillRequest(this.request, request);
    return this.payload.of(this.requestType.encode(this.request, this.writer.reset()).finish(true));
  }

  encodeReply(reply: ObjectReply): Gatherable {
    fillReply(this.reply, reply);
    return this.payload.of(this.replyType.encode(this.reply, this.writer.reset()).finish(true));
  }

  decodeRequest(frame: ScatterGatherArray, into: ObjectRequest): boolean {
    const fields = this.decode(this.requestType, frame);
    return fields !== undefined && placeRequest(fields as unknown as RequestFields, this.onePiece, into);
  }

  decodeReply(frame: ScatterGatherArray, into: ObjectReply): boolean {
    const fields = this.decode(this.replyType, frame);
    return fields !== undefined && placeReply(fields as unknown as ReplyFields, this.onePiece, into);
  }

  private decode(type: protobuf.Type, frame: ScatterGatherArray): protobuf.Message | undefined {
    if (!this.onePiece.take(frame)) return undefined;
    try {
      return type.decode(this.onePiece.view());
    } catch {
      return undefined;
    }
  }

  release(): void {}
}
