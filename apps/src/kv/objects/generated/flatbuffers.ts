// Made by apps/src/schemas/generate.ts: flatc --ts kv.fbs. Do not edit.
import * as flatbuffers from 'flatbuffers';


export class Blob {
  bb: flatbuffers.ByteBuffer|null = null;
  bb_pos = 0;
  __init(i:number, bb:flatbuffers.ByteBuffer):Blob {
  this.bb_pos = i;
  this.bb = bb;
  return this;
}

static getRootAsBlob(bb:flatbuffers.ByteBuffer, obj?:Blob):Blob {
  return (obj || new Blob()).__init(bb.readInt32(bb.position()) + bb.position(), bb);
}

static getSizePrefixedRootAsBlob(bb:flatbuffers.ByteBuffer, obj?:Blob):Blob {
  bb.setPosition(bb.position() + flatbuffers.SIZE_PREFIX_LENGTH);
  return (obj || new Blob()).__init(bb.readInt32(bb.position()) + bb.position(), bb);
}

bytes(index: number):number|null {
  const offset = this.bb!.__offset(this.bb_pos, 4);
  return offset ? this.bb!.readUint8(this.bb!.__vector(this.bb_pos + offset) + index) : 0;
}

bytesLength():number {
  const offset = this.bb!.__offset(this.bb_pos, 4);
  return offset ? this.bb!.__vector_len(this.bb_pos + offset) : 0;
}

bytesArray():Uint8Array|null {
  const offset = this.bb!.__offset(this.bb_pos, 4);
  return offset ? new Uint8Array(this.bb!.bytes().buffer, this.bb!.bytes().byteOffset + this.bb!.__vector(this.bb_pos + offset), this.bb!.__vector_len(this.bb_pos + offset)) : null;
}

static startBlob(builder:flatbuffers.Builder): void {
  builder.startObject(1);
}

static addBytes(builder:flatbuffers.Builder, bytesOffset:flatbuffers.Offset): void {
  builder.addFieldOffset(0, bytesOffset, 0);
}

static createBytesVector(builder:flatbuffers.Builder, data:number[]|Uint8Array):flatbuffers.Offset {
  builder.startVector(1, data.length, 1);
  for (let i = data.length - 1; i >= 0; i--) {
    builder.addInt8(data[i]!);
  }
  return builder.endVector();
}

static startBytesVector(builder:flatbuffers.Builder, numElems:number): void {
  builder.startVector(1, numElems, 1);
}

static endBlob(builder:flatbuffers.Builder):flatbuffers.Offset {
  const offset = builder.endObject();
  return offset;
}

static createBlob(builder:flatbuffers.Builder, bytesOffset:flatbuffers.Offset):flatbuffers.Offset {
  Blob.startBlob(builder);
  Blob.addBytes(builder, bytesOffset);
  return Blob.endBlob(builder);
}
}




export class Reply {
  bb: flatbuffers.ByteBuffer|null = null;
  bb_pos = 0;
  __init(i:number, bb:flatbuffers.ByteBuffer):Reply {
  this.bb_pos = i;
  this.bb = bb;
  return this;
}

static getRootAsReply(bb:flatbuffers.ByteBuffer, obj?:Reply):Reply {
  return (obj || new Reply()).__init(bb.readInt32(bb.position()) + bb.position(), bb);
}

static getSizePrefixedRootAsReply(bb:flatbuffers.ByteBuffer, obj?:Reply):Reply {
  bb.setPosition(bb.position() + flatbuffers.SIZE_PREFIX_LENGTH);
  return (obj || new Reply()).__init(bb.readInt32(bb.position()) + bb.position(), bb);
}

id():number {
  const offset = this.bb!.__offset(this.bb_pos, 4);
  return offset ? this.bb!.readUint32(this.bb_pos + offset) : 0;
}

status():number {
  const offset = this.bb!.__offset(this.bb_pos, 6);
  return offset ? this.bb!.readUint8(this.bb_pos + offset) : 0;
}

value(index: number):number|null {
  const offset = this.bb!.__offset(this.bb_pos, 8);
  return offset ? this.bb!.readUint8(this.bb!.__vector(this.bb_pos + offset) + index) : 0;
}

valueLength():number {
  const offset = this.bb!.__offset(this.bb_pos, 8);
  return offset ? this.bb!.__vector_len(this.bb_pos + offset) : 0;
}

valueArray():Uint8Array|null {
  const offset = this.bb!.__offset(this.bb_pos, 8);
  return offset ? new Uint8Array(this.bb!.bytes().buffer, this.bb!.bytes().byteOffset + this.bb!.__vector(this.bb_pos + offset), this.bb!.__vector_len(this.bb_pos + offset)) : null;
}

values(index: number, obj?:Blob):Blob|null {
  const offset = this.bb!.__offset(this.bb_pos, 10);
  return offset ? (obj || new Blob()).__init(this.bb!.__indirect(this.bb!.__vector(this.bb_pos + offset) + index * 4), this.bb!) : null;
}

valuesLength():number {
  const offset = this.bb!.__offset(this.bb_pos, 10);
  return offset ? this.bb!.__vector_len(this.bb_pos + offset) : 0;
}

static startReply(builder:flatbuffers.Builder): void {
  builder.startObject(4);
}

static addId(builder:flatbuffers.Builder, id:number): void {
  builder.addFieldInt32(0, id, 0);
}

static addStatus(builder:flatbuffers.Builder, status:number): void {
  builder.addFieldInt8(1, status, 0);
}

static addValue(builder:flatbuffers.Builder, valueOffset:flatbuffers.Offset): void {
  builder.addFieldOffset(2, valueOffset, 0);
}

static createValueVector(builder:flatbuffers.Builder, data:number[]|Uint8Array):flatbuffers.Offset {
  builder.startVector(1, data.length, 1);
  for (let i = data.length - 1; i >= 0; i--) {
    builder.addInt8(data[i]!);
  }
  return builder.endVector();
}

static startValueVector(builder:flatbuffers.Builder, numElems:number): void {
  builder.startVector(1, numElems, 1);
}

static addValues(builder:flatbuffers.Builder, valuesOffset:flatbuffers.Offset): void {
  builder.addFieldOffset(3, valuesOffset, 0);
}

static createValuesVector(builder:flatbuffers.Builder, data:flatbuffers.Offset[]):flatbuffers.Offset {
  builder.startVector(4, data.length, 4);
  for (let i = data.length - 1; i >= 0; i--) {
    builder.addOffset(data[i]!);
  }
  return builder.endVector();
}

static startValuesVector(builder:flatbuffers.Builder, numElems:number): void {
  builder.startVector(4, numElems, 4);
}

static endReply(builder:flatbuffers.Builder):flatbuffers.Offset {
  const offset = builder.endObject();
  return offset;
}

static createReply(builder:flatbuffers.Builder, id:number, status:number, valueOffset:flatbuffers.Offset, valuesOffset:flatbuffers.Offset):flatbuffers.Offset {
  Reply.startReply(builder);
  Reply.addId(builder, id);
  Reply.addStatus(builder, status);
  Reply.addValue(builder, valueOffset);
  Reply.addValues(builder, valuesOffset);
  return Reply.endReply(builder);
}
}




export class Request {
  bb: flatbuffers.ByteBuffer|null = null;
  bb_pos = 0;
  __init(i:number, bb:flatbuffers.ByteBuffer):Request {
  this.bb_pos = i;
  this.bb = bb;
  return this;
}

static getRootAsRequest(bb:flatbuffers.ByteBuffer, obj?:Request):Request {
  return (obj || new Request()).__init(bb.readInt32(bb.position()) + bb.position(), bb);
}

static getSizePrefixedRootAsRequest(bb:flatbuffers.ByteBuffer, obj?:Request):Request {
  bb.setPosition(bb.position() + flatbuffers.SIZE_PREFIX_LENGTH);
  return (obj || new Request()).__init(bb.readInt32(bb.position()) + bb.position(), bb);
}

id():number {
  const offset = this.bb!.__offset(this.bb_pos, 4);
  return offset ? this.bb!.readUint32(this.bb_pos + offset) : 0;
}

operation():number {
  const offset = this.bb!.__offset(this.bb_pos, 6);
  return offset ? this.bb!.readUint8(this.bb_pos + offset) : 0;
}

key(index: number):number|null {
  const offset = this.bb!.__offset(this.bb_pos, 8);
  return offset ? this.bb!.readUint8(this.bb!.__vector(this.bb_pos + offset) + index) : 0;
}

keyLength():number {
  const offset = this.bb!.__offset(this.bb_pos, 8);
  return offset ? this.bb!.__vector_len(this.bb_pos + offset) : 0;
}

keyArray():Uint8Array|null {
  const offset = this.bb!.__offset(this.bb_pos, 8);
  return offset ? new Uint8Array(this.bb!.bytes().buffer, this.bb!.bytes().byteOffset + this.bb!.__vector(this.bb_pos + offset), this.bb!.__vector_len(this.bb_pos + offset)) : null;
}

keys(index: number, obj?:Blob):Blob|null {
  const offset = this.bb!.__offset(this.bb_pos, 10);
  return offset ? (obj || new Blob()).__init(this.bb!.__indirect(this.bb!.__vector(this.bb_pos + offset) + index * 4), this.bb!) : null;
}

keysLength():number {
  const offset = this.bb!.__offset(this.bb_pos, 10);
  return offset ? this.bb!.__vector_len(this.bb_pos + offset) : 0;
}

value(index: number):number|null {
  const offset = this.bb!.__offset(this.bb_pos, 12);
  return offset ? this.bb!.readUint8(this.bb!.__vector(this.bb_pos + offset) + index) : 0;
}

valueLength():number {
  const offset = this.bb!.__offset(this.bb_pos, 12);
  return offset ? this.bb!.__vector_len(this.bb_pos + offset) : 0;
}

valueArray():Uint8Array|null {
  const offset = this.bb!.__offset(this.bb_pos, 12);
  return offset ? new Uint8Array(this.bb!.bytes().buffer, this.bb!.bytes().byteOffset + this.bb!.__vector(this.bb_pos + offset), this.bb!.__vector_len(this.bb_pos + offset)) : null;
}

values(index: number, obj?:Blob):Blob|null {
  const offset = this.bb!.__offset(this.bb_pos, 14);
  return offset ? (obj || new Blob()).__init(this.bb!.__indirect(this.bb!.__vector(this.bb_pos + offset) + index * 4), this.bb!) : null;
}

valuesLength():number {
  const offset = this.bb!.__offset(this.bb_pos, 14);
  return offset ? this.bb!.__vector_len(this.bb_pos + offset) : 0;
}

static startRequest(builder:flatbuffers.Builder): void {
  builder.startObject(6);
}

static addId(builder:flatbuffers.Builder, id:number): void {
  builder.addFieldInt32(0, id, 0);
}

static addOperation(builder:flatbuffers.Builder, operation:number): void {
  builder.addFieldInt8(1, operation, 0);
}

static addKey(builder:flatbuffers.Builder, keyOffset:flatbuffers.Offset): void {
  builder.addFieldOffset(2, keyOffset, 0);
}

static createKeyVector(builder:flatbuffers.Builder, data:number[]|Uint8Array):flatbuffers.Offset {
  builder.startVector(1, data.length, 1);
  for (let i = data.length - 1; i >= 0; i--) {
    builder.addInt8(data[i]!);
  }
  return builder.endVector();
}

static startKeyVector(builder:flatbuffers.Builder, numElems:number): void {
  builder.startVector(1, numElems, 1);
}

static addKeys(builder:flatbuffers.Builder, keysOffset:flatbuffers.Offset): void {
  builder.addFieldOffset(3, keysOffset, 0);
}

static createKeysVector(builder:flatbuffers.Builder, data:flatbuffers.Offset[]):flatbuffers.Offset {
  builder.startVector(4, data.length, 4);
  for (let i = data.length - 1; i >= 0; i--) {
    builder.addOffset(data[i]!);
  }
  return builder.endVector();
}

static startKeysVector(builder:flatbuffers.Builder, numElems:number): void {
  builder.startVector(4, numElems, 4);
}

static addValue(builder:flatbuffers.Builder, valueOffset:flatbuffers.Offset): void {
  builder.addFieldOffset(4, valueOffset, 0);
}

static createValueVector(builder:flatbuffers.Builder, data:number[]|Uint8Array):flatbuffers.Offset {
  builder.startVector(1, data.length, 1);
  for (let i = data.length - 1; i >= 0; i--) {
    builder.addInt8(data[i]!);
  }
  return builder.endVector();
}

static startValueVector(builder:flatbuffers.Builder, numElems:number): void {
  builder.startVector(1, numElems, 1);
}

static addValues(builder:flatbuffers.Builder, valuesOffset:flatbuffers.Offset): void {
  builder.addFieldOffset(5, valuesOffset, 0);
}

static createValuesVector(builder:flatbuffers.Builder, data:flatbuffers.Offset[]):flatbuffers.Offset {
  builder.startVector(4, data.length, 4);
  for (let i = data.length - 1; i >= 0; i--) {
    builder.addOffset(data[i]!);
  }
  return builder.endVector();
}

static startValuesVector(builder:flatbuffers.Builder, numElems:number): void {
  builder.startVector(4, numElems, 4);
}

static endRequest(builder:flatbuffers.Builder):flatbuffers.Offset {
  const offset = builder.endObject();
  return offset;
}

static finishRequestBuffer(builder:flatbuffers.Builder, offset:flatbuffers.Offset): void {
  builder.finish(offset);
}

static finishSizePrefixedRequestBuffer(builder:flatbuffers.Builder, offset:flatbuffers.Offset): void {
  builder.finish(offset, undefined, true);
}

static createRequest(builder:flatbuffers.Builder, id:number, operation:number, keyOffset:flatbuffers.Offset, keysOffset:flatbuffers.Offset, valueOffset:flatbuffers.Offset, valuesOffset:flatbuffers.Offset):flatbuffers.Offset {
  Request.startRequest(builder);
  Request.addId(builder, id);
  Request.addOperation(builder, operation);
  Request.addKey(builder, keyOffset);
  Request.addKeys(builder, keysOffset);
  Request.addValue(builder, valueOffset);
  Request.addValues(builder, valuesOffset);
  return Request.endRequest(builder);
}
}
