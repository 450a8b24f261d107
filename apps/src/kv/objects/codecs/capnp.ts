// The object protocol in Cap'n Proto with capnp-es: one segment, unpacked, without the stream's segment table. Its arena is kept
// between messages; what it reads has to begin at offset 0 of its memory, so a received message is always copied once.

import type { Gatherable, ScatterGatherArray } from '@demikernel/memory';
import { type Data, type List, ListElementSize, Message, type Struct, utils } from 'capnp-es';
import type { Blobs } from '../blobs.ts';
import { type Blob, Reply, Request } from '../generated/capnp.ts';
import type { Codec, ObjectReply, ObjectRequest } from '../messages.ts';
import { BytesPayload, OnePiece } from '../payloads.ts';
import { GET_M, MAX_BLOBS, MAX_MESSAGE_BYTES } from '../protocol.ts';

/** Pointers of the structs, in the order of their fields. */
const REQUEST_KEYS = 1;
const REQUEST_VALUES = 3;
const REPLY_VALUES = 1;

type Segment = ReturnType<Message['getSegment']>;

export class CapnpCodec implements Codec {
  readonly name = 'capnp';
  private arena: ArrayBuffer;
  private bytes: Uint8Array;
  /** Bytes of the arena that the last message has left behind: the format wants to begin with zeros. */
  private usedBytes: number;
  private readonly payload: BytesPayload;
  private readonly onePiece: OnePiece;

  constructor() {
    this.arena = new ArrayBuffer(MAX_MESSAGE_BYTES);
    this.bytes = new Uint8Array(this.arena);
    this.usedBytes = 0;
    this.payload = new BytesPayload();
    this.onePiece = new OnePiece();
  }

  encodeRequest(request: ObjectRequest): Gatherable {
    const { keys, operation, values } = request;
    const message = this.begin();
    const root = message.initRoot(Request);
    root.id = request.id;
    root.operation = operation;
    if (operation === GET_M) fillAll(root._initKeys(keys.count), keys);
    else if (keys.count !== 0) fill(root._initKey(keys.lengths[0]!), keys, 0);
    if (values.count > 1) fillAll(root._initValues(values.count), values);
    else if (values.count === 1) fill(root._initValue(values.lengths[0]!), values, 0);
    return this.finish(message.getSegment(0));
  }

  encodeReply(reply: ObjectReply): Gatherable {
    const { values } = reply;
    const message = this.begin();
    const root = message.initRoot(Reply);
    root.id = reply.id;
    root.status = reply.status;
    if (reply.isList) fillAll(root._initValues(values.count), values);
    else if (values.count !== 0) fill(root._initValue(values.lengths[0]!), values, 0);
    return this.finish(message.getSegment(0));
  }

  /** An empty message over the arena. */
  private begin(): Message {
    this.bytes.fill(0, 0, this.usedBytes);
    const message = new Message(this.arena, false, true);
    const segment = message.getSegment(0);
    segment.byteLength = 0;
    segment.allocate(8);
    return message;
  }

  private finish(segment: Segment): Gatherable {
    if (segment.buffer !== this.arena) {
      this.arena = segment.buffer;
      this.bytes = new Uint8Array(this.arena);
    }
    this.usedBytes = segment.byteLength;
    return this.payload.of(this.bytes.subarray(0, this.usedBytes));
  }

  decodeRequest(frame: ScatterGatherArray, into: ObjectRequest): boolean {
    const { keys, values } = into;
    const message = this.open(frame);
    if (message === undefined) return false;
    keys.reset(this.onePiece.region);
    values.reset(this.onePiece.region);
    try {
      const root = message.getRoot(Request);
      into.id = root.id;
      into.operation = root.operation;
      return (
        (!root._hasKey() || this.place(root.key, keys)) &&
        (!root._hasKeys() || (this.isSound(root, REQUEST_KEYS) && this.placeAll(root.keys, keys))) &&
        (!root._hasValue() || this.place(root.value, values)) &&
        (!root._hasValues() || (this.isSound(root, REQUEST_VALUES) && this.placeAll(root.values, values)))
      );
    } catch {
      return false;
    }
  }

  decodeReply(frame: ScatterGatherArray, into: ObjectReply): boolean {
    const { values } = into;
    const message = this.open(frame);
    if (message === undefined) return false;
    values.reset(this.onePiece.region);
    try {
      const root = message.getRoot(Reply);
      into.id = root.id;
      into.status = root.status;
      into.isList = root._hasValues();
      return (
        (!root._hasValue() || this.place(root.value, values)) &&
        (!into.isList || (this.isSound(root, REPLY_VALUES) && this.placeAll(root.values, values)))
      );
    } catch {
      return false;
    }
  }

  private open(frame: ScatterGatherArray): Message | undefined {
    const { onePiece } = this;
    if (!onePiece.copy(frame) || onePiece.lengthBytes < 8 || (onePiece.lengthBytes & 7) !== 0)
      return undefined;
    const message = new Message(onePiece.region.buffer, false, true);
    // What lies behind the message is an earlier one's: whatever it points to there is refused by `place`.
    message.getSegment(0).byteLength = onePiece.lengthBytes;
    return message;
  }

  private place(data: Data, blobs: Blobs): boolean {
    const view = data.toUint8Array();
    return this.onePiece.holds(view) && blobs.addView(view);
  }

  /**
   * Whether a list, by its pointer's number, has elements of our size or larger, and no more than its message has room for. Shorter
   * elements the library would copy to make them longer, as many of them as a short message cares to announce.
   */
  private isSound(root: Struct, pointer: number): boolean {
    const list = utils.getPointer(pointer, root);
    if (utils.getTargetListElementSize(list) !== ListElementSize.COMPOSITE) return false;
    const length = utils.getTargetListLength(list);
    return (
      utils.getTargetCompositeListSize(list).pointerLength > 0 &&
      length <= MAX_BLOBS &&
      length <= this.onePiece.lengthBytes >> 3
    );
  }

  private placeAll(list: List<Blob>, blobs: Blobs): boolean {
    const { length } = list;
    for (let i = 0; i < length; i++) {
      const blob = list.get(i);
      if (!(blob._hasBytes() ? this.place(blob.bytes, blobs) : blobs.begin())) return false;
    }
    return true;
  }

  release(): void {}
}

function fill(data: Data, blobs: Blobs, index: number): void {
  data.copyBuffer(blobs.view(index));
}

function fillAll(list: List<Blob>, blobs: Blobs): void {
  for (let i = 0; i < blobs.count; i++) fill(list.get(i)._initBytes(blobs.lengths[i]!), blobs, i);
}
