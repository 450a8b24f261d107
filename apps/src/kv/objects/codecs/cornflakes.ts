// The object protocol in Cornflakes: values leave from where they lie, and arrive without being unpacked.

import { BY_DEVICE, type BytesField, type BytesList, type Message, OK } from '@demikernel/cornflakes';
import { type Gatherable, type Region, ScatterGatherArray } from '@demikernel/memory';
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
  // Whether there is anything in the messages: to find out by clearing them takes longer.
  private requestUsed: boolean;
  private replyUsed: boolean;

  constructor(options: CodecOptions) {
    this.threshold = options.copyThresholdBytes ?? BY_DEVICE;
    this.request = Request.acquire();
    this.request.copyThresholdBytes = this.threshold;
    this.reply = Reply.acquire();
    this.reply.copyThresholdBytes = this.threshold;
    this.onePiece = new OnePiece();
    this.requestUsed = false;
    this.replyUsed = false;
  }

  encodeRequest(request: ObjectRequest): Gatherable {
    const { request: message, threshold } = this;
    const { keys, operation, values } = request;
    if (this.requestUsed) message.clear();
    this.requestUsed = true;
    message.id = request.id;
    message.operation = operation;
    if (operation === GET_M) addAll(message.keys, keys, threshold);
    else if (keys.count !== 0) {
      message.key = NO_BYTES;
      setOne(message.keyField, keys, 0, threshold);
    }
    if (values.count > 1) addAll(message.values, values, threshold);
    else if (values.totalBytes !== 0) {
      message.value = NO_BYTES;
      setOne(message.valueField, values, 0, threshold);
    }
    return message;
  }

  encodeReply(reply: ObjectReply): Gatherable {
    const { reply: message, threshold } = this;
    const { status, values } = reply;
    if (this.replyUsed) message.clear();
    this.replyUsed = true;
    message.id = reply.id;
    if (status !== 0) message.status = status;
    if (reply.isList) addAll(message.values, values, threshold);
    else if (values.totalBytes !== 0) {
      message.value = NO_BYTES;
      setOne(message.valueField, values, 0, threshold);
    }
    return message;
  }

  decodeRequest(frame: ScatterGatherArray, into: ObjectRequest): boolean {
    const { request } = this;
    const from = commonPool(frame) === undefined ? undefined : frame;
    this.requestUsed = true;
    if (!this.read(request, frame, from)) return false;
    into.id = request.id;
    into.operation = request.operation;
    return this.placeRequest(into.keys, into.values, from);
  }

  private placeRequest(keys: Blobs, values: Blobs, from: ScatterGatherArray | undefined): boolean {
    const { request } = this;
    const region = this.regionOf(from);
    keys.reset(region);
    values.reset(region);
    try {
      if (request.hasKey && !place(request.keyField, keys, from)) return false;
      if (!placeAll(request.keys, keys, from)) return false;
      if (request.hasValue && !place(request.valueField, values, from)) return false;
      return placeAll(request.values, values, from);
    } catch {
      return false;
    }
  }

  decodeReply(frame: ScatterGatherArray, into: ObjectReply): boolean {
    const { reply } = this;
    const { values } = into;
    const from = commonPool(frame) === undefined ? undefined : frame;
    this.replyUsed = true;
    if (!this.read(reply, frame, from)) return false;
    into.id = reply.id;
    into.status = reply.status;
    into.isList = reply.values.length !== 0;
    values.reset(this.regionOf(from));
    try {
      if (reply.hasValue && !place(reply.valueField, values, from)) return false;
      return placeAll(reply.values, values, from);
    } catch {
      return false;
    }
  }

  private regionOf(from: ScatterGatherArray | undefined): Region {
    return from === undefined ? this.onePiece.region : from.segments[0]!.pool.region;
  }

  /** Reads a message from its slices or, where these are of several pools, from a copy. */
  private read(message: Message, frame: ScatterGatherArray, from: ScatterGatherArray | undefined): boolean {
    if (from !== undefined) return message.tryRead(from) === OK;
    return this.onePiece.copy(frame) && message.tryRead(this.onePiece.view()) === OK;
  }

  release(): void {
    if (this.requestUsed) this.request.clear();
    if (this.replyUsed) this.reply.clear();
    this.requestUsed = false;
    this.replyUsed = false;
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * The slot to name for a blob: the one that it lies in or, of a blob that is copied anyhow, the one that it begins in. -1 when it lies
 * elsewhere, or would have to be referred to in pieces.
 */
function slotOf(blobs: Blobs, index: number, threshold: number): number {
  const { pool } = blobs;
  const length = blobs.lengths[index]!;
  if (pool === undefined || length === 0 || !blobs.isWhole(index)) return -1;
  const offset = blobs.offsetOf(index);
  const slot = offset >> pool.slotShift;
  if ((offset + length - 1) >> pool.slotShift === slot) return slot;
  return length < (threshold === BY_DEVICE ? pool.copyThresholdBytes : threshold) ? slot : -1;
}

/** Sets a field that is present already. */
function setOne(field: BytesField, blobs: Blobs, index: number, threshold: number): void {
  const slot = slotOf(blobs, index, threshold);
  if (slot >= 0) field.setIn(blobs.pool!, slot, blobs.offsetOf(index), blobs.lengths[index]!, threshold);
  else {
    const value = wherever(blobs, index);
    field.set(value, threshold);
    if (value instanceof ScatterGatherArray) value.free();
  }
}

function addAll(list: BytesList, blobs: Blobs, threshold: number): void {
  const { pool } = blobs;
  for (let i = 0; i < blobs.count; i++) {
    const slot = slotOf(blobs, i, threshold);
    if (slot >= 0) list.addIn(pool!, slot, blobs.offsetOf(i), blobs.lengths[i]!, threshold);
    else {
      const value = wherever(blobs, i);
      list.add(value, threshold);
      if (value instanceof ScatterGatherArray) value.free();
    }
  }
}

/** A blob that goes on over the ends of slots, as slices of these; one in other memory as a view. */
function wherever(blobs: Blobs, index: number): ScatterGatherArray | Uint8Array {
  const { pool } = blobs;
  const length = blobs.lengths[index]!;
  if (length === 0) return NO_BYTES;
  if (pool === undefined || !blobs.isWhole(index)) return blobs.view(index);
  const array = pool.array();
  const start = blobs.offsetOf(index);
  const end = start + length;
  for (let at = start; at < end; ) {
    const slot = at >> pool.slotShift;
    const slotEnd = (slot + 1) << pool.slotShift;
    const partEnd = slotEnd < end ? slotEnd : end;
    pool.retain(slot);
    array.append(pool.slice(slot, at, partEnd - at));
    at = partEnd;
  }
  return array;
}

/**
 * Where a received field lies: in the frame's slices or, without these, in the copy that was read.
 *
 * The message has been verified. But in memory that its sender shares with us it may have changed since: so the bounds are looked at
 * again here, and what throws on the way is no message.
 */
function place(field: BytesField, blobs: Blobs, frame: ScatterGatherArray | undefined): boolean {
  const { length } = field;
  if (frame === undefined) return blobs.addView(field.bytes());
  if (length === 0) return blobs.begin();
  const start = field.messageOffset;
  if (frame.count !== 1) return blobs.addRange(frame, start, length);
  const slice = frame.segments[0]!;
  return start + length <= slice.length && blobs.add(slice.offset + start, length);
}

function placeAll(list: BytesList, blobs: Blobs, frame: ScatterGatherArray | undefined): boolean {
  const { length } = list;
  for (let i = 0; i < length; i++) if (!place(list.fieldAt(i), blobs, frame)) return false;
  return true;
}
