// Requests, written beforehand into memory that is pushed again and again: the client's serialization costs nothing while it
// measures, whatever the protocol.

import { TextEncoder } from 'node:util';
import {
  type Codec,
  ObjectRequest,
  GET as OP_GET,
  GET_LIST as OP_GET_LIST,
  PUT as OP_PUT,
  Outbox,
} from '@demikernel/apps/kv-objects';
import { heapRegion, type Region, type ScatterGatherArray, type SlotPool } from '@demikernel/memory';
import type { Demikernel } from 'demikernel';
import { SeededRandom } from 'demikernel/stack';
import { keyText, valueContent } from '../../workloads/content.ts';
import { GET_LIST, PUT, type Request, type Workload } from '../../workloads/workload.ts';

/** Requests until they repeat: a power of two. */
export const RING_REQUESTS = 8192;

/** Where a request's key and values are put together. */
const KEY_AT = 0;
const VALUES_AT = 4096;
const SCRATCH_BYTES: number = VALUES_AT + (1 << 17);

/** Writes requests for the keys of a workload. */
export class RequestWriter {
  private readonly workload: Workload;
  private readonly request: ObjectRequest;
  private readonly scratch: Region;
  private readonly encoder: TextEncoder;

  constructor(workload: Workload) {
    this.workload = workload;
    this.scratch = heapRegion(SCRATCH_BYTES);
    this.request = new ObjectRequest(this.scratch);
    this.encoder = new TextEncoder();
  }

  /** The request as a codec wants it; used up by the next call. */
  fill({ key, kind }: Request, id: number): ObjectRequest {
    const { request, scratch, workload } = this;
    const length = workload.keyBytes[key]!;
    scratch.bytes.set(this.encoder.encode(keyText(key, length)), KEY_AT);
    request.id = id;
    request.keys.reset(scratch);
    request.keys.add(KEY_AT, length);
    request.values.reset(scratch);
    if (kind === PUT) this.fillValues(key);
    request.operation = kind === PUT ? OP_PUT : kind === GET_LIST ? OP_GET_LIST : OP_GET;
    return request;
  }

  private fillValues(key: number): void {
    const { request, scratch, workload } = this;
    const first = workload.firstValue[key]!;
    let at = VALUES_AT;
    for (let i = first; i < workload.firstValue[key + 1]!; i++) {
      const length = workload.valueBytes[i]!;
      scratch.bytes.set(valueContent(key, i - first, length), at);
      request.values.add(at, length);
      at += length;
    }
  }
}

/** The requests of one run, in order. */
export class RequestRing {
  readonly arrays: readonly ScatterGatherArray[];
  readonly kinds: Int32Array;
  readonly keys: Int32Array;
  /** Bytes of the reply that each has had; 0 before its first. The same request has the same reply every time. */
  readonly replyBytes: Int32Array;

  constructor(os: Demikernel, codec: Codec, workload: Workload, seed: number) {
    const { pool, sliceBytes } = os.libraryOs;
    const random = new SeededRandom(seed);
    const writer = new RequestWriter(workload);
    const outbox = new Outbox(pool, sliceBytes, true);
    const packer = new Packer(pool, sliceBytes);
    const request: Request = { kind: 0, key: 0 };
    const arrays: ScatterGatherArray[] = [];
    this.kinds = new Int32Array(RING_REQUESTS);
    this.keys = new Int32Array(RING_REQUESTS);
    this.replyBytes = new Int32Array(RING_REQUESTS);
    for (let i = 0; i < RING_REQUESTS; i++) {
      workload.next(random, request);
      this.kinds[i] = request.kind;
      this.keys[i] = request.key;
      if (!outbox.add(codec.encodeRequest(writer.fill(request, i))))
        throw new Error('the client’s memory is too small');
      codec.release();
      arrays.push(packer.pack(outbox.take()!));
    }
    packer.close();
    this.arrays = arrays;
  }
}

/** Puts short messages into common slots: thousands of them would otherwise take a slot each. */
class Packer {
  private readonly pool: SlotPool;
  private readonly sliceBytes: number;
  private slot: number;
  private at: number;
  private end: number;

  constructor(pool: SlotPool, sliceBytes: number) {
    this.pool = pool;
    this.sliceBytes = sliceBytes;
    this.slot = -1;
    this.at = 0;
    this.end = 0;
  }

  /** The same message, perhaps elsewhere; ends the array that was given. */
  pack(array: ScatterGatherArray): ScatterGatherArray {
    const length = array.lengthBytes;
    if (array.count !== 1 || length > this.sliceBytes / 2) return array;
    if (this.end - this.at < length) this.begin();
    const { pool } = this;
    pool.region.bytes.set(array.segments[0]!.bytes(), this.at);
    array.free();
    pool.retain(this.slot);
    const packed = pool.array();
    packed.append(pool.slice(this.slot, this.at, length));
    this.at += length;
    return packed;
  }

  private begin(): void {
    this.close();
    this.slot = this.pool.allocSlot();
    if (this.slot < 0) throw new Error('the client’s memory is too small');
    this.at = this.pool.slotOffset(this.slot) + this.pool.headroomBytes;
    this.end = this.at + this.sliceBytes;
  }

  /** Gives up the packer's own reference to the slot under way. */
  close(): void {
    if (this.slot >= 0) this.pool.release(this.slot);
    this.slot = -1;
  }
}
