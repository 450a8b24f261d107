// The object protocol in Cornflakes: values leave from where they lie, and arrive without being unpacked.

import { BY_DEVICE, type BytesField, type BytesList, type BytesValue, OK } from '@demikernel/cornflakes';
import { type Gatherable, ScatterGatherArray, Slice, type SlotPool } from '@demikernel/memory';
import type { Blobs } from '../blobs.ts';
import { Reply, Request } from '../generated/cornflakes.ts';
import type { Codec, CodecOptions, ObjectReply, ObjectRequest } from '../messages.ts';
import { commonPool, OnePiece } from '../payloads.ts';
import { GET_M } from '../protocol.ts';

export class CornflakesCodec implements Codec {
  readonly name = 'cornflakes';
  private readonly request: Request;
  private readonly reply: Reply;
  private readonly threshold: number;
  private readonly onePiece: OnePiece;

  constructor(options: CodecOptions) {
    this.threshold = options.copyThresholdBytes ?? BY_DEVICE;
    this.request = Request.acquire();
    this.request.copyThresholdBytes = this.threshold;
    this.reply = Reply.acquire();
    this.reply.copyThresholdBytes = this.threshold;
    this.onePiece = new OnePiece();
  }

  encodeRequest(request: ObjectRequest): Gatherable {
    const { request: message, threshold } = this;
    const { keys, operation, values } = request;
    message.clear();
    message.id = request.id;
    message.operation = operation;
    if (operation === GET_M) addAll(message.keys, keys, threshold);
    else if (keys.count !== 0) {
      const key = lend(keys, 0);
      message.key = key;
      takeBack(key);
    }
    if (values.count > 1) addAll(message.values, values, threshold);
    else if (values.totalBytes !== 0) {
      const value = lend(values, 0);
      message.value = value;
      takeBack(value);
    }
    return message;
  }

  encodeReply(reply: ObjectReply): Gatherable {
    const { reply: message, threshold } = this;
    const { status, values } = reply;
    message.clear();
    message.id = reply.id;
    if (status !== 0) message.status = status;
    if (reply.isList) addAll(message.values, values, threshold);
    else if (values.totalBytes !== 0) {
      const value = lend(values, 0);
      message.value = value;
      takeBack(value);
    }
    return message;
  }

  decodeRequest(frame: ScatterGatherArray, into: ObjectRequest): boolean {
    const { request } = this;
    const { keys, values } = into;
    const pool = commonPool(frame);
    if (pool === undefined) {
      if (!this.onePiece.copy(frame) || request.tryRead(this.onePiece.view()) !== OK) return false;
    } else if (request.tryRead(frame) !== OK) return false;
    const region = pool === undefined ? this.onePiece.region : pool.region;
    into.id = request.id;
    into.operation = request.operation;
    keys.reset(region);
    values.reset(region);
    if (request.hasKey && !place(request.keyField, keys)) return false;
    if (!placeAll(request.keys, keys)) return false;
    if (request.hasValue && !place(request.valueField, values)) return false;
    return placeAll(request.values, values);
  }

  decodeReply(frame: ScatterGatherArray, into: ObjectReply): boolean {
    const { reply } = this;
    const { values } = into;
    const pool = commonPool(frame);
    if (pool === undefined) {
      if (!this.onePiece.copy(frame) || reply.tryRead(this.onePiece.view()) !== OK) return false;
    } else if (reply.tryRead(frame) !== OK) return false;
    into.id = reply.id;
    into.status = reply.status;
    into.isList = reply.values.length !== 0;
    values.reset(pool === undefined ? this.onePiece.region : pool.region);
    if (reply.hasValue && !place(reply.valueField, values)) return false;
    return placeAll(reply.values, values);
  }

  release(): void {
    this.request.clear();
    this.reply.clear();
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** A blob as a field takes it: by reference where its memory is registered, to be given back when the field has it. */
function lend(blobs: Blobs, index: number): Slice | ScatterGatherArray | Uint8Array {
  const { pool } = blobs;
  const length = blobs.lengths[index]!;
  if (length === 0) return NO_BYTES;
  if (pool === undefined || !blobs.isWhole(index)) return blobs.view(index);
  const offset = blobs.offsetOf(index);
  const first = offset >> pool.slotShift;
  if ((offset + length - 1) >> pool.slotShift === first) {
    pool.retain(first);
    return pool.slice(first, offset, length);
  }
  return lendSlots(pool, offset, length);
}

/** Bytes that go on over the ends of slots. */
function lendSlots(pool: SlotPool, offset: number, length: number): ScatterGatherArray {
  const array = pool.array();
  const end = offset + length;
  for (let at = offset; at < end; ) {
    const slot = at >> pool.slotShift;
    const slotEnd = (slot + 1) << pool.slotShift;
    const partEnd = slotEnd < end ? slotEnd : end;
    pool.retain(slot);
    array.append(pool.slice(slot, at, partEnd - at));
    at = partEnd;
  }
  return array;
}

function takeBack(lent: BytesValue): void {
  if (lent instanceof Slice) lent.release();
  else if (lent instanceof ScatterGatherArray) lent.free();
}

function addAll(list: BytesList, blobs: Blobs, threshold: number): void {
  for (let i = 0; i < blobs.count; i++) {
    const value = lend(blobs, i);
    list.add(value, threshold);
    takeBack(value);
  }
}

/** Where a received field lies. The message holds the memory. */
function place(field: BytesField, blobs: Blobs): boolean {
  const lease = field.lease();
  if (lease === undefined) return blobs.addView(field.bytes());
  const placed = blobs.begin();
  if (placed) {
    for (let i = 0; i < lease.count; i++) {
      const slice = lease.segments[i]!;
      blobs.extend(slice.offset, slice.length);
    }
  }
  lease.free();
  return placed;
}

function placeAll(list: BytesList, blobs: Blobs): boolean {
  const { length } = list;
  for (let i = 0; i < length; i++) if (!place(list.fieldAt(i), blobs)) return false;
  return true;
}
