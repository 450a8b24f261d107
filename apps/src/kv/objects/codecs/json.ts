// The object protocol in JSON, by the proto3 mapping: bytes are base64. Node's own parser and base64, nothing above them.

import { type Gatherable, heapRegion, type Region, type ScatterGatherArray } from '@demikernel/memory';
import type { Blobs } from '../blobs.ts';
import type { Codec, ObjectReply, ObjectRequest } from '../messages.ts';
import { OnePiece } from '../payloads.ts';
import { GET_M, MAX_MESSAGE_BYTES } from '../protocol.ts';

/** ASCII text, written into the slices it is sent in. */
class TextPayload implements Gatherable {
  private readonly buffers = new BufferOf();
  private text = '';

  of(text: string): this {
    this.text = text;
    return this;
  }

  copiedBytes(): number {
    return this.text.length;
  }

  write(into: ScatterGatherArray): void {
    const { text } = this;
    let at = 0;
    for (let i = 0; at < text.length; i++) {
      const slice = into.segments[i]!;
      const part = slice.length >= text.length - at && at === 0 ? text : text.slice(at, at + slice.length);
      this.buffers.over(slice.pool.region).write(part, slice.offset, part.length, 'latin1');
      at += part.length;
    }
  }

  gather(): void {}
}

/** A region as a `Buffer`, which can write and read text. Remembers the last one. */
class BufferOf {
  private buffer: Buffer = Buffer.alloc(0);

  over(region: Region): Buffer {
    if (this.buffer.buffer !== region.buffer) this.buffer = Buffer.from(region.buffer);
    return this.buffer;
  }
}

export class JsonCodec implements Codec {
  readonly name = 'json';
  private readonly payload = new TextPayload();
  private readonly onePiece = new OnePiece();
  private readonly buffers = new BufferOf();
  /** Where base64 is decoded to: never more than the text it comes from. */
  private readonly decoded: Region = heapRegion(MAX_MESSAGE_BYTES + 8);
  private readonly decodedBuffer: Buffer = Buffer.from(this.decoded.buffer);
  private decodedEnd = 0;

  encodeRequest(request: ObjectRequest): Gatherable {
    const { keys, operation, values } = request;
    let text = `{"id":${request.id},"operation":${operation}`;
    if (operation === GET_M) text += `,"keys":${this.list(keys)}`;
    else if (keys.count !== 0) text += `,"key":"${this.base64(keys, 0)}"`;
    if (values.count > 1) text += `,"values":${this.list(values)}`;
    else if (values.count === 1) text += `,"value":"${this.base64(values, 0)}"`;
    return this.payload.of(`${text}}`);
  }

  encodeReply(reply: ObjectReply): Gatherable {
    const { values } = reply;
    let text = `{"id":${reply.id},"status":${reply.status}`;
    if (reply.isList) text += `,"values":${this.list(values)}`;
    else if (values.count !== 0) text += `,"value":"${this.base64(values, 0)}"`;
    return this.payload.of(`${text}}`);
  }

  private list(blobs: Blobs): string {
    let text = '[';
    for (let i = 0; i < blobs.count; i++) text += `${i === 0 ? '"' : ',"'}${this.base64(blobs, i)}"`;
    return `${text}]`;
  }

  private base64(blobs: Blobs, index: number): string {
    if (!blobs.isWhole(index)) return Buffer.from(blobs.view(index)).toString('base64');
    const offset = blobs.offsetOf(index);
    return this.buffers.over(blobs.region).toString('base64', offset, offset + blobs.lengths[index]!);
  }

  decodeRequest(frame: ScatterGatherArray, into: ObjectRequest): boolean {
    const { keys, values } = into;
    const fields = this.parse(frame);
    if (fields === undefined || !isCount(fields['operation'])) return false;
    keys.reset(this.decoded);
    values.reset(this.decoded);
    into.id = fields['id'] as number;
    into.operation = fields['operation'];
    return (
      this.place(fields['key'], keys) &&
      this.placeAll(fields['keys'], keys) &&
      this.place(fields['value'], values) &&
      this.placeAll(fields['values'], values)
    );
  }

  decodeReply(frame: ScatterGatherArray, into: ObjectReply): boolean {
    const { values } = into;
    const fields = this.parse(frame);
    if (fields === undefined || !isCount(fields['status'])) return false;
    values.reset(this.decoded);
    into.id = fields['id'] as number;
    into.status = fields['status'];
    into.isList = fields['values'] !== undefined;
    return this.place(fields['value'], values) && this.placeAll(fields['values'], values);
  }

  private parse(frame: ScatterGatherArray): Record<string, unknown> | undefined {
    const { onePiece } = this;
    if (!onePiece.take(frame)) return undefined;
    const buffer = this.buffers.over(onePiece.region);
    this.decodedEnd = 0;
    try {
      const text = buffer.toString('latin1', onePiece.offset, onePiece.offset + onePiece.lengthBytes);
      const fields: unknown = JSON.parse(text);
      if (typeof fields !== 'object' || fields === null) return undefined;
      return isCount((fields as Record<string, unknown>)['id'])
        ? (fields as Record<string, unknown>)
        : undefined;
    } catch {
      return undefined;
    }
  }

  private place(text: unknown, blobs: Blobs): boolean {
    if (text === undefined) return true;
    if (typeof text !== 'string') return false;
    const length = this.decodedBuffer.write(text, this.decodedEnd, 'base64');
    this.decodedEnd += length;
    return blobs.add(this.decodedEnd - length, length);
  }

  private placeAll(texts: unknown, blobs: Blobs): boolean {
    if (texts === undefined) return true;
    if (!Array.isArray(texts)) return false;
    for (let i = 0; i < texts.length; i++) {
      if (typeof texts[i] !== 'string' || !this.place(texts[i], blobs)) return false;
    }
    return true;
  }

  release(): void {}
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}
